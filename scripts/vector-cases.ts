import { BUDGET_CASES } from "./vector-budgets.ts";

/** A case of `testdata/evaluation.json`, without its answer. */
export interface EvaluationCase {
  readonly title: string;
  /** In the format of the flags file. */
  readonly flags: Readonly<Record<string, object>>;
  readonly name: string;
  readonly context?: {
    readonly session_id?: string;
    readonly user_id?: string;
    readonly symbol?: string;
    readonly system?: string;
    readonly attributes?: Readonly<Record<string, unknown>>;
  };
  readonly now?: string;
}

const flag = (fields: object = {}): object => ({ enabled: true, strategy: "all_on", ...fields });
/** A case with one flag, `f`. */
const one = (title: string, fields: object, context: EvaluationCase["context"] = {}, now?: string): EvaluationCase => ({
  title,
  flags: { f: flag(fields) },
  name: "f",
  context,
  ...(now === undefined ? {} : { now }),
});

const SESSIONS = ["abc123", "session-1", "session-2", "сессия-7", "会话", "🚀", "a🚀b"];

const fixed = [
  one("the flag is not enabled", { enabled: false }, { session_id: "abc123" }),
  one("the flag is not enabled, but has a strategy", { enabled: false, strategy: "percentage", percentage: 100 }),
  one("the flag is on for all", {}),
  one("the flag is off for all", { strategy: "all_off" }, { session_id: "abc123" }),
  one(
    "the flag was killed",
    { enabled: false, killed: true, strategy: "percentage", percentage: 100 },
    { session_id: "abc123" },
  ),
];

const percentages = [0, 0.001, 1, 25, 33.069, 33.07, 50, 99.999, 100].flatMap((percentage) => [
  ...SESSIONS.map((session_id) =>
    one(`${percentage} % for session ${session_id}`, { strategy: "percentage", percentage }, { session_id }),
  ),
  one(`${percentage} % without a key`, { strategy: "percentage", percentage }, { symbol: "BTCZAR" }),
]);

const BY = ["session_id", "user_id", "symbol", "system"] as const;
const everything = { session_id: "s-1", user_id: "ana", symbol: "BTCZAR", system: "engine" };
const keys = [
  ...BY.flatMap((bucket_by) => [
    one(`bucketed by ${bucket_by}`, { strategy: "percentage", percentage: 50, bucket_by }, everything),
    one(
      `bucketed by ${bucket_by}, which is empty`,
      { strategy: "percentage", percentage: 50, bucket_by },
      {
        ...everything,
        [bucket_by]: "",
      },
    ),
  ]),
  one("the user id decides if there is no session id", { strategy: "percentage", percentage: 50 }, { user_id: "ana" }),
  one(
    "the flag has its own salt",
    { strategy: "percentage", percentage: 50, salt: "пепе́р 🌶" },
    { session_id: "abc123" },
  ),
];

const START = "2026-01-01T10:00:00Z";
const schedule = { initial_percentage: 10, target_percentage: 60, start_time: START, end_time: "2026-01-01T20:00:00Z" };
const TIMES = {
  "long before the start": "2025-01-01T00:00:00Z",
  "at the start": START,
  "a millisecond after the start": "2026-01-01T10:00:00.001Z",
  "in the middle": "2026-01-01T15:00:00Z",
  "two thirds through": "2026-01-01T16:40:00Z",
  "a millisecond before the end": "2026-01-01T19:59:59.999Z",
  "at the end": "2026-01-01T20:00:00Z",
  "long after the end": "2027-01-01T00:00:00Z",
};
const gradual = [
  ...Object.entries(TIMES).flatMap(([when, now]) =>
    SESSIONS.slice(0, 4).flatMap((session_id) => [
      one(`a rising schedule ${when}, ${session_id}`, { strategy: "gradual", gradual: schedule }, { session_id }, now),
      one(
        `a falling schedule ${when}, ${session_id}`,
        { strategy: "gradual", gradual: { ...schedule, initial_percentage: 60, target_percentage: 10 } },
        { session_id },
        now,
      ),
      one(
        `a schedule that was paused in the middle, ${when}, ${session_id}`,
        { strategy: "gradual", gradual: { ...schedule, paused_at: "2026-01-01T15:00:00Z" } },
        { session_id },
        now,
      ),
    ]),
  ),
  one(
    "a schedule that was paused before the start",
    { strategy: "gradual", gradual: { ...schedule, paused_at: "2026-01-01T09:00:00Z" } },
    { session_id: "abc123" },
    "2026-01-02T00:00:00Z",
  ),
  one(
    "a schedule without times",
    { strategy: "gradual", gradual: { initial_percentage: 50, target_percentage: 100 } },
    { session_id: "abc123" },
  ),
  one(
    "a schedule that has ended at 100 %, without a key",
    {
      strategy: "gradual",
      gradual: { ...schedule, target_percentage: 100, end_time: "2026-01-01T10:00:00.001Z" },
    },
    {},
    "2026-01-01T11:00:00Z",
  ),
];

