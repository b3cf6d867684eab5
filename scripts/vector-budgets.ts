import type { EvaluationCase } from "./vector-cases.ts";

const l = "context.attributes.l";
/** Over the list below, each takes more than half of the steps or bytes of one evaluation. */
const STEPS = `${l}.all(x, ${l}.all(y, x + y < 9.0))`;
const BYTES = `${l}.all(x, (${l} + ${l} + ${l} + ${l} + ${l} + ${l} + ${l} + ${l} + ${l} + ${l}).size() > 0)`;
const TOO_MANY_STEPS = `${l}.all(x, ${l}.all(y, x + y < 9.0) && ${l}.all(y, x + y < 9.0))`;
const many = { attributes: { l: Array(32).fill(1) } };
const wide = { attributes: { l: Array(40).fill(1) } };

const flag = (fields: object = {}): object => ({ enabled: true, strategy: "all_on", ...fields });
const chain = (length: number): EvaluationCase["flags"] =>
  Object.fromEntries(
    Array.from({ length }, (_, at) => [
      at === 0 ? "f" : `p${at}`,
      flag(at + 1 < length ? { prerequisites: [`p${at + 1}`] } : {}),
    ]),
  );

/** Conditions of a flag and its prerequisites, which share the budget of one evaluation. */
export const BUDGET_CASES: readonly EvaluationCase[] = [
  {
    title: "a condition that takes much alone",
    flags: { f: flag({ condition: STEPS }) },
    name: "f",
    context: many,
  },
  {
    title: "a condition and that of a prerequisite take too many steps together",
    flags: { f: flag({ prerequisites: ["p"], condition: STEPS }), p: flag({ condition: STEPS }) },
    name: "f",
    context: many,
  },
  {
    title: "a condition and that of a prerequisite take too many bytes together",
    flags: { f: flag({ prerequisites: ["p"], condition: BYTES }), p: flag({ condition: BYTES }) },
    name: "f",
    context: wide,
  },
  {
    title: "conditions of two prerequisites take too many steps together",
    flags: { f: flag({ prerequisites: ["p", "q"] }), p: flag({ condition: STEPS }), q: flag({ condition: STEPS }) },
    name: "f",
    context: many,
  },
  {
    title: "the condition of a prerequisite takes too many steps by itself",
    flags: { f: flag({ prerequisites: ["p"] }), p: flag({ condition: TOO_MANY_STEPS }) },
    name: "f",
    context: many,
  },
  {
    title: "the condition of a prerequisite cannot be evaluated, but within its budget",
    flags: { f: flag({ prerequisites: ["p"] }), p: flag({ condition: "context.attributes.none == 1" }) },
    name: "f",
    context: many,
  },
  {
    title: "a prerequisite that is off ends it before another takes too many steps",
    flags: {
      f: flag({ prerequisites: ["p", "off", "q"] }),
      p: flag({ condition: STEPS }),
      off: flag({ strategy: "all_off" }),
      q: flag({ condition: STEPS }),
    },
    name: "f",
    context: many,
  },
  {
    title: "prerequisites come before what they need themselves",
    flags: {
      f: flag({ prerequisites: ["p", "off"] }),
      p: flag({ prerequisites: ["q"] }),
      q: flag({ condition: TOO_MANY_STEPS }),
      off: flag({ enabled: false }),
    },
    name: "f",
    context: many,
  },
  {
    title: "a prerequisite that is needed twice is looked at once",
    flags: {
      f: flag({ prerequisites: ["p", "q"] }),
      p: flag({ prerequisites: ["r"] }),
      q: flag({ prerequisites: ["r"] }),
      r: flag({ condition: STEPS }),
    },
    name: "f",
    context: many,
  },
  {
    title: "the condition of a prerequisite that is not enabled takes nothing",
    flags: { f: flag({ prerequisites: ["p"] }), p: flag({ enabled: false, condition: TOO_MANY_STEPS }) },
    name: "f",
    context: many,
  },
  { title: "as many prerequisites as there may be", flags: chain(257), name: "f" },
  { title: "more prerequisites than there may be", flags: chain(258), name: "f" },
];
