import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileFlag, type FlagRule, missingFlag, shareAt } from "../../../src/core/flags/evaluate.ts";
import { context, gradual, percentage, referenceEvaluate, rule, someTime } from "./reference.ts";

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

const sessions = Array.from({ length: 20_000 }, (_, index) => `session-${index}`);

describe("compileFlag", () => {
  it("answers as the plain rules do", () => {
    fc.assert(
      fc.property(rule, context, someTime, (someRule, someContext, nowMs) => {
        expect(compileFlag(someRule).evaluate(someContext, nowMs)).toEqual(
          referenceEvaluate(someRule, someContext, nowMs),
        );
      }),
      { numRuns: 3000 },
    );
  });

  it("answers off and DISABLED whatever the strategy, where the flag is not enabled", () => {
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

  it("is never on at 0 and always at 100, also without a key", () => {
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

  it("is off with TARGETING_KEY_MISSING in between, where there is no key", () => {
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

  it("buckets by the session id, and by the user id where there is none", () => {
    const { evaluate } = compileFlag(flag({ strategy: "PERCENTAGE", percentage: 50 }));
    const bySession = evaluate({ sessionId: "abc123" }, NOW).bucket;
    expect(evaluate({ sessionId: "abc123", userId: "u" }, NOW).bucket).toBe(bySession);
    expect(evaluate({ sessionId: "", userId: "abc123" }, NOW).bucket).toBe(bySession);
  });

  it("buckets by what bucket_by names and by nothing else", () => {
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

  it("gives flags with equal salts the same sessions, and others independent ones", () => {
    const share = { strategy: "PERCENTAGE", percentage: 50 } as const;
    const bucketIn = (name: string, salt: string, sessionId: string): number | undefined =>
      compileFlag(flag({ ...share, name, salt })).evaluate({ sessionId }, NOW).bucket;
    expect(bucketIn("a", "shared", "s-1")).toBe(bucketIn("b", "shared", "s-1"));
    const both = sessions.filter((id) => isOn({ ...share, salt: "a" }, id) && isOn({ ...share, salt: "b" }, id));
    expect(both.length / sessions.length).toBeGreaterThan(0.24);
    expect(both.length / sessions.length).toBeLessThan(0.26);
  });

  it.each([0.5, 10, 25, 50, 90])("switches near %d%% of 20,000 sessions on", (share) => {
    const { evaluate } = compileFlag(flag({ strategy: "PERCENTAGE", percentage: share }));
    const on = sessions.filter((sessionId) => evaluate({ sessionId }, NOW).enabled).length;
    // Four standard deviations of a fair draw.
    const tolerance = 4 * Math.sqrt((share / 100) * (1 - share / 100) * sessions.length);
    expect(Math.abs(on - (share / 100) * sessions.length)).toBeLessThan(tolerance);
  });

  it("switches nobody off when the percentage is raised", () => {
    fc.assert(
      fc.property(percentage, percentage, fc.string(), (a, b, sessionId) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        const atLow = isOn({ strategy: "PERCENTAGE", percentage: low }, sessionId);
        const atHigh = isOn({ strategy: "PERCENTAGE", percentage: high }, sessionId);
        expect(atLow && !atHigh).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  it("keeps everybody's answer when PERCENTAGE becomes GRADUAL at the same share, and back", () => {
    fc.assert(
      fc.property(percentage, fc.string({ minLength: 1 }), (share, sessionId) => {
        const asGradual = { initialPercentage: share, targetPercentage: 100, startTime: NOW, endTime: NOW + 1000 };
        expect(compileFlag(flag({ strategy: "GRADUAL", gradual: asGradual })).evaluate({ sessionId }, NOW)).toEqual(
          compileFlag(flag({ strategy: "PERCENTAGE", percentage: share })).evaluate({ sessionId }, NOW),
        );
      }),
    );
  });

  it("switches nobody off while a rising schedule runs", () => {
    fc.assert(
      fc.property(gradual, fc.string(), someTime, someTime, (schedule, sessionId, a, b) => {
        const { initialPercentage: x, targetPercentage: y } = schedule;
        const rising = { ...schedule, initialPercentage: Math.min(x, y), targetPercentage: Math.max(x, y) };
        const early = isOn({ strategy: "GRADUAL", gradual: rising }, sessionId, Math.min(a, b));
        const late = isOn({ strategy: "GRADUAL", gradual: rising }, sessionId, Math.max(a, b));
        expect(early && !late).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  it("gives its shared answers out so that no caller can change them for another", () => {
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

  it("stays at the initial percentage where no times are set", () => {
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

  it("is the percentage of PERCENTAGE, and nothing for strategies without shares", () => {
    expect(share({ strategy: "PERCENTAGE", percentage: 33.333 }, NOW)).toBe(33.333);
    for (const strategy of ["ALL_ON", "ALL_OFF", "WHITELIST"] as const)
      expect(share({ strategy }, NOW)).toBeUndefined();
  });
});

describe("missingFlag", () => {
  it("is off and says that there is no such flag", () => {
    expect(missingFlag("nope")).toMatchObject({
      name: "nope",
      enabled: false,
      reason: "ERROR",
      errorCode: "FLAG_NOT_FOUND",
      revision: 0,
    });
  });
});
