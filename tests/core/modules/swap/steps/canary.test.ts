import { expect, it } from "vitest";
import type { CanaryOptions } from "../../../../../src/core/modules/swap/state/swap-options.ts";
import { createManualClock } from "../../../../../src/kernel/clock.ts";
import { errorOf } from "../../../../support/errors.ts";
import { describeInEither } from "../../../../support/isolations.ts";
import { turn } from "../../../../support/turns.ts";
import { ownRoot, rig } from "../../rig.ts";

const answering = (version: number, body = "", state = ""): string => `export default class A {
  static version = "${version}";
  which() { ${body}; return ${version}; }
  hold(_, { signal }) { return new Promise((resolve) => signal.addEventListener("abort", resolve)); }
  exit() { process.exit(3); }
  ${state}
}`;

async function shared(candidate: string, state = "") {
  const { path } = await ownRoot({ "v1.js": answering(1, "", state), "v2.js": candidate });
  const clock = createManualClock();
  const engine = await rig({ root: path, clock });
  await engine.load("v1", {}, "a");
  const begun = Promise.withResolvers<void>();
  const swap = (canary: CanaryOptions) =>
    engine.modules.swap("a", { newVersionPath: "v2", canary }, {}, (event) => {
      if (event.type === "started" && event.name === "canary") begun.resolve();
    });
  const invoke = (routingKey: string, method = "which", timeoutMs?: number) =>
    engine.modules.invoke("a", method, { json: null }, { routingKey, timeoutMs });
  return { ...engine, clock, swap, invoke, begun: begun.promise };
}

/** The callers' keys that a version answers. */
async function keysOf(invoke: (key: string) => Promise<{ version: string }>, version: string, most = 5) {
  const keys: string[] = [];
  for (let key = 0; keys.length < most; key += 1) {
    const { version: answered } = await invoke(`session-${key}`).catch(() => ({ version: "2" }));
    if (answered === version) keys.push(`session-${key}`);
  }
  return keys;
}

describeInEither("a canary", () => {
  it("answers its share of the keys, always the same ones, and no call without a key", async () => {
    const { swap, invoke, begun, clock } = await shared(answering(2));
    const swapped = swap({ percentage: 30, minCalls: 10_000 });
    await begun;
    const versionsOf = async () => {
      const answers = await Promise.all(Array.from({ length: 60 }, (_, index) => invoke(`session-${index}`)));
      return answers.map(({ version }) => version);
    };
    const [first, second] = [await versionsOf(), await versionsOf()];
    expect(second).toEqual(first);
    const share = first.filter((version) => version === "2").length / first.length;
    expect(share).toBeGreaterThan(0.1);
    expect(share).toBeLessThan(0.5);
    expect((await invoke("")).version).toBe("1");
    clock.advance(60_000);
    const calls = first.filter((version) => version === "2").length * 2;
    expect(await swapped).toMatchObject({
      swapped: false,
      failedStep: "canary",
      failure: `INCONCLUSIVE: it answered ${calls} of 10000 calls with a routing_key within 60 s`,
      canary: { candidate: { calls }, current: { calls: 120 - calls }, verdict: "INCONCLUSIVE" },
    });
    expect(new Set(await versionsOf())).toEqual(new Set(["1"]));
  });

  it("takes over if it does as well", async () => {
    const { swap, invoke, begun } = await shared(answering(2));
    const swapped = swap({ percentage: 100, minCalls: 20 });
    await begun;
    for (let count = 0; count < 20; count += 1) await invoke(`session-${count}`);
    expect(await swapped).toMatchObject({
      swapped: true,
      canary: { candidate: { calls: 20, failures: 0 }, current: { calls: 0 }, verdict: "PASSED" },
    });
    expect((await invoke("")).version).toBe("2");
  });

  it("loses its callers soon if it fails more often, and finishes the calls that it has", async () => {
    const { swap, invoke, begun, modules } = await shared(answering(2, 'throw new Error("worse")'));
    const swapped = swap({ percentage: 50, minCalls: 1000 });
    await begun;
    for (let count = 0; modules.swapUnderWay("a") !== undefined && count < 100; count += 1) {
      await invoke(`session-${count}`).catch(() => {});
    }
    const result = await swapped;
    expect(result).toMatchObject({ swapped: false, failedStep: "canary", canary: { verdict: "REFUSED" } });
    expect(result.failure).toMatch(/^100 % of its \d+ calls failed, 0 % of the current version's \d+$/);
    expect(result.canary?.candidate.calls).toBeLessThan(25);
    expect((await invoke("session")).version).toBe("1");
    expect(modules.generations("a").map(({ state }) => state)).toEqual(["FAILED", "CURRENT"]);
  });

  it("is compared only with calls that could have reached it: with a key, and since it began", async () => {
    const { swap, invoke, begun, clock } = await shared(answering(2));
    for (let count = 0; count < 5; count += 1) await invoke(`session-${count}`);
    const early = invoke("early", "hold", 60_000_000).catch(() => {});
    const swapped = swap({ percentage: 50, minCalls: 1000 });
    await begun;
    for (let count = 0; count < 30; count += 1) await invoke("");
    const [keyed] = await keysOf(invoke, "1", 1);
    for (let count = 0; count < 10; count += 1) await invoke(keyed ?? "");
    clock.advance(60_000);
    const { canary } = await swapped;
    expect(canary?.current.calls).toBeGreaterThanOrEqual(11);
    expect(canary?.current.calls).toBeLessThan(30);
    void early;
  });

  it("is not judged by callers that wait for less than call_timeout", async () => {
    const { swap, invoke, begun, clock } = await shared(answering(2));
    const swapped = swap({ percentage: 50, minCalls: 1000 });
    await begun;
    const keys = await keysOf(invoke, "2", 3);
    for (const key of keys) {
      expect(await errorOf(invoke(key, "hold", 20))).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED" });
    }
    // The second answer shows that the module has reported the end of the first call.
    for (const _ of [1, 2]) await invoke(keys[0] ?? "");
    clock.advance(60_000);
    expect((await swapped).canary).toMatchObject({ candidate: { calls: 5, failures: 0 }, verdict: "INCONCLUSIVE" });
  });

  it("is REFUSED if it ends", async () => {
    const { swap, invoke, begun } = await shared(answering(2));
    const swapped = swap({ percentage: 100, minCalls: 1000 });
    await begun;
    await errorOf(invoke("session", "exit"));
    expect(await swapped).toMatchObject({
      failedStep: "canary",
      failure: "it ended: exit code 3",
      canary: { verdict: "REFUSED" },
    });
  });

  it("is INCONCLUSIVE if it is cancelled", async () => {
    const { swap, begun, modules } = await shared(answering(2));
    const swapped = swap({ percentage: 100 });
    await begun;
    await modules.cancelSwap("a");
    expect(await swapped).toMatchObject({ swapped: false, canary: { verdict: "INCONCLUSIVE" } });
    await turn();
  });

  it("is refused for a module with state to hand over", async () => {
    const state = "exportState() {} importState() {}";
    const { swap } = await shared(answering(2, "", state), state);
    expect(await swap({})).toMatchObject({
      swapped: false,
      failedStep: "canary",
      failure: "the module has state, which two versions cannot both answer from",
    });
  });
});
