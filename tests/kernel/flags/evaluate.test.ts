import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Condition } from "../../../src/kernel/flags/condition/shared.ts";
import { compileFlag } from "../../../src/kernel/flags/evaluate.ts";
import { type Evaluation, missingFlag } from "../../../src/kernel/flags/evaluation.ts";
import type { FlagRule, Gradual } from "../../../src/kernel/flags/rule.ts";
import { shareAt } from "../../../src/kernel/flags/share.ts";
import { times } from "../../effort.ts";
import {
  context,
  gradual,
  percentage,
  referenceCondition,
  referenceEvaluate,
  rule,
  someTime,
  variants,
} from "./reference.ts";

const NOW = 1_700_000_000_000;

function flag(fields: Partial<FlagRule>): FlagRule {
  return {
    name: "neural_network_v2",
    revision: 7,
    enabled: true,
    strategy: "ALL_ON",
    percentage: 0,
    whitelist: [],
    bucketBy: "SESSION_ID",
    salt: "neural_network_v2",
    bucketingVersion: 1,
    ...fields,
  };
}

const isOn = (fields: Partial<FlagRule>, sessionId: string, nowMs = NOW): boolean =>
  compileFlag(flag(fields)).evaluate({ sessionId }, nowMs).enabled;

const referenceConditionOf =
  (source: string): Condition =>
  (someContext) =>
    referenceCondition(source, someContext);

const sessions = Array.from({ length: 20_000 }, (_, index) => `session-${index}`);

