import fc from "fast-check";
import type { Evaluation, EvaluationContext } from "../../../src/kernel/flags/evaluation.ts";
import type { FlagRule, Variant } from "../../../src/kernel/flags/rule.ts";
import { anyCharacter } from "../../support/texts.ts";

const MASK = 0xffff_ffffn;

/** MurmurHash3 x86 32 as its author describes it, over bytes and without optimisation. */
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

/** All flags, by name. */
export type World = ReadonlyMap<string, FlagRule>;

/** The condition of the tests, without CEL, which the kernel does not know. */
export function referenceCondition(source: string, { symbol, attributes }: EvaluationContext): boolean {
  if (source === "is BTCZAR") return symbol === "BTCZAR";
  if (source === "is fast") return Number(attributes?.latency_ms) < 50;
  throw new Error(`${source} cannot be evaluated`);
}

/** The rules of evaluation, written a second time, as plainly as possible. */
export function referenceEvaluate(
  rule: FlagRule,
  context: EvaluationContext,
  nowMs: number,
  world: World = new Map(),
  holds = referenceCondition,
  costs: (condition: string) => readonly [steps: number, bytes: number] = () => [0, 0],
): Evaluation {
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
  if (!rule.enabled) return answer(false, "DISABLED", { killed: rule.killed === true });
  const { prerequisites = [] } = rule;
  const needed = referenceClosure(rule, world);
  if (needed.length > 256) return answer(false, "ERROR", { errorCode: "TOO_MANY_PREREQUISITES" });
  if (needed.some((name) => !world.has(name))) return answer(false, "ERROR", { errorCode: "PREREQUISITE_MISSING" });
  const used = { steps: 0, bytes: 0 };
  const isOver = (condition: string): boolean => {
    const [steps, bytes] = costs(condition);
    used.steps += steps;
    used.bytes += bytes;
    return used.steps > 10_000 || used.bytes > 1_048_576;
  };
  for (const name of needed) {
    const { prerequisites: _, ...alone } = world.get(name) as FlagRule;
    if (alone.enabled && alone.condition !== undefined && isOver(alone.condition)) {
      return answer(false, "ERROR", { errorCode: "CONDITION_FAILED" });
    }
    if (!referenceEvaluate(alone, context, nowMs, world, holds).enabled) return answer(false, "DEFAULT");
  }
  if (rule.condition !== undefined) {
    try {
      if (isOver(rule.condition)) throw new Error("too much");
      if (!holds(rule.condition, context)) return answer(false, "DEFAULT");
    } catch {
      return answer(false, "ERROR", { errorCode: "CONDITION_FAILED" });
    }
  }
  const key = {
    SESSION_ID: context.sessionId || context.userId,
    USER_ID: context.userId,
    SYMBOL: context.symbol,
    SYSTEM: context.system,
  }[rule.bucketBy];
  const noKey = answer(false, "ERROR", { errorCode: "TARGETING_KEY_MISSING" });
  const bucketOf = (seed: number): number =>
    Number((BigInt(referenceMurmur3(`${rule.salt}:${key}`, seed)) * 100_000n) >> 32n);
  const on = (reason: Evaluation["reason"], bucket?: number): Evaluation => {
    const weighty = (rule.variants ?? []).filter(({ weight }) => weight > 0);
    const [first] = weighty;
    if (first === undefined) return answer(true, reason, { bucket });
    if (weighty.length === 1) return answer(true, reason, { bucket, variant: first.name, value: first.value });
    if (!key) return noKey;
    const variantBucket = bucketOf(1);
    const total = weighty.reduce((sum, { weight }) => sum + weight, 0);
    let below = 0;
    for (const { name: variant, weight, value } of weighty) {
      below += weight;
      if (BigInt(variantBucket) * BigInt(total) >= BigInt(below) * 100_000n) continue;
      return answer(true, reason === "STATIC" ? "SPLIT" : reason, { bucket, variantBucket, variant, value });
    }
    throw new Error("no variant has the bucket");
  };
  const fixed = rule.condition === undefined && prerequisites.length === 0 ? "STATIC" : "TARGETING_MATCH";
  if (rule.strategy === "ALL_OFF") return answer(false, fixed);
  if (rule.strategy === "ALL_ON") return on(fixed);
  const { userId, symbol, system, sessionId } = context;
  const given = { user_id: userId, symbol, system, session_id: sessionId };
  const hit = Object.entries(given).some(([field, value]) => value && isListed(rule.whitelist, field, value));
  if (hit && (rule.strategy === "WHITELIST" || rule.whitelistFirst)) return on("TARGETING_MATCH");
  if (rule.strategy === "WHITELIST") return answer(false, "DEFAULT");
  const share = rule.strategy === "PERCENTAGE" ? Math.round(rule.percentage * 1000) : referenceShare(rule, nowMs);
  if (!key) return share === 0 ? answer(false, "SPLIT") : share === 100_000 ? on("SPLIT") : noKey;
  const bucket = bucketOf(0);
  return bucket < share ? on("SPLIT", bucket) : answer(false, "SPLIT", { bucket });
}

/** An entry with the name of a field as its prefix matches only that field. */
function isListed(whitelist: readonly string[], field: string, value: string): boolean {
  const isOfAField = (entry: string): boolean => /^(user_id|symbol|system|session_id):/.test(entry);
  return whitelist.includes(`${field}:${value}`) || whitelist.some((entry) => entry === value && !isOfAField(entry));
}

/** Everything that a flag needs, level by level. */
function referenceClosure({ prerequisites = [] }: FlagRule, world: World): readonly string[] {
  const found = [...prerequisites];
  for (let at = 0; at < found.length; at += 1) {
    const { prerequisites: next = [] } = world.get(found[at] as string) ?? {};
    found.push(...next.filter((name) => !found.includes(name)));
  }
  return found;
}

