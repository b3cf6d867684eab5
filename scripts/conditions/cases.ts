/** A context of `testdata/conditions.json`, with the names of helios.v1.EvaluationContext. */
export interface VectorContext {
  readonly session_id?: string;
  readonly user_id?: string;
  readonly symbol?: string;
  readonly system?: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** Attributes that repeat a text, or a list of one value, many times. They would be long to write out. */
  readonly repeated_texts?: Readonly<Record<string, readonly [text: string, times: number]>>;
  readonly repeated_values?: Readonly<Record<string, readonly [value: unknown, times: number]>>;
}

/** A condition, and the contexts over which it is evaluated. */
export interface ConditionCase {
  readonly condition: string;
  readonly contexts: readonly VectorContext[];
}

export const of = (condition: string, ...attributes: readonly Record<string, unknown>[]): ConditionCase => ({
  condition,
  contexts: attributes.map((each) => ({ attributes: each })),
});

const a = "context.attributes.a";
const b = "context.attributes.b";
const over = (condition: string, values: readonly unknown[]): ConditionCase =>
  of(condition, ...values.map((value) => ({ a: value })));
/** Cases that compare the text of an expression's result with the expected text. */
const gives = (expression: string, ...pairs: readonly (readonly [given: unknown, wanted: string])[]): ConditionCase =>
  of(`string(${expression}) == context.attributes.w`, ...pairs.map(([given, w]) => ({ a: given, w })));
const pairs = (values: readonly unknown[]): Record<string, unknown>[] =>
  values.flatMap((x) => values.map((y) => ({ a: x, b: y })));

const VALUES = [
  null,
  true,
  false,
  0,
  1,
  -1,
  1.5,
  2,
  "",
  "a",
  "b",
  "1",
  [],
  [1],
  [1, "a"],
  {},
  { a: 1 },
  { a: 1, b: null },
];
const TEXTS = ["", "a", "ab", "abc", "é", "e\u0301", "\uffff", "🚀", "🚀a", "\ud7ff", "z"];
const BAD_NUMBERS = [
  "",
  " ",
  " 1",
  "1 ",
  "\t1",
  "0x10",
  "1_000",
  "1,5",
  "+1",
  "--1",
  "n/a",
  "NaN",
  "nan",
  "Infinity",
  "-inf",
  "1e",
  "e1",
  ".5",
  "5.",
  "١",
  "1n",
  `1${"0".repeat(64)}`,
];

const fields: readonly ConditionCase[] = [
  {
    condition: 'context.symbol in ["BTCZAR"] && context.attributes.latency_ms < 50.0',
    contexts: [
      { symbol: "BTCZAR", attributes: { latency_ms: 12.5 } },
      { symbol: "BTCZAR", attributes: { latency_ms: 50 } },
      { symbol: "ETHZAR", attributes: {} },
      { symbol: "BTCZAR" },
      {},
    ],
  },
  ...["session_id", "user_id", "symbol", "system"].flatMap((field) => [
    { condition: `has(context.${field})`, contexts: [{}, { [field]: "" }, { [field]: "x" }] },
    { condition: `context.${field} == ""`, contexts: [{}, { [field]: "" }, { [field]: "x" }] },
    { condition: `context["${field}"] == "x" && "${field}" in context`, contexts: [{}, { [field]: "x" }] },
  ]),
  { condition: "has(context.attributes)", contexts: [{}, { attributes: {} }, { attributes: { a: null } }] },
  { condition: `!has(${a}) || ${a} == null`, contexts: [{}, { attributes: { a: null } }, { attributes: { a: 0 } }] },
  { condition: '"a" in context.attributes', contexts: [{}, { attributes: { a: null } }, { attributes: { b: 0 } }] },
  over(`!(${a}.x > 5.0)`, [{}, { x: 5 }, { x: 6 }, { x: null }, { x: "6" }, null, 1, "x", []]),
  over(`has(${a}.x)`, [{}, { x: null }, { x: false }, null, [], "x", 1]),
  over(`${a}.__proto__ == null || has(${a}.constructor)`, [{}, { a: 1 }]),
  over(`${a}["toString"] == "x"`, [{}, { toString: "x" }]),
];

