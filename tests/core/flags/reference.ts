import fc from "fast-check";
import type { Evaluation, EvaluationContext, FlagRule } from "../../../src/core/flags/evaluate.ts";

const MASK = 0xffff_ffffn;

/** MurmurHash3 x86 32 as its author describes it, over bytes and without a thought for speed. */
export function referenceMurmur3(text: string, seed = 0): number {
  const bytes = [...new TextEncoder().encode(text)];
  const rotate = (word: bigint, by: bigint): bigint => ((word << by) | (word >> (32n - by))) & MASK;
  const scramble = (block: bigint): bigint => (rotate((block * 0xcc9e2d51n) & MASK, 15n) * 0x1b873593n) & MASK;
  let hash = BigInt(seed);
  for (let at = 0; at < bytes.length; at += 4) {
    const block = bytes.slice(at, at + 4).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    hash ^= scramble(block);
    if (at + 4 <= bytes.length) hash = (rotate(hash, 13n) * 5n + 0xe6546b64n) & MASK;
  }
  hash ^= BigInt(bytes.length);
  hash = ((hash ^ (hash >> 16n)) * 0x85ebca6bn) & MASK;
  hash = ((hash ^ (hash >> 13n)) * 0xc2b2ae35n) & MASK;
  return Number(hash ^ (hash >> 16n));
}

/** The rules of evaluation, written down once more, plainly. */
export function referenceEvaluate(rule: FlagRule, context: EvaluationContext, nowMs: number): Evaluation {
  const answer = (on: boolean, reason: Evaluation["reason"], rest: Partial<Evaluation> = {}): Evaluation => ({
    name: rule.name,
    enabled: on,
    variant: on ? "on" : "off",
    value: on,
    reason,
    errorCode: undefined,
    bucket: undefined,
    variantBucket: undefined,
    killed: false,
    revision: rule.revision,
    ...rest,
  });
  if (!rule.enabled) return answer(false, "DISABLED");
  if (rule.strategy === "ALL_ON" || rule.strategy === "ALL_OFF") return answer(rule.strategy === "ALL_ON", "STATIC");
  if (rule.strategy === "WHITELIST") {
    const { userId, symbol, system, sessionId } = context;
    const hit = [userId, symbol, system, sessionId].some((value) => value && rule.whitelist.includes(value));
    return hit ? answer(true, "TARGETING_MATCH") : answer(false, "DEFAULT");
  }
  const key = {
    SESSION_ID: context.sessionId || context.userId,
    USER_ID: context.userId,
    SYMBOL: context.symbol,
    SYSTEM: context.system,
  }[rule.bucketBy];
  const share = rule.strategy === "PERCENTAGE" ? Math.round(rule.percentage * 1000) : referenceShare(rule, nowMs);
  if (!key) {
    if (share === 0 || share === 100_000) return answer(share > 0, "SPLIT");
    return answer(false, "ERROR", { errorCode: "TARGETING_KEY_MISSING" });
  }
  const bucket = Number((BigInt(referenceMurmur3(`${rule.salt}:${key}`)) * 100_000n) >> 32n);
  return answer(bucket < share, "SPLIT", { bucket });
}

function referenceShare({ gradual }: FlagRule, nowMs: number): number {
  if (gradual === undefined) return 0;
  const initial = Math.round(gradual.initialPercentage * 1000);
  const target = Math.round(gradual.targetPercentage * 1000);
  if (gradual.startTime === undefined || gradual.endTime === undefined || nowMs <= gradual.startTime) return initial;
  if (nowMs >= gradual.endTime) return target;
  const moved = BigInt(target - initial) * BigInt(nowMs - gradual.startTime);
  return initial + Number(moved / BigInt(gradual.endTime - gradual.startTime));
}

/** Texts of every kind, with pairs, lone surrogates and what lies at the borders of UTF-8's lengths. */
export const anyText: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.string({ maxLength: 5 }),
      fc.string({ unit: "binary", maxLength: 3 }),
      fc.constantFrom(
        "\u007f",
        "\u0080",
        "\u07ff",
        "\u0800",
        "\uffff",
        "\ud800",
        "\udc00",
        "🚀",
        "\u{10000}",
        "\u{10ffff}",
      ),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(""));

/** 0 to 100 with at most three decimals. */
export const percentage: fc.Arbitrary<number> = fc.oneof(
  { arbitrary: fc.nat(100_000).map((thousandths) => thousandths / 1000), weight: 4 },
  { arbitrary: fc.constantFrom(0, 100, 0.001, 99.999, 25), weight: 1 },
);

const START = 1_700_000_000_000;

/** A schedule around `someTime`, or none. */
export const gradual = fc.record({ initialPercentage: percentage, targetPercentage: percentage }).chain((shares) =>
  fc.oneof(
    fc.constant(shares),
    fc.tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: 1, max: 100 })).map(([start, length]) => ({
      ...shares,
      startTime: START + start,
      endTime: START + start + length,
    })),
  ),
);

export const someTime: fc.Arbitrary<number> = fc.integer({ min: START - 120, max: START + 220 });

const word = fc.oneof(fc.constantFrom("alice", "BTCZAR", "engine", "s-1", ""), anyText);

export const context: fc.Arbitrary<EvaluationContext> = fc.record(
  { sessionId: word, userId: word, symbol: word, system: word },
  { requiredKeys: [] },
);

export const rule: fc.Arbitrary<FlagRule> = fc
  .record({
    name: fc.constantFrom("neural_network_v2", "websocket_v2"),
    revision: fc.nat(),
    enabled: fc.boolean(),
    strategy: fc.constantFrom("ALL_ON", "ALL_OFF", "PERCENTAGE", "WHITELIST", "GRADUAL"),
    percentage,
    whitelist: fc.uniqueArray(
      word.filter((entry) => entry !== ""),
      { maxLength: 4 },
    ),
    gradual,
    bucketBy: fc.constantFrom("SESSION_ID", "USER_ID", "SYMBOL", "SYSTEM"),
    salt: anyText,
  })
  .map((fields) => ({ ...fields, bucketingVersion: 1 }));