describe("compileFlag", () => {
  it("answers as the plain rules do", () => {
    fc.assert(
      fc.property(rule, context, someTime, (someRule, someContext, nowMs) => {
        const { condition } = someRule;
        const parts = condition === undefined ? {} : { condition: referenceConditionOf(condition) };
        expect(compileFlag(someRule, parts).evaluate(someContext, nowMs)).toEqual(
          referenceEvaluate(someRule, someContext, nowMs),
        );
      }),
      { numRuns: times(600, 6000) },
    );
  });

  it("answers off with DISABLED if the flag is not enabled, whatever its strategy", () => {
    for (const strategy of ["ALL_ON", "ALL_OFF", "PERCENTAGE", "WHITELIST", "GRADUAL"] as const) {
      const evaluate = compileFlag(flag({ enabled: false, strategy, percentage: 100, whitelist: ["a"] })).evaluate;
      expect(evaluate({ sessionId: "a" }, NOW)).toEqual({
        name: "neural_network_v2",
        enabled: false,
        variant: "off",
        value: false,
        reason: "DISABLED",
        errorCode: undefined,
        bucket: undefined,
        variantBucket: undefined,
        killed: false,
        revision: 7,
      });
    }
  });

  it("compares the known bucket with the percentage in thousandths", () => {
    // The bucket of session abc123 is 33,069.
    expect(isOn({ strategy: "PERCENTAGE", percentage: 33.069 }, "abc123")).toBe(false);
    expect(isOn({ strategy: "PERCENTAGE", percentage: 33.07 }, "abc123")).toBe(true);
    expect(
      compileFlag(flag({ strategy: "PERCENTAGE", percentage: 33.07 })).evaluate({ sessionId: "abc123" }, NOW),
    ).toEqual({
      name: "neural_network_v2",
      enabled: true,
      variant: "on",
      value: true,
      reason: "SPLIT",
      errorCode: undefined,
      bucket: 33_069,
      variantBucket: undefined,
      killed: false,
      revision: 7,
    });
  });

  it("is never on at 0 and always on at 100, also without a key", () => {
    for (const [share, on] of [
      [0, false],
      [100, true],
    ] as const) {
      const evaluate = compileFlag(flag({ strategy: "PERCENTAGE", percentage: share })).evaluate;
      expect(evaluate({}, NOW)).toMatchObject({ enabled: on, reason: "SPLIT", errorCode: undefined });
      expect(evaluate({}, NOW).bucket).toBeUndefined();
      for (const sessionId of sessions.slice(0, 2000)) expect(evaluate({ sessionId }, NOW).enabled).toBe(on);
    }
  });

  it("is off with TARGETING_KEY_MISSING in between if there is no key", () => {
    for (const someContext of [{}, { sessionId: "" }, { symbol: "BTCZAR", system: "engine" }]) {
      expect(
        compileFlag(flag({ strategy: "PERCENTAGE", percentage: 99.999 })).evaluate(someContext, NOW),
      ).toMatchObject({
        enabled: false,
        reason: "ERROR",
        errorCode: "TARGETING_KEY_MISSING",
      });
    }
  });

  it("buckets by the session id, and by the user id if there is none", () => {
    const { evaluate } = compileFlag(flag({ strategy: "PERCENTAGE", percentage: 50 }));
    const bySession = evaluate({ sessionId: "abc123" }, NOW).bucket;
    expect(evaluate({ sessionId: "abc123", userId: "u" }, NOW).bucket).toBe(bySession);
    expect(evaluate({ sessionId: "", userId: "abc123" }, NOW).bucket).toBe(bySession);
  });

  it("buckets only by the key that bucket_by names", () => {
    const someContext = { sessionId: "s", userId: "u", symbol: "abc123", system: "x" };
    const { evaluate } = compileFlag(flag({ strategy: "PERCENTAGE", percentage: 50, bucketBy: "SYMBOL" }));
    expect(evaluate(someContext, NOW).bucket).toBe(33_069);
    expect(evaluate({ ...someContext, symbol: "" }, NOW).errorCode).toBe("TARGETING_KEY_MISSING");
  });

  it("matches the whitelist exactly, in each of the four fields", () => {
    const { evaluate } = compileFlag(flag({ strategy: "WHITELIST", whitelist: ["BTCZAR"] }));
    for (const field of ["userId", "symbol", "system", "sessionId"]) {
      expect(evaluate({ [field]: "BTCZAR" }, NOW)).toMatchObject({ enabled: true, reason: "TARGETING_MATCH" });
      expect(evaluate({ [field]: "btczar" }, NOW)).toMatchObject({ enabled: false, reason: "DEFAULT" });
    }
    expect(evaluate({ attributes: { symbol: "BTCZAR" } }, NOW).enabled).toBe(false);
  });

  it("gives flags with equal salts the same sessions, and other flags independent ones", () => {
    const share = { strategy: "PERCENTAGE", percentage: 50 } as const;
    const bucketIn = (name: string, salt: string, sessionId: string): number | undefined =>
      compileFlag(flag({ ...share, name, salt })).evaluate({ sessionId }, NOW).bucket;
    expect(bucketIn("a", "shared", "s-1")).toBe(bucketIn("b", "shared", "s-1"));
    const both = sessions.filter((id) => isOn({ ...share, salt: "a" }, id) && isOn({ ...share, salt: "b" }, id));
    expect(both.length / sessions.length).toBeGreaterThan(0.24);
    expect(both.length / sessions.length).toBeLessThan(0.26);
  });

  it.each([0, 0.001, 1, 10, 25, 33.333, 50, 75, 99.999, 100])(
    "switches %d%% of 100,000 sessions on, within half a point",
    (share) => {
      for (const salt of ["neural_network_v2", "websocket_v2", "größe 🚀"]) {
        const { evaluate } = compileFlag(flag({ strategy: "PERCENTAGE", percentage: share, salt }));
        let on = 0;
        for (let session = 0; session < 100_000; session++) {
          if (evaluate({ sessionId: `session-${session}` }, NOW).enabled) on++;
        }
        expect(Math.abs(on / 1000 - share)).toBeLessThan(0.5);
      }
    },
  );

  it.each([0.5, 10, 25, 50, 90])("switches near %d%% of 20,000 sessions on", (share) => {
    const { evaluate } = compileFlag(flag({ strategy: "PERCENTAGE", percentage: share }));
    const on = sessions.filter((sessionId) => evaluate({ sessionId }, NOW).enabled).length;
    // Four standard deviations of a fair draw.
    const tolerance = 4 * Math.sqrt((share / 100) * (1 - share / 100) * sessions.length);
    expect(Math.abs(on - (share / 100) * sessions.length)).toBeLessThan(tolerance);
  });

  it("switches off no session when the percentage rises", () => {
    fc.assert(
      fc.property(percentage, percentage, fc.string(), (a, b, sessionId) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        const atLow = isOn({ strategy: "PERCENTAGE", percentage: low }, sessionId);
        const atHigh = isOn({ strategy: "PERCENTAGE", percentage: high }, sessionId);
        expect(atLow && !atHigh).toBe(false);
      }),
      { numRuns: times(500, 5000) },
    );
  });

  it("keeps every answer when PERCENTAGE becomes GRADUAL at the same share, and back", () => {
    fc.assert(
      fc.property(percentage, fc.string({ minLength: 1 }), (share, sessionId) => {
        const asGradual = { initialPercentage: share, targetPercentage: 100, startTime: NOW, endTime: NOW + 1000 };
        expect(compileFlag(flag({ strategy: "GRADUAL", gradual: asGradual })).evaluate({ sessionId }, NOW)).toEqual(
          compileFlag(flag({ strategy: "PERCENTAGE", percentage: share })).evaluate({ sessionId }, NOW),
        );
      }),
    );
  });

  it("switches off no session while a rising schedule runs", () => {
    fc.assert(
      fc.property(gradual, fc.string(), someTime, someTime, (schedule, sessionId, a, b) => {
        const { initialPercentage: x, targetPercentage: y } = schedule;
        const rising = { ...schedule, initialPercentage: Math.min(x, y), targetPercentage: Math.max(x, y) };
        const early = isOn({ strategy: "GRADUAL", gradual: rising }, sessionId, Math.min(a, b));
        const late = isOn({ strategy: "GRADUAL", gradual: rising }, sessionId, Math.max(a, b));
        expect(early && !late).toBe(false);
      }),
      { numRuns: times(500, 5000) },
    );
  });

  it("keeps every variant while the share rises", () => {
    fc.assert(
      fc.property(variants, percentage, percentage, fc.string({ minLength: 1 }), (forms, a, b, sessionId) => {
        const at = (share: number): Evaluation =>
          compileFlag(flag({ strategy: "PERCENTAGE", percentage: share, variants: forms })).evaluate(
            { sessionId },
            NOW,
          );
        const [low, high] = [at(Math.min(a, b)), at(Math.max(a, b))];
        if (!low.enabled) return;
        expect([high.enabled, high.variant, high.value]).toEqual([true, low.variant, low.value]);
      }),
      { numRuns: times(500, 5000) },
    );
  });

  it("gives each variant its share of 100,000 sessions, within half a point, for any share of the flag", () => {
    const forms = [
      { name: "a", weight: 1, value: "x" },
      { name: "b", weight: 0, value: "y" },
      { name: "c", weight: 2, value: "z" },
      { name: "d", weight: 7, value: "w" },
    ];
    for (const share of [10, 100]) {
      const { evaluate } = compileFlag(flag({ strategy: "PERCENTAGE", percentage: share, variants: forms }));
      const counts: Record<string, number> = {};
      let on = 0;
      for (let session = 0; session < 100_000; session++) {
        const { enabled, variant } = evaluate({ sessionId: `session-${session}` }, NOW);
        if (!enabled) continue;
        on++;
        counts[variant] = (counts[variant] ?? 0) + 1;
      }
      // A small share has fewer sessions, so that its variants deviate more.
      const within = share === 100 ? 0.5 : 2;
      for (const { name, weight } of forms) {
        expect(Math.abs(((counts[name] ?? 0) / on) * 100 - weight * 10)).toBeLessThan(within);
      }
      expect(counts.b).toBeUndefined();
    }
  });

  it("needs no key for the only variant with a weight, and needs one for several", () => {
    const one = [
      { name: "a", weight: 0, value: 1 },
      { name: "b", weight: 3, value: 2 },
    ];
    expect(compileFlag(flag({ variants: one })).evaluate({}, NOW)).toMatchObject({
      enabled: true,
      variant: "b",
      value: 2,
      reason: "STATIC",
    });
    const two = [...one, { name: "c", weight: 1, value: 3 }];
    expect(compileFlag(flag({ variants: two })).evaluate({}, NOW)).toMatchObject({
      enabled: false,
      variant: "off",
      value: false,
      errorCode: "TARGETING_KEY_MISSING",
    });
    expect(compileFlag(flag({ variants: two })).evaluate({ sessionId: "s" }, NOW)).toMatchObject({
      enabled: true,
      reason: "SPLIT",
    });
  });

  it("says that the answer of a killed flag must not be cached", () => {
    const answer = compileFlag(flag({ enabled: false, killed: true })).evaluate({}, NOW);
    expect(answer).toMatchObject({ enabled: false, reason: "DISABLED", killed: true });
  });

  it("never answers STATIC, which clients cache, if the answer depends on the context", () => {
    const answer = compileFlag(flag({ condition: "is BTCZAR" }), { condition: () => true }).evaluate({}, NOW);
    expect(answer).toMatchObject({ enabled: true, reason: "TARGETING_MATCH" });
  });

  it("keeps the share and the sessions of a paused schedule at any time", () => {
    fc.assert(
      fc.property(gradual, someTime, someTime, fc.string({ minLength: 1 }), (schedule, pausedAt, later, sessionId) => {
        const { startTime, endTime, initialPercentage, targetPercentage } = schedule as Gradual;
        if (startTime === undefined || endTime === undefined) return;
        const running = { initialPercentage, targetPercentage, startTime, endTime };
        const at = (form: Gradual, nowMs: number): Evaluation =>
          compileFlag(flag({ strategy: "GRADUAL", gradual: form })).evaluate({ sessionId }, nowMs);
        expect(at({ ...running, pausedAt }, later)).toEqual(at(running, pausedAt));
      }),
    );
  });

  it("returns its shared answers so that no caller can change them for another", () => {
    const { evaluate } = compileFlag(flag({}));
    expect(() => Object.assign(evaluate({}, NOW), { enabled: false })).toThrow(TypeError);
  });
});

