import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { explain } from "../../../../src/core/flags/evaluation/explain.ts";
import { times } from "../../../effort.ts";
import { context, referenceMurmur3, someTime, world } from "../../../kernel/flags/reference.ts";
import { flagsRig } from "../harness.ts";
import { compilerOver, flagIn } from "../world.ts";

describe("explain", () => {
  it("says step by step why a session has its variant", async () => {
    const { flags, clock } = await flagsRig();
    await flags.create("base", { enabled: true });
    await flags.create("neural_network_v2", {
      enabled: true,
      strategy: "PERCENTAGE",
      percentage: 50,
      condition: "is BTCZAR",
      prerequisites: ["base"],
      variants: [
        { name: "small", weight: 1, value: { layers: 2 } },
        { name: "large", weight: 1, value: { layers: 8 } },
      ],
    });
    const asked = { sessionId: "abc123", symbol: "BTCZAR" };
    const { evaluation, steps, revision, nowMs } = await flags.explain("neural_network_v2", asked);
    expect(evaluation).toEqual(flags.evaluate("neural_network_v2", asked));
    expect([revision, nowMs]).toEqual([flags.get("neural_network_v2").revision, clock.now()]);
    const hash = (seed: number): number => referenceMurmur3("neural_network_v2:abc123", seed);
    expect(steps.map(({ step, lookedAt, outcome }) => `${step}: ${lookedAt} -> ${outcome}`)).toEqual([
      "KILL: killed: false -> not killed",
      "ENABLED: enabled: true -> enabled",
      `PREREQUISITES: prerequisite base at revision ${flags.get("base").revision} -> on (STATIC)`,
      "CONDITION: is BTCZAR -> holds",
      `STRATEGY: PERCENTAGE at 50 % (fixed); murmur3 of "neural_network_v2:abc123", seed 0, is ${hash(0)}: bucket 33069 of 100000 -> bucket 33069 is below 50000: on`,
      `VARIANT: variants small 1, large 1; murmur3 of "neural_network_v2:abc123", seed 1, is ${hash(1)}: bucket ${evaluation.variantBucket} of 100000 -> bucket ${evaluation.variantBucket} is from 50000 to below 100000: large`,
    ]);
  });

  it("stops at the step that turns the flag off, and names it", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", { enabled: true, condition: "is fast", strategy: "WHITELIST", whitelist: ["BTCZAR"] });
    const last = async (asked: object, asOf?: number): Promise<unknown> =>
      (await flags.explain("a", asked, asOf)).steps.at(-1);
    expect(await last({ attributes: { latency_ms: 90 } })).toEqual({
      step: "CONDITION",
      lookedAt: "is fast",
      outcome: "does not hold",
      stopped: true,
    });
    const fast = { attributes: { latency_ms: 9 }, symbol: "ETHZAR" };
    expect(await last(fast)).toMatchObject({
      step: "STRATEGY",
      lookedAt: 'WHITELIST of 1, for symbol "ETHZAR"',
      outcome: "not listed",
    });
    const { revision } = flags.get("a");
    await flags.disable("a", { kill: true });
    expect(await last(fast)).toMatchObject({ step: "KILL", outcome: "off for everyone; must not be cached" });
    expect(await last(fast, revision)).toMatchObject({ step: "STRATEGY" });
  });

  it("shows the times of a schedule", async () => {
    const { flags, clock } = await flagsRig();
    const gradual = { initialPercentage: 0, targetPercentage: 100, startTime: clock.now() + 1000 };
    await flags.setGradual("a", { ...gradual, endTime: clock.now() + 3000, allowMissing: true });
    const strategy = async (): Promise<string | undefined> => {
      const { steps } = await flags.explain("a", { sessionId: "abc123" });
      return steps.find(({ step }) => step === "STRATEGY")?.lookedAt.split(";")[0];
    };
    expect(await strategy()).toBe("GRADUAL at 0 % (starts at 2023-11-14T22:13:21.000Z)");
    clock.advance(2000);
    expect(await strategy()).toBe("GRADUAL at 50 % (running until 2023-11-14T22:13:23.000Z)");
    await flags.pauseGradual("a");
    clock.advance(2000);
    expect(await strategy()).toBe("GRADUAL at 50 % (paused at 2023-11-14T22:13:22.000Z)");
    await flags.resumeGradual("a");
    clock.advance(1000);
    expect(await strategy()).toBe("GRADUAL at 100 % (arrived at 2023-11-14T22:13:25.000Z)");
  });

  it("stops at the step that turns the flag off, and gives the same answer as the evaluation", () => {
    fc.assert(
      fc.property(world, context, someTime, (flags, someContext, nowMs) => {
        const compiler = compilerOver(flags);
        const find = (name: string) => flagIn(flags, name);
        for (const name of flags.keys()) {
          const [flag, compiled] = [find(name), compiler.compiled(name)];
          if (flag === undefined || compiled === undefined) throw new Error(`${name} is gone`);
          const { evaluation, steps } = explain({ revision: 1, nowMs, find, ...compiler }, flag, compiled, someContext);
          expect(evaluation).toEqual(compiled.evaluate(someContext, nowMs));
          expect(steps.filter(({ stopped }) => stopped)).toHaveLength(evaluation.enabled ? 0 : 1);
          expect(steps.at(-1)?.stopped).toBe(!evaluation.enabled);
          const code = evaluation.errorCode;
          if (code !== undefined) expect(steps.at(-1)?.outcome).toContain(code);
        }
      }),
      { numRuns: times(300, 4000) },
    );
  });
});