const whitelists = [
  ...BY.map((field) => one(`listed by ${field}`, { strategy: "whitelist", whitelist: ["X-1"] }, { [field]: "X-1" })),
  one("not listed: another case", { strategy: "whitelist", whitelist: ["BTCZAR"] }, { symbol: "btczar" }),
  one("not listed: an attribute", { strategy: "whitelist", whitelist: ["X"] }, { attributes: { symbol: "X" } }),
  one("listed: beyond the first plane", { strategy: "whitelist", whitelist: ["🚀"] }, { user_id: "🚀" }),
  ...BY.flatMap((field) =>
    BY.map((given) =>
      one(
        `listed as ${field}:X-1, asked by ${given}`,
        { strategy: "whitelist", whitelist: [`${field}:X-1`] },
        { [given]: "X-1" },
      ),
    ),
  ),
  one(
    "an entry with the name of a field does not match as plain text",
    { strategy: "whitelist", whitelist: ["user_id:ana"] },
    { session_id: "user_id:ana" },
  ),
  one(
    "the value of a named field may have a colon",
    { strategy: "whitelist", whitelist: ["user_id:desk:7"] },
    { user_id: "desk:7" },
  ),
  one(
    "an entry whose prefix is not a field matches as plain text",
    { strategy: "whitelist", whitelist: ["desk:7"] },
    { user_id: "desk:7" },
  ),
  one(
    "the name of a field in upper case does not name the field",
    { strategy: "whitelist", whitelist: ["USER_ID:ana"] },
    { user_id: "ana" },
  ),
  one("an empty whitelist", { strategy: "whitelist", whitelist: [] }, everything),
];

const first = { whitelist: ["ana", "symbol:BTCZAR"], whitelist_first: true };
const ramp = { ...schedule, initial_percentage: 0, target_percentage: 0 };
const whitelistsFirst = [
  ...([{ user_id: "ana" }, { user_id: "eve" }, { symbol: "BTCZAR" }, { user_id: "BTCZAR" }] as const).flatMap((who) => [
    one(`listed first, at 0 %: ${JSON.stringify(who)}`, { strategy: "percentage", percentage: 0, ...first }, who),
    one(
      `listed first, at 50 %: ${JSON.stringify(who)}`,
      { strategy: "percentage", percentage: 50, ...first },
      { session_id: "abc123", ...who },
    ),
    one(
      `listed first, with a schedule at 0 %: ${JSON.stringify(who)}`,
      { strategy: "gradual", gradual: ramp, ...first },
      { session_id: "abc123", ...who },
    ),
    one(
      `listed first, and a condition that does not hold: ${JSON.stringify(who)}`,
      { strategy: "percentage", percentage: 0, condition: "false", ...first },
      who,
    ),
    one(
      `listed first, and not enabled: ${JSON.stringify(who)}`,
      { enabled: false, strategy: "percentage", percentage: 100, ...first },
      who,
    ),
    one(`listed first, but the flag is off for all: ${JSON.stringify(who)}`, { strategy: "all_off", ...first }, who),
  ]),
  one(
    "listed, but the whitelist does not come first",
    { strategy: "percentage", percentage: 0, whitelist: ["ana"] },
    { session_id: "abc123", user_id: "ana" },
  ),
  one(
    "the whitelist comes first, but is empty",
    { strategy: "percentage", percentage: 0, whitelist: [], whitelist_first: true },
    { session_id: "abc123" },
  ),
];

const CONDITION = 'context.symbol in ["BTCZAR"] && context.attributes.latency_ms < 50';
const conditions = [
  one("a condition that holds", { condition: CONDITION }, { symbol: "BTCZAR", attributes: { latency_ms: 10 } }),
  one("a condition that does not hold", { condition: CONDITION }, { symbol: "BTCZAR", attributes: { latency_ms: 50 } }),
  one("a condition that cannot be evaluated", { condition: CONDITION }, { symbol: "BTCZAR" }),
  one(
    "a condition that holds, and a share",
    { condition: "true", strategy: "percentage", percentage: 50 },
    {
      session_id: "abc123",
    },
  ),
  one("a condition that does not hold, and a share without a key", {
    condition: "false",
    strategy: "percentage",
    percentage: 50,
  }),
  one("a condition that holds, and the flag is off for all", { condition: "true", strategy: "all_off" }),
  one("a condition of a flag that is not enabled", { condition: "false", enabled: false }),
];