const logic: readonly ConditionCase[] = [
  ...["&&", "||"].flatMap((operator) => [
    of(
      `${a} ${operator} ${b}`,
      ...pairs([true, false, 1, null]),
      { a: true },
      { a: false },
      { b: true },
      { b: false },
      {},
    ),
    of(`${a} ${operator} ${b} ${operator} context.attributes.c`, { c: true }, { c: false }, { a: true, c: false }),
  ]),
  over(`!${a}`, [true, false, null, 1, "true"]),
  over(`!(!${a})`, [true, false, 1]),
  over(`${a} ? false : true`, [true, false, null, 0, ""]),
  over(`${a} ? ${b} : true`, [true, false]),
  over(`${a}`, [true, false, null, "true", 1, [], {}]),
];

const equality: readonly ConditionCase[] = [
  of(`${a} == ${b}`, ...pairs(VALUES)),
  of(`${a} != ${b}`, ...pairs([1, 1.5, "1", null, [1], { a: 1 }])),
  over(`${a} == 1 && ${a} == 1u && ${a} == 1.0`, [1, 1.5, "1", true]),
  over(`int(${a}) == ${b}`, ["9007199254740993"]),
  of(
    `int(${a}) == ${b}`,
    { a: "9007199254740993", b: 9007199254740992 },
    { a: "9007199254740992", b: 9007199254740992 },
  ),
  over(`${a} == {"x": [1, {"y": null}], "z": "t"}`, [
    { x: [1, { y: null }], z: "t" },
    { z: "t", x: [1.0, { y: null }] },
    { x: [1, { y: 0 }], z: "t" },
    { x: [1, {}], z: "t" },
    { x: [1, { y: null }] },
  ]),
  over(`bytes(${a}) == b"\\xc3\\xa9"`, ["é", "e", ""]),
  over(`type(${a}) == double || type(${a}) == string || type(${a}) == null_type`, VALUES),
  over(`type(${a}) == list || type(${a}) == map || type(${a}) == bool`, VALUES),
  over(`type(int(${a})) == int && type(uint(${a})) == uint && type(type(${a})) == type && type(b"") == bytes`, ["1"]),
  over(`type(timestamp(${a})) == type(timestamp(0)) && type(duration("1s")) != type(timestamp(${a}))`, [
    "2026-01-16T10:00:00Z",
  ]),
];

const order: readonly ConditionCase[] = [
  ...["<", "<=", ">", ">="].map((operator) =>
    of(`${a} ${operator} ${b}`, ...pairs([null, true, false, -1, 0, 1.5, "", "a"])),
  ),
  of(`${a} < ${b}`, ...pairs(TEXTS)),
  over(`${a} < 2 && ${a} <= 1u && 0 < ${a} && 0u < ${a} && ${a} < 2.0`, [1, 0, 2, -1, 1.5]),
  of(
    `int(${a}) < ${b}`,
    { a: "9007199254740993", b: 9007199254740992 },
    { a: "-9007199254740993", b: -9007199254740992 },
  ),
  of(`${b} < uint(${a})`, { a: "18446744073709551615", b: 1.8446744073709552e15 }, { a: "0", b: -1 }),
  of(`bytes(${a}) < bytes(${b})`, ...pairs(["", "a", "ab", "é", "\uffff", "🚀"])),
  of(`timestamp(${a}) < timestamp(${b})`, ...pairs(["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000001Z"])),
  of(`duration(${a}) >= duration(${b})`, ...pairs(["1s", "1000ms", "-1s", "0"])),
];

