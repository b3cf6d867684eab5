// Language-neutral test vectors of testdata: the answers that every client's evaluation must give.

import { createFlagCompiler } from "../src/core/flags/compile.ts";
import { parseFlagsFile } from "../src/core/flags/file/parse.ts";
import type { Flag } from "../src/core/flags/record.ts";
import { silentLog } from "../src/core/log.ts";
import { bucketing, prefixedMurmur3, VARIANT_SEED } from "../src/kernel/flags/bucket.ts";
import { CONTEXT_VARIABLES } from "../src/kernel/flags/condition/flag.ts";
import { interpreterOf } from "../src/kernel/flags/condition/interpret.ts";
import type { Evaluation, EvaluationContext } from "../src/kernel/flags/evaluation.ts";
import { compileCondition, programOf } from "../src/server/cel/condition.ts";
import { breakerTraces } from "./breaker-traces.ts";
import { conditionVectors } from "./conditions/vectors.ts";
import { EVALUATION_CASES, type EvaluationCase } from "./vector-cases.ts";

const SALTS = ["neural_network_v2", "websocket_v2", "s", "größe", "флаг", "标志", "🚩"];
const KEYS = [
  "",
  "a",
  "ab",
  "abc",
  "abcd",
  "abcde",
  "abc123",
  "session-1",
  "session-2",
  "BTCZAR",
  "user@example.com",
  "with space",
  "with:colon",
  "tab\tline\n",
  "\u0000",
  "\u007f\u0080\u07ff\u0800\uffff",
  "Zürich",
  "сессия-7",
  "جلسة",
  "セッション",
  "会话",
  "세션",
  "e\u0301",
  "\u00e9",
  "🚀",
  "👩‍🚀",
  "a🚀b",
  "𐍈𝄞",
  "\u{10000}\u{10ffff}",
  "x".repeat(1024),
];
/**
 * Strings that are not valid Unicode, as UTF-16 code units. A client that can represent them must hash them like this.
 */
const LONE_SURROGATES = [[0xd800], [0xdc00], [0x61, 0xd83d, 0x62], [0xde80, 0xd83d], [0xd83d, 0xd83d, 0xde80]];

/** `testdata/bucketing.json`. */
export function bucketingVectors(): string {
  const buckets = SALTS.flatMap((salt) => KEYS.map((key) => ({ salt, key, ...bucketsOf(salt, key) })));
  const surrogates = LONE_SURROGATES.map((units) => ({
    salt: "neural_network_v2",
    key_utf16: units,
    key_hashed_as: String.fromCharCode(...units).toWellFormed(),
    ...bucketsOf("neural_network_v2", String.fromCharCode(...units)),
  }));
  return print({
    about: [
      "hash = murmur3_x86_32(utf8(salt + ':' + key), seed 0), unsigned; bucket = (hash * 100000) >> 32, from 0 to 99999.",
      "variant_hash and variant_bucket are the same with seed 1.",
      "lone_surrogates: keys given as UTF-16 code units; a surrogate without its partner is hashed as U+FFFD.",
    ],
    buckets,
    lone_surrogates: surrogates,
  });
}

function bucketsOf(salt: string, key: string) {
  return {
    hash: prefixedMurmur3(`${salt}:`)(key),
    bucket: bucketing(salt)(key),
    variant_hash: prefixedMurmur3(`${salt}:`, VARIANT_SEED)(key),
    variant_bucket: bucketing(salt, VARIANT_SEED)(key),
  };
}

/** `testdata/evaluation.json`. */
export function evaluationVectors(): string {
  return print({
    about: [
      "flags are in the shape of the flags file (docs/flags.md); those that are not named in a case do not exist.",
      "now is the time of the evaluation; context has the names of helios.v1.EvaluationContext.",
      "conditions says for each flag with a condition whether it holds: true, false, or 'error' if it cannot be evaluated.",
      "The field is for languages without a CEL library.",
      "costs says for each condition how many steps and bytes it takes by itself, until it ends or exceeds the limit of one",
      "evaluation: 10000 steps and 1048576 bytes for all conditions together.",
      "error_code, bucket and variant_bucket are null if the answer has no such value.",
      "variant_rule: the first variant whose cumulative weight * 100000 is above variant_bucket * sum of weights.",
    ],
    cases: EVALUATION_CASES.map(evaluated),
  });
}

