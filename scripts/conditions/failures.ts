import { type ConditionCase, of } from "./cases.ts";

const a = "context.attributes.a";

/** Expressions that cannot be evaluated if `a` is the text "n/a", each for a different reason. */
const FAILING: readonly string[] = [
  "context.attributes.absent",
  `int(${a})`,
  `uint(${a})`,
  `double(${a})`,
  `bool(${a})`,
  `timestamp(${a})`,
  `duration(${a})`,
  `-${a}`,
  "1 / int(context.attributes.zero)",
  "1.0 / context.attributes.zero",
  "context.attributes.zero / context.attributes.zero",
  "int(context.attributes.one) + 9223372036854775807",
  "-1 - int(context.attributes.one) - 9223372036854775807",
  "uint(context.attributes.zero) - 1u",
  "1e308 * (context.attributes.one + 9.0)",
  'timestamp("9999-12-31T23:59:59Z") + duration(int(context.attributes.one))',
  'duration("2562047h") + duration(int(context.attributes.one) * 3600)',
  "[1][int(context.attributes.one)]",
  `{"x": 1}[${a}]`,
  `string(b"\\xff" + bytes(${a}))`,
  `${a} + context.attributes.one`,
  `${a} < context.attributes.one`,
  "size(context.attributes.one)",
  "bytes(context.attributes.half)",
];

/** One of them, selected by `k`. */
const X = `(${FAILING.slice(1).reduceRight((rest, each, at) => `context.attributes.k == ${at + 1} ? dyn(${each}) : ${rest}`, `dyn(${FAILING[0]})`)})`;

/** Expressions that would be true for most values, or for the negation of most. */
const AROUND: readonly ((x: string) => string)[] = [
  (x) => `${x} != null`,
  (x) => `!(${x} == null)`,
  (x) => `${x} != "x"`,
  (x) => `!(${x} in [1, "a", null])`,
  (x) => `!(1 in [${x}])`,
  (x) => `!(${x} in {"b": 1})`,
  (x) => `!("a" in {"b": ${x}})`,
  (x) => `[${x}] != []`,
  (x) => `{"a": ${x}} != {}`,
  (x) => `[${x}].size() == 1`,
  (x) => `!has({"a": ${x}}.b)`,
  (x) => `type(${x}) != string`,
  (x) => `!(${x} < 1)`,
  (x) => `!(${x} >= 1)`,
  (x) => `${x} == 1 ? false : true`,
  (x) => `${x} > 1 ? true : true`,
  (x) => `!(${x} && true)`,
  (x) => `!(${x} || false)`,
  (x) => `false || ${x} != 1`,
  (x) => `true && ${x} != 1`,
  (x) => `string(${x}) != "x"`,
  (x) => `!string(${x}).matches("x")`,
  (x) => `!string(${x}).contains("x")`,
  (x) => `[${x}].all(y, true)`,
  (x) => `![${x}].exists(y, false)`,
  (x) => `[1].all(y, ${x} != y)`,
  (x) => `![1].exists(y, ${x} == y)`,
  (x) => `![1].exists_one(y, ${x} == y)`,
  (x) => `[1].filter(y, ${x} == y) == []`,
  (x) => `[1].map(y, ${x}) != []`,
  (x) => `[1].map(y, ${x} == y, y) == []`,
  (x) => `[1, 2][${x}] != 3`,
  (x) => `{"a": 1}[${x}] != 2`,
  (x) => `timestamp(${x}).getHours("Europe/Zurich") >= 0 || true == false`,
];

/** An expression that fails never turns a flag on, whatever surrounds it, except if && or || absorbs the failure. */
export const FAILURE_CASES: readonly ConditionCase[] = AROUND.map((around) =>
  of(around(X), ...FAILING.map((_, k) => ({ k, a: "n/a", zero: 0, one: 1, half: "\ud83d" }))),
);