const arithmetic: readonly ConditionCase[] = [
  ...["+", "-", "*", "/"].map((operator) =>
    of(
      `${a} ${operator} ${b} == context.attributes.c`,
      ...pairs([0, 1, -2.5, 3, "x", [1], null]).map((each) => ({ ...each, c: 0.5 })),
    ),
  ),
  gives(`${a} + ${b}`),
  of(`string(${a} / ${b}) == "3.3333333333333335"`, { a: 10, b: 3 }, { a: 10, b: 0 }, { a: 0, b: 0 }, { a: -1, b: 0 }),
  of(`${a} * ${b} > 0.0`, { a: 1e300, b: 1e300 }, { a: 1e-300, b: 1e-300 }, { a: -1e300, b: 1e300 }),
  of(`-${a} < 0.0`, { a: 1 }, { a: 0 }, { a: "1" }, { a: null }),
  ...(["+", "-", "*", "/", "%"] as const).map((operator) =>
    of(
      `string(int(${a}) ${operator} int(${b})) == context.attributes.w`,
      ...whole(operator, ["7", "-7", "2", "-2", "0", "9223372036854775807", "-9223372036854775808", "-1"]),
    ),
  ),
  ...(["+", "-", "*", "/", "%"] as const).map((operator) =>
    of(
      `string(uint(${a}) ${operator} uint(${b})) == context.attributes.w`,
      ...whole(operator, ["7", "2", "0", "18446744073709551615"]),
    ),
  ),
  gives(`-int(${a})`, ["5", "-5"], ["-9223372036854775808", ""], ["-9223372036854775807", "9223372036854775807"]),
  gives(`${a} + "b" + ${a}`, ["a", "aba"], ["🚀", "🚀b🚀"], [1, ""]),
  of(`${a} + ${b} == [1, 2, "x"]`, { a: [1, 2], b: ["x"] }, { a: [], b: [1] }, { a: [1], b: "x" }),
  over(`bytes(${a}) + b"\\x00" == b"a\\x00"`, ["a", "b"]),
];

function whole(operator: "+" | "-" | "*" | "/" | "%", values: readonly string[]): Record<string, unknown>[] {
  const compute = { "+": add, "-": subtract, "*": multiply, "/": divide, "%": modulo }[operator];
  return pairs(values).map(({ a: x, b: y }) => ({ a: x, b: y, w: compute(BigInt(x as string), BigInt(y as string)) }));
}
function add(x: bigint, y: bigint): string {
  return String(x + y);
}
function subtract(x: bigint, y: bigint): string {
  return String(x - y);
}
function multiply(x: bigint, y: bigint): string {
  return String(x * y);
}
function divide(x: bigint, y: bigint): string {
  return y === 0n ? "" : String(x / y);
}
function modulo(x: bigint, y: bigint): string {
  return y === 0n ? "" : String(x % y);
}

const conversions: readonly ConditionCase[] = [
  ...["int", "uint", "double"].map((to) =>
    over(`string(${to}(${a})) != "x"`, [...BAD_NUMBERS, "0", "-0", "007", "12", null, true, [], {}]),
  ),
  gives(
    `int(${a})`,
    ["-9223372036854775808", "-9223372036854775808"],
    ["9223372036854775808", ""],
    [1.9, "1"],
    [-1.9, "-1"],
  ),
  gives(`int(${a})`, [9.223372036854775e18 / 1024, String(BigInt(9.223372036854775e18 / 1024))], ["007", "7"]),
  gives(
    `uint(${a})`,
    ["18446744073709551615", "18446744073709551615"],
    ["18446744073709551616", ""],
    ["-1", ""],
    [-0.5, ""],
    [2.9, "2"],
  ),
  over(`int(double(${a})) > 0`, ["9223372036854775807", "9.3e18", "-9.3e18", "9.2e18", "1e400"]),
  over(`uint(double(${a})) > 0u`, ["18446744073709551616", "1.8446744073709550e19", "-1"]),
  over(`int(uint(${a})) > 0`, ["9223372036854775807", "9223372036854775808"]),
  over(`uint(int(${a})) > 0u`, ["1", "-1"]),
  over(`string(double(int(${a}))) == "9007199254740992"`, ["9007199254740993", "1"]),
  gives(
    `double(${a})`,
    ["1e3", "1000"],
    ["-0.5E-2", "-0.005"],
    ["1e999", ""],
    ["1e-999", "0"],
    ["4.9e-324", "5e-324"],
    ["0.1000000000000000055511151231257827", "0.1"],
    ["9007199254740993", "9007199254740992"],
  ),
  gives(
    a,
    ...[0.1, 1, -1.5, 100, 0.000001, 1e-7, 1.5e-8, 123456.789, 5e-324, 2.2250738585072014e-308, 1 / 3].map(
      (value): [unknown, string] => [value, String(value)],
    ),
    [true, "true"],
    ["text", "text"],
    [null, ""],
    [[], ""],
    [{}, ""],
  ),
  gives(
    `double(${a})`,
    ...["1e20", "1e21", "1e22", "123456789012345680000", "1.7976931348623157e308", "-1e21", "12e20"].map(
      (value): [unknown, string] => [value, String(Number(value))],
    ),
  ),
  over(`bool(${a})`, [
    "true",
    "True",
    "TRUE",
    "t",
    "1",
    "false",
    "False",
    "FALSE",
    "f",
    "0",
    "yes",
    "",
    "tRUE",
    " true",
    true,
    1,
    null,
  ]),
  gives(`bytes(${a})`, ["é🚀", "é🚀"], ["", ""]),
  over(`string(bytes(${a}) + b"\\xff") != ""`, ["a"]),
  over(`dyn(${a}) == dyn(1)`, [1, 2]),
  over(`size(${a}) == 2`, ["ab", "a🚀", "🚀", "e\u0301", [1, 2], { a: 1, b: null }, 2, null, true]),
  over(`${a}.size() == 2 && bytes(${a}).size() == 5`, ["a🚀", "ab"]),
];