function referenceShare({ gradual }: FlagRule, time: number): number {
  if (gradual === undefined) return 0;
  const nowMs = gradual.pausedAt ?? time;
  const initial = Math.round(gradual.initialPercentage * 1000);
  const target = Math.round(gradual.targetPercentage * 1000);
  if (gradual.startTime === undefined || gradual.endTime === undefined || nowMs <= gradual.startTime) return initial;
  if (nowMs >= gradual.endTime) return target;
  const moved = BigInt(target - initial) * BigInt(nowMs - gradual.startTime);
  return initial + Number(moved / BigInt(gradual.endTime - gradual.startTime));
}

/** Texts of every kind, with surrogate pairs, lone surrogates, and characters at the borders of UTF-8's lengths. */
export const anyText: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.string({ maxLength: 5 }),
      fc.string({ unit: anyCharacter, maxLength: 3 }),
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

/** Numbers from 0 to 100 with at most three decimals. */
export const percentage: fc.Arbitrary<number> = fc.oneof(
  { arbitrary: fc.nat(100_000).map((thousandths) => thousandths / 1000), weight: 4 },
  { arbitrary: fc.constantFrom(0, 100, 0.001, 99.999, 25), weight: 1 },
);

const START = 1_700_000_000_000;

/** A schedule around `someTime`, or no schedule. */
export const gradual = fc.record({ initialPercentage: percentage, targetPercentage: percentage }).chain((shares) =>
  fc.oneof(
    fc.constant(shares),
    fc.tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: 1, max: 100 })).map(([start, length]) => ({
      ...shares,
      startTime: START + start,
      endTime: START + start + length,
    })),
    fc
      .tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: 1, max: 100 }), fc.integer({ min: -90, max: 190 }))
      .map(([start, length, pause]) => ({
        ...shares,
        startTime: START + start,
        endTime: START + start + length,
        pausedAt: START + pause,
      })),
  ),
);

export const someTime: fc.Arbitrary<number> = fc.integer({ min: START - 120, max: START + 220 });

const word = fc.oneof(fc.constantFrom("alice", "BTCZAR", "engine", "s-1", "", "user_id:alice", "desk:7"), anyText);

/** Entries such as `user_id:alice`, and similar texts without that meaning. */
const ofAField = fc
  .tuple(fc.constantFrom("user_id", "symbol", "system", "session_id", "desk", "USER_ID"), word)
  .map((parts) => parts.join(":"));

export const context: fc.Arbitrary<EvaluationContext> = fc.record(
  {
    sessionId: word,
    userId: word,
    symbol: word,
    system: word,
    attributes: fc.constantFrom({}, { latency_ms: 10 }, { latency_ms: 90 }),
  },
  { requiredKeys: [] },
);

const weight = fc.oneof(fc.constantFrom(0, 1, 100_000), fc.nat(100_000));

/** At least one variant, with a sum of weights above 0. */
export const variants: fc.Arbitrary<readonly Variant[]> = fc
  .tuple(
    fc.uniqueArray(fc.record({ name: fc.constantFrom("a", "b", "c", "d", "e"), weight, value: fc.jsonValue() }), {
      minLength: 1,
      maxLength: 5,
      selector: ({ name }) => name,
    }),
  )
  .map(([some]) => some as Variant[])
  .filter((some) => some.some((variant) => variant.weight > 0));

const absentOr = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });

/** A flag of that name, which may need some of `others`. */
export function ruleOf(name: string, others: readonly string[]): fc.Arbitrary<FlagRule> {
  return fc
    .record({
      revision: fc.nat(),
      state: fc.oneof({ arbitrary: fc.constant("enabled"), weight: 5 }, fc.constantFrom("disabled", "killed")),
      strategy: fc.constantFrom("ALL_ON", "ALL_OFF", "PERCENTAGE", "WHITELIST", "GRADUAL"),
      percentage,
      whitelist: fc.uniqueArray(
        fc.oneof(
          word.filter((entry) => entry !== ""),
          ofAField,
        ),
        { maxLength: 4 },
      ),
      first: fc.boolean(),
      gradual,
      bucketBy: fc.constantFrom("SESSION_ID", "USER_ID", "SYMBOL", "SYSTEM"),
      salt: anyText,
      variants: absentOr(variants),
      condition: absentOr(fc.constantFrom("is BTCZAR", "is fast", "is nonsense")),
      prerequisites: fc.subarray([...others]),
    })
    .map(({ state, first, variants: forms, condition, prerequisites, ...fields }) => ({
      name,
      ...fields,
      bucketingVersion: 1 as const,
      enabled: state === "enabled",
      ...(first ? { whitelistFirst: true as const } : {}),
      ...(state === "killed" ? { killed: true as const } : {}),
      ...(forms === undefined ? {} : { variants: forms }),
      ...(condition === undefined ? {} : { condition }),
      ...(prerequisites.length === 0 ? {} : { prerequisites }),
    }));
}

/** One flag without prerequisites. */
export const rule: fc.Arbitrary<FlagRule> = fc
  .constantFrom("neural_network_v2", "websocket_v2")
  .chain((name) => ruleOf(name, []));

/** Flags of which each needs some of the later ones, or a missing one. */
export const world: fc.Arbitrary<World> = fc
  .tuple(ruleOf("a", ["b", "c", "d"]), ruleOf("b", ["c", "d"]), ruleOf("c", ["d", "gone"]), ruleOf("d", []))
  .map((rules) => new Map(rules.map((each) => [each.name, each])));