const VARIANTS = [
  { name: "control", weight: 50, value: { layers: 2 } },
  { name: "none", weight: 0, value: {} },
  { name: "deep", weight: 30, value: { layers: 8, dropout: 0.25, heads: [1, 2], note: "größer" } },
  { name: "wide", weight: 20, value: { layers: 2, nested: { width: null } } },
];
const variants = [
  ...SESSIONS.flatMap((session_id) => [
    one(`variants for all, ${session_id}`, { variants: VARIANTS }, { session_id }),
    one(
      `variants for half, ${session_id}`,
      { variants: VARIANTS, strategy: "percentage", percentage: 50 },
      {
        session_id,
      },
    ),
    one(
      `three equal variants, ${session_id}`,
      {
        variants: ["a", "b", "c"].map((name) => ({ name, weight: 1, value: name })),
      },
      { session_id },
    ),
  ]),
  one("variants without a key", { variants: VARIANTS }, { symbol: "BTCZAR" }),
  one("one variant, without a key", { variants: [{ name: "only", weight: 7, value: 1.5 }] }),
  one("only one variant has a weight, without a key", {
    variants: [
      { name: "x", weight: 0, value: "x" },
      { name: "y", weight: 1, value: "y" },
    ],
  }),
  one(
    "variants for a user in a whitelist",
    { variants: VARIANTS, strategy: "whitelist", whitelist: ["ana"] },
    {
      session_id: "abc123",
      user_id: "ana",
    },
  ),
  one(
    "variants for a user who is listed first",
    { variants: VARIANTS, strategy: "percentage", percentage: 0, ...first },
    { session_id: "abc123", user_id: "ana" },
  ),
  one(
    "variants for a user who is listed first, without a key",
    { variants: VARIANTS, strategy: "percentage", percentage: 0, ...first },
    { symbol: "BTCZAR" },
  ),
  one("variants of a flag that is off", { variants: VARIANTS, strategy: "all_off" }, { session_id: "abc123" }),
  one("variants at 100 %, without a key", { variants: VARIANTS, strategy: "percentage", percentage: 100 }),
];

const needs = (title: string, flags: EvaluationCase["flags"], context: EvaluationCase["context"] = {}) => ({
  title,
  flags: { f: flag({ prerequisites: ["p"] }), ...flags },
  name: "f",
  context,
});
const prerequisites = [
  needs("a prerequisite that is on", { p: flag() }),
  needs("a prerequisite that is not enabled", { p: flag({ enabled: false }) }),
  needs("a prerequisite that was killed", { p: flag({ enabled: false, killed: true }) }),
  needs("a prerequisite that is missing", {}),
  needs("a prerequisite of a prerequisite that is missing", { p: flag({ prerequisites: ["q"] }) }),
  needs("a prerequisite of a prerequisite that is off", {
    p: flag({ prerequisites: ["q"] }),
    q: flag({ strategy: "all_off" }),
  }),
  needs("a prerequisite that cannot be evaluated", { p: flag({ strategy: "percentage", percentage: 50 }) }),
  needs(
    "a prerequisite that is on for a user in its whitelist",
    { p: flag({ strategy: "whitelist", whitelist: ["ana"] }) },
    {
      user_id: "ana",
    },
  ),
  {
    title: "that the flag is not enabled comes before a prerequisite that is missing",
    flags: { f: flag({ enabled: false, prerequisites: ["p"] }) },
    name: "f",
  },
  {
    title: "a prerequisite that is off comes before a condition that cannot be evaluated",
    flags: { f: flag({ prerequisites: ["p"], condition: CONDITION }), p: flag({ enabled: false }) },
    name: "f",
    context: { symbol: "BTCZAR" },
  },
];

export const EVALUATION_CASES: readonly EvaluationCase[] = [
  ...fixed,
  ...percentages,
  ...keys,
  ...gradual,
  ...whitelists,
  ...whitelistsFirst,
  ...conditions,
  ...variants,
  ...prerequisites,
  ...BUDGET_CASES,
];