function evaluated({ title, flags, name, context = {}, now = "2026-01-01T00:00:00Z" }: EvaluationCase) {
  const text = JSON.stringify(flags);
  const file = parseFlagsFile(text, title, compileCondition);
  const stored = new Map(file.flags.map((flag) => [flag.name, asStored(flag.name, flag.definition)]));
  const compiler = createFlagCompiler((each) => stored.get(each), compileCondition, silentLog);
  const { session_id, user_id, symbol, system, attributes } = context;
  const asked: EvaluationContext = { sessionId: session_id, userId: user_id, symbol, system, attributes };
  const answer = compiler.compiled(name)?.evaluate(asked, Date.parse(now));
  if (answer === undefined) throw new Error(`${title}: there is no flag ${name}`);
  const conditions = Object.fromEntries(
    file.flags
      .filter(({ definition }) => definition.condition !== undefined)
      .map((flag) => [flag.name, outcome(() => compiler.condition(flag.name)?.(asked))]),
  );
  const costs = Object.fromEntries(
    file.flags.flatMap(({ name: each, definition: { condition } }) =>
      condition === undefined ? [] : [[each, costOf(condition, asked)]],
    ),
  );
  return { title, flags, name, context, now, conditions, costs, expected: expectation(answer) };
}

function asStored(name: string, record: Flag["record"]): Flag {
  return { name, record, revision: 1, etag: "", size: 0, createTime: 0, updateTime: 0 };
}

function costOf(condition: string, context: EvaluationContext): readonly [steps: number, bytes: number] {
  const { steps, bytes } = interpreterOf(programOf(condition), CONTEXT_VARIABLES)(context);
  return [steps, bytes];
}

function outcome(evaluate: () => boolean | undefined): boolean | "error" {
  try {
    return evaluate() ?? "error";
  } catch {
    return "error";
  }
}

function expectation(answer: Evaluation) {
  const { enabled, variant, value, reason, errorCode = null, bucket = null, variantBucket = null, killed } = answer;
  return { enabled, variant, value, reason, error_code: errorCode, bucket, variant_bucket: variantBucket, killed };
}

/** `testdata/conditions.json`. */
export function conditionsFile(): string {
  return print(conditionVectors(), "");
}

/** `testdata/breakers.json`. */
export function breakersFile(): string {
  const about = [
    "Each trace begins with a closed breaker of the given config at at_ms 0, and warm_up_ms counts from there.",
    "Each step gives one event of the kernel (src/kernel/breakers), its monotonic time, and the random number for jitter.",
    "Then follow its result and the state after it. Times are in milliseconds. permit is the answer to acquire.",
    "transitions lists what happened, in order, including what was due before the event; absent: nothing.",
    "late counts outcomes that changed nothing, because their epoch or lease had ended; absent: 0.",
    "expired counts probes that ended without an outcome; absent: 0.",
    "state is what applies to calls; automatic_state is the state without holds. next_tick_ms is when time changes it next.",
    "A hold event gives all holds, which replace the earlier ones; until_ms null: until it is released.",
  ];
  return print({ about, traces: breakerTraces() }, "");
}

function print(vectors: object, indent = " "): string {
  // Every character beyond ASCII is escaped, so that no editor, shell or checkout can change the hash's input.
  const text = indent === "" ? lines(vectors) : JSON.stringify(vectors, undefined, indent);
  return `${text.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)}\n`;
}

/** One line for each member of a list of the object, because programs are long. */
function lines(vectors: object): string {
  const members = Object.entries(vectors).map(([name, list]) => {
    const items = (list as unknown[]).map((item) => `\n  ${JSON.stringify(item)}`);
    return `\n ${JSON.stringify(name)}: [${items.join(",")}\n ]`;
  });
  return `{${members.join(",")}\n}`;
}