const times: readonly ConditionCase[] = [
  over(`timestamp(${a}) > timestamp("0001-01-01T00:00:00Z") || true`, ["2026-01-16T10:00:00Z"]),
  over(`string(timestamp(${a})) != "x"`, [
    "2026-01-16T10:00:00Z",
    "2026-01-16T10:00:00.123456789+13:59",
    "2026-01-16T10:00:00.1234567890Z",
    "2026-01-16T10:00:00z",
    "2026-01-16t10:00:00Z",
    "2026-01-16 10:00:00Z",
    "2026-01-16T10:00:00",
    "2026-01-16",
    "2026-02-29T00:00:00Z",
    "2024-02-29T00:00:00Z",
    "2100-02-29T00:00:00Z",
    "2026-04-31T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "2026-01-16T24:00:00Z",
    "2026-01-16T23:60:00Z",
    "2026-01-16T23:59:60Z",
    "2026-01-16T23:59:59+24:00",
    "2026-01-16T23:59:59+0100",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+00:01",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "9999-12-31T23:59:59-00:01",
    "99999-01-01T00:00:00Z",
    "",
    " ",
    "now",
    "1768557600",
    1768557600,
    null,
  ]),
  gives(
    `timestamp(${a})`,
    ["2026-01-16T10:00:00.5+02:00", "2026-01-16T08:00:00.500Z"],
    ["1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z"],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"],
    ["2026-01-16T10:00:00.000010Z", "2026-01-16T10:00:00.000010Z"],
  ),
  gives(
    `timestamp(int(${a}))`,
    ["1768557600", "2026-01-16T10:00:00Z"],
    ["-1", "1969-12-31T23:59:59Z"],
    ["253402300800", ""],
  ),
  gives(`int(timestamp(${a}))`, ["2026-01-16T10:00:00.9Z", "1768557600"], ["1969-12-31T23:59:59.5Z", "-1"]),
  gives(
    `duration(${a})`,
    ...(
      [
        ["1h30m", "5400s"],
        ["1.5s", "1.500s"],
        ["-1.5s", "-1.500s"],
        ["100ms", "0.100s"],
        ["1us", "0.000001s"],
        ["1µs", "0.000001s"],
        ["1ns", "0.000000001s"],
        ["0", "0s"],
        ["-0", "0s"],
        ["1h1m1s1ms1us1ns", "3661.001001001s"],
        ["0.1ns", "0s"],
        ["0.333333333333h", "1199.999999998s"],
        ["2562047h47m16.854775807s", "9223372036.854775807s"],
        ["2562047h47m16.854775808s", ""],
        ["-2562047h47m16.854775808s", "-9223372036.854775808s"],
        ["99999999999999999999h", ""],
      ] as const
    ).map(([text, wanted]): [unknown, string] => [text, wanted]),
  ),
  over(`duration(${a}) != duration("1s")`, [
    "",
    " ",
    "1",
    "s",
    "1s ",
    " 1s",
    "+1s",
    "1 s",
    "1.s",
    ".5s",
    "1d",
    "1S",
    "--1s",
    "-",
    "1s-1s",
    "0s",
    1,
    null,
  ]),
  gives(`duration(int(${a}))`, ["90", "90s"], ["-90", "-90s"], ["9223372037", ""]),
  gives(`int(duration(${a}))`, ["-1.5s", "-1"], ["1.9s", "1"]),
  gives(
    `timestamp(${a}) + duration("1h")`,
    ["2026-01-16T23:30:00Z", "2026-01-17T00:30:00Z"],
    ["9999-12-31T23:30:00Z", ""],
  ),
  gives(`duration("1h") + timestamp(${a}) - duration("30m")`, ["2026-01-16T23:30:00Z", "2026-01-17T00:00:00Z"]),
  gives(
    `timestamp(${a}) - timestamp("2026-01-16T00:00:00Z")`,
    ["2026-01-16T01:00:00Z", "3600s"],
    ["0001-01-01T00:00:00Z", ""],
  ),
  gives(`duration(${a}) + duration("1s") - duration("1m")`, ["2m", "61s"], ["2562047h47m16s", ""]),
  over(`timestamp(${a}) + timestamp(${a}) == timestamp(${a})`, []),
  ...[
    "FullYear",
    "Month",
    "Date",
    "DayOfMonth",
    "DayOfWeek",
    "DayOfYear",
    "Hours",
    "Minutes",
    "Seconds",
    "Milliseconds",
  ].flatMap((part) => [
    gives(
      `timestamp(${a}).get${part}()`,
      ...[
        "2026-01-16T10:20:30.456789Z",
        "2024-12-31T23:59:59.999Z",
        "1969-12-31T23:59:59.25Z",
        "0001-01-01T00:00:00Z",
        "2000-03-01T00:00:00Z",
      ].map((time): [unknown, string] => [time, partOf(part, new Date(time), time)]),
    ),
    over(`timestamp(${a}).get${part}("+05:45") == timestamp(${a}).get${part}("05:45")`, ["2025-12-31T18:15:00Z"]),
    over(`timestamp(${a}).get${part}("Europe/Zurich") == timestamp(${a}).get${part}("+02:00")`, [
      "2026-03-29T00:59:59Z",
      "2026-03-29T01:00:00Z",
      "2026-10-25T00:59:59Z",
      "2026-10-25T01:00:00Z",
      "1980-04-06T01:00:00Z",
      "2150-07-01T00:00:00Z",
    ]),
  ]),
  ...[
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Africa/Monrovia",
    "UTC",
    "-11:30",
  ].map((zone) =>
    over(`timestamp(${a}).getHours("${zone}") * 60 + timestamp(${a}).getMinutes("${zone}") > 600`, [
      "2026-03-08T06:59:59Z",
      "2026-03-08T07:00:00Z",
      "1971-12-31T12:00:00Z",
      "2026-04-04T15:00:00Z",
      "2026-02-20T12:00:00Z",
    ]),
  ),
  gives(`duration(${a}).getHours()`, ["90m", "1"], ["-90m", "-1"]),
  gives(`duration(${a}).getMinutes()`, ["90s", "1"], ["-90s", "-1"]),
  gives(`duration(${a}).getSeconds()`, ["1h1.5s", "3601"], ["-1.5s", "-1"]),
  gives(`duration(${a}).getMilliseconds()`, ["1.5s", "500"], ["-1.5s", "-500"]),
];