describe("shareAt", () => {
  const share = (fields: Partial<FlagRule>, nowMs: number): number | undefined => shareAt(flag(fields), nowMs);

  it("runs linearly from the initial to the target percentage and stays there", () => {
    const fields = {
      strategy: "GRADUAL",
      gradual: { initialPercentage: 10, targetPercentage: 60, startTime: NOW, endTime: NOW + 1000 },
    } as const;
    expect([-1, 0, 1, 500, 999, 1000, 1001].map((ms) => share(fields, NOW + ms))).toEqual([
      10, 10, 10.05, 35, 59.95, 60, 60,
    ]);
  });

  it("can fall", () => {
    const falling = { initialPercentage: 60, targetPercentage: 10, startTime: NOW, endTime: NOW + 1000 };
    expect(share({ strategy: "GRADUAL", gradual: falling }, NOW + 500)).toBe(35);
  });

  it("stays at the initial percentage if no times are set", () => {
    const still = { initialPercentage: 10, targetPercentage: 100 };
    expect(share({ strategy: "GRADUAL", gradual: still }, NOW + 1e12)).toBe(10);
  });

  it("stays between its ends over the longest schedules", () => {
    const long = {
      initialPercentage: 0,
      targetPercentage: 100,
      startTime: -62_135_596_800_000,
      endTime: 253_402_300_799_999,
    };
    fc.assert(
      fc.property(fc.integer({ min: long.startTime, max: long.endTime }), fc.nat(1e12), (at, later) => {
        const now = share({ strategy: "GRADUAL", gradual: long }, at) ?? Number.NaN;
        const then = share({ strategy: "GRADUAL", gradual: long }, at + later) ?? Number.NaN;
        expect(now).toBeGreaterThanOrEqual(0);
        expect(then).toBeLessThanOrEqual(100);
        expect(then).toBeGreaterThanOrEqual(now);
      }),
    );
  });

  it("is the percentage under PERCENTAGE, and undefined for strategies without a share", () => {
    expect(share({ strategy: "PERCENTAGE", percentage: 33.333 }, NOW)).toBe(33.333);
    for (const strategy of ["ALL_ON", "ALL_OFF", "WHITELIST"] as const)
      expect(share({ strategy }, NOW)).toBeUndefined();
  });
});

describe("missingFlag", () => {
  it("is off, and says that the flag does not exist", () => {
    expect(missingFlag("nope")).toMatchObject({
      name: "nope",
      enabled: false,
      reason: "ERROR",
      errorCode: "FLAG_NOT_FOUND",
      revision: 0,
    });
  });
});