function partOf(part: string, date: Date, text: string): string {
  const start = Date.UTC(2000, 0, 1);
  const days = Math.floor((date.getTime() - start) / 86_400_000);
  const first = new Date(date);
  first.setUTCMonth(0, 1);
  const parts: Readonly<Record<string, number>> = {
    FullYear: date.getUTCFullYear(),
    Month: date.getUTCMonth(),
    Date: date.getUTCDate(),
    DayOfMonth: date.getUTCDate() - 1,
    // January 1st, 2000 was a Saturday.
    DayOfWeek: (((days + 6) % 7) + 7) % 7,
    DayOfYear: (floorDay(date) - floorDay(first)) / 86_400_000,
    Hours: date.getUTCHours(),
    Minutes: date.getUTCMinutes(),
    Seconds: date.getUTCSeconds(),
    Milliseconds: Number((/\.(\d{1,3})/.exec(text)?.[1] ?? "0").padEnd(3, "0")),
  };
  return String(parts[part]);
}

function floorDay(date: Date): number {
  return Math.floor(date.getTime() / 86_400_000) * 86_400_000;
}

const collections: readonly ConditionCase[] = [
  of(
    `${a} in ${b}`,
    ...[null, 1, "a", [1], true].flatMap((x) =>
      [[], [1], ["a", null], [[1]], [true], { a: 1 }, { "1": 1 }, "a"].map((y) => ({ a: x, b: y })),
    ),
  ),
  over(`${a} in ["x", "y", "z"]`, ["x", "z", "w", 1, null]),
  over(`${a} in [1, 2u, 3.0, "4"]`, [1, 2, 3, 4, "4"]),
  over(`${a} in {"x": 1, 2: 2, true: 3}`, ["x", 2, 2.5, true, false, "y", null]),
  of(`${a}[${b}] == 2.0`, ...[0, 1, 2, -1, 0.5, "1", null].map((y) => ({ a: [1, 2], b: y }))),
  of(`${a}[${b}] == 2.0`, ...["x", "y", 1, null, true].map((y) => ({ a: { x: 2 }, b: y }))),
  over(`${a}[1] == 2.0 && ${a}[1u] == 2`, [[1, 2], [1], { "1": 2 }, "12"]),
  over(`{1: "i", true: "b", "s": "s", 2u: "u"}[${a}] != ""`, [1, 2, true, "s", false, 1.5, "t"]),
  over(`{${a}: 1, "x": 2}.size() == 2`, ["y", "x", true, 1.5, null]),
  over(`[${a}, 1, "x"][0] == ${a}`, [1, "y", null, [1]]),
  over(`${a}.all(x, x > 1.0)`, [[], [2, 3], [2, 1], ["a", 1], ["a", 2], [null], {}, { a: 1 }, "a", 1, null]),
  over(`${a}.exists(x, x > 1.0)`, [[], [2, 3], [0, 1], ["a", 2], ["a", 1], {}]),
  over(`${a}.exists_one(x, x > 1.0)`, [[], [2], [2, 3], [0, 1], ["a", 2], [2, "a"]]),
  over(`${a}.filter(x, x > 1.0) == [2.0, 3.0]`, [[1, 2, 3], [2, 3], [], ["a"]]),
  over(`${a}.map(x, x * 2.0) == [2.0, 4.0]`, [[1, 2], [], ["a"], [1, "a"]]),
  over(`${a}.map(x, x > 1.0, x * 2.0) == [4.0]`, [[1, 2], [2], ["a"], [1, "a"]]),
  over(`${a}.all(k, k.size() > 0)`, [{}, { x: 1 }, { "": 1 }, { b: 1, a: 2, "🚀": 3, "\uffff": 4 }]),
  over(`${a}.map(k, k) == ["A", "a", "b", "é", "\\uffff", "🚀"]`, [{ b: 1, "🚀": 2, "\uffff": 3, a: 4, é: 5, A: 6 }]),
  over(`${a}.exists(k, k == "b" || ${a}[k] == 9.0)`, [{ c: 1, b: 2, a: 3 }, { c: 9, a: 1 }, { a: 1 }]),
  over(`{"b": ${a}, "a": 2}.map(k, k) == ["b", "a"]`, [1]),
  over(`${a}.all(x, ${a}.exists(y, x + y == 3.0))`, [[1, 2], [1, 1], []]),
  over(`${a}.map(x, ${a}.map(x, x + 1.0)).size() == 2`, [[1, 2]]),
  over(`${a}.all(x, x.all(x, x > 0.0) && x.size() > 0)`, [[[1], [2, 3]], [[0]], [[]]]),
  over(`${a}.filter(x, ${a}.exists_one(y, y == x)) == [2.0]`, [[1, 2, 1], [2]]),
];

const strings: readonly ConditionCase[] = ["contains", "startsWith", "endsWith"].flatMap((name) => [
  of(`${a}.${name}(${b})`, ...pairs(["", "a", "ab", "ba", "aba", "🚀", "a🚀", 1])),
  of(`${a}.${name}("b")`, { a: "b" }, { a: "ab" }, { a: "ba" }, { a: null }, {}),
]);

export const CASES: readonly ConditionCase[] = [
  ...fields,
  ...logic,
  ...equality,
  ...order,
  ...arithmetic,
  ...conversions,
  ...times,
  ...collections,
  ...strings,
].filter(({ contexts }) => contexts.length > 0);
