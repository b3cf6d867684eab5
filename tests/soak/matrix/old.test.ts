// @module-tag soak

import { expect, it } from "vitest";
import { errorOf } from "../../support/errors.ts";
import { describeInEach } from "../../support/isolations.ts";
import { bodyOf, cell, counter, goesOn, leavesNothing, MISBEHAVIOURS, REASONS } from "./cell.ts";

/** Ends the instance on request. */
const EXIT = "exit() { process.exit(7); }";
/** A call that ends when its caller leaves. */
const HOLD = 'hold(_, { signal }) { return new Promise((resolve) => signal.addEventListener("abort", resolve)); }';
/** The errors of callers after a module has ended by itself, until it is started again. */
const CRASH = ["MODULE_CRASHED", "MODULE_NOT_LOADED"];
const WITHOUT_STATE = { outcome: "done", detail: "the old version had ended, and its state with it" };
/** Limits so high that only the crash matters. */
const breaker = { failureThreshold: 100_000 };

describeInEach("an old version in a %s", (isolation) => {
  it.each(["throws", "hangs"] as const)("serves on, and loses nothing, if it %s in exportState", async (what) => {
    const one = await cell({ isolation, v1: counter(1, { exportState: once(bodyOf(what, isolation)) }) });
    const result = await one.swap();
    expect(result).toMatchObject({ swapped: false, failedStep: "hand_over", fromVersion: "1" });
    expect(result.failure).toMatch(REASONS[what]);
    await goesOn(one, "1");
  });

  it("serves on, and loses nothing, if it exports a value that cannot be handed over", async () => {
    const one = await cell({ isolation, v1: counter(1, { exportState: once("return () => {};") }) });
    const result = await one.swap();
    expect(result).toMatchObject({ swapped: false, failedStep: "hand_over", fromVersion: "1" });
    expect(result.failure).toMatch(/cannot be handed over/);
    await goesOn(one, "1");
  });

  it("serves on, and loses nothing, if it blocks in exportState for longer than calls may be held", async () => {
    const block = once("const end = Date.now() + 400; while (Date.now() < end);");
    const one = await cell({ isolation, v1: counter(1, { exportState: block }) });
    const result = await one.swap({ maxPauseMs: 100 });
    expect(result).toMatchObject({ swapped: false, failedStep: "hand_over", fromVersion: "1" });
    expect(result.failure).toMatch(/exportState of module counter did not answer within/);
    await goesOn(one, "1");
  });

  it.each(["loops for ever", "waits for ever"] as const)(
    "is replaced by a version that needs no state if it %s in exportState",
    async (what) => {
      const one = await cell({ isolation, callers: 0, v1: counter(1, { exportState: bodyOf(what, isolation) }) });
      const result = await one.swap();
      expect(result).toMatchObject({ swapped: false, failedStep: "hand_over", fromVersion: "1" });
      expect(result.failure).toMatch(REASONS[what]);
      const rescued = one.swap({ discardState: true }, (event) => {
        if (event.type === "started" && event.name === "stop") setImmediate(() => one.losePatience(5000));
      });
      expect(await rescued).toMatchObject({ swapped: true, toVersion: "2" });
      expect(await one.call("counter", "which")).toBe("2");
      expect(await one.swap({ newVersionPath: "v3" })).toMatchObject({ swapped: true, fromVersion: "2" });
      await leavesNothing(one);
    },
  );

  it("is replaced without its state if it ends in exportState, and no call fails", async () => {
    const one = await cell({ isolation, fields: { breaker }, v1: counter(1, { exportState: MISBEHAVIOURS.exits }) });
    const result = await one.swap();
    expect(result).toMatchObject({ swapped: true, toVersion: "2" });
    expect(result.steps.find(({ name }) => name === "hand_over")).toMatchObject(WITHOUT_STATE);
    expect(one.traffic.failed).toEqual([]);
    expect(one.modules.get("counter").record).toMatchObject({ restarts: 0, generation: 2 });
    expect(await goesOn(one, "2", false)).toEqual([]);
  });

  it("is replaced if it ends while its calls finish, and only those calls fail", async () => {
    const one = await cell({ isolation, fields: { breaker }, v1: counter(1, {}, `${HOLD} ${EXIT}`) });
    const old = one.modules.activeInstance("counter").instance;
    const held = errorOf(one.patiently("hold"));
    const holding = Promise.withResolvers<void>();
    const swapped = one.swap({}, (event) => {
      if (event.type === "started" && event.name === "hand_over") holding.resolve();
    });
    await holding.promise;
    await errorOf(old.invoke("exit", { json: null }, { timeoutMs: 60_000 }));
    expect(await held).toMatchObject({ reason: "MODULE_CRASHED" });
    const result = await swapped;
    expect(result).toMatchObject({ swapped: true, toVersion: "2" });
    expect(result.steps.find(({ name }) => name === "hand_over")).toMatchObject(WITHOUT_STATE);
    const failed = await goesOn(one, "2", false);
    expect(failed.filter((reason) => reason !== "MODULE_CRASHED")).toEqual([]);
    expect(failed.length).toBeLessThanOrEqual(4);
  });

  it("is started again if it ends while its calls finish and the new version cannot serve", async () => {
    const v2 = counter(2, { health: "if (++globalThis.asked > 1) throw new Error('boom');" }, "").replace(
      "export default",
      "globalThis.asked = 0; export default",
    );
    const one = await cell({
      isolation,
      fields: { breaker },
      v1: counter(1, { exportState: MISBEHAVIOURS.exits }),
      v2,
    });
    const result = await one.swap();
    expect(result).toMatchObject({ swapped: false, failedStep: "hand_over", fromVersion: "1" });
    expect(result.failure).toMatch(/boom/);
    await one.reaches("counter", "ACTIVE");
    expect(one.modules.get("counter").record).toMatchObject({ restarts: 1, generation: 3 });
    expect(await one.call("counter", "which")).toBe("1");
    expect(await one.swap({ newVersionPath: "v3", discardState: true })).toMatchObject({ swapped: true });
    const failed = await goesOn(one, "3", false);
    expect(failed.filter((reason) => !CRASH.includes(reason))).toEqual([]);
  });

  it("is replaced without its state if it ends before the hand-over", async () => {
    const one = await cell({ isolation, fields: { breaker }, v1: counter(1, {}, EXIT) });
    one.modules.addReloadHook("counter", async () => {
      if (one.modules.get("counter").record.generation > 1) return;
      await errorOf(one.patiently("exit"));
    });
    const result = await one.swap();
    expect(result).toMatchObject({ swapped: true, toVersion: "2" });
    expect(result.steps.find(({ name }) => name === "hand_over")).toMatchObject({
      ...WITHOUT_STATE,
      outcome: "skipped",
    });
    await one.reaches("counter", "ACTIVE");
    const failed = await goesOn(one, "2", false);
    expect(failed.filter((reason) => !CRASH.includes(reason))).toEqual([]);
  });

  it("is started again if it ends during the tests, and hands over its new state", async () => {
    const one = await cell({ isolation, fields: { breaker, testSuite: "long" }, v1: counter(1, {}, EXIT) });
    const testing = Promise.withResolvers<void>();
    const { promise: tested, resolve: pass } = Promise.withResolvers<void>();
    one.modules.useGate(async () => {
      testing.resolve();
      await tested;
      return { passed: true, detail: "" };
    });
    const swapped = one.swap();
    await testing.promise;
    await errorOf(one.patiently("exit"));
    await one.reaches("counter", "ACTIVE");
    await one.traffic.more(10);
    expect(one.modules.get("counter").record).toMatchObject({ generation: 3, restarts: 1 });
    await one.traffic.stop();
    const count = (await one.call("counter", "increment")) as number;
    pass();
    expect(await swapped).toMatchObject({ swapped: true, fromVersion: "1", toVersion: "2" });
    expect(await one.call("counter", "increment")).toBe(count + 1);
    expect(one.modules.get("counter").record).toMatchObject({ generation: 2, starts: 3 });
    await leavesNothing(one);
  });

  it("is started again if it ends during a canary, and serves", async () => {
    const stateless = (version: number): string =>
      `export default class Counter {
        static version = "${version}";
        which() { return "${version}"; }
        increment() { return 0; }
        ${EXIT}
      }`;
    const one = await cell({ isolation, fields: { breaker }, v1: stateless(1), v2: stateless(2) });
    const sharing = Promise.withResolvers<void>();
    const swapped = one.swap({ canary: { percentage: 50, durationMs: 60_000, minCalls: 1000 } }, (event) => {
      if (event.type === "started" && event.name === "canary") sharing.resolve();
    });
    await sharing.promise;
    await errorOf(one.patiently("exit"));
    const result = await swapped;
    expect(result).toMatchObject({ swapped: false, failedStep: "canary" });
    expect(result.failure).toBe("the current version, which it is compared with, has ended");
    await one.reaches("counter", "ACTIVE");
    const failed = await goesOn(one, "1", false);
    expect(failed.filter((reason) => !CRASH.includes(reason))).toEqual([]);
  });

  it("fails only its remaining calls if it ends after the switch", async () => {
    const one = await cell({ isolation, v1: counter(1, {}, `${HOLD} ${EXIT}`) });
    const old = one.modules.activeInstance("counter").instance;
    const held = Array.from({ length: 8 }, () => errorOf(one.patiently("hold")));
    const draining = Promise.withResolvers<void>();
    const swapped = one.swap({ discardState: true }, (event) => {
      if (event.type === "started" && event.name === "drain") draining.resolve();
    });
    await draining.promise;
    await errorOf(old.invoke("exit", { json: null }, { timeoutMs: 60_000 }));
    for (const error of await Promise.all(held)) expect(error).toMatchObject({ reason: "MODULE_CRASHED" });
    expect(await swapped).toMatchObject({ swapped: true, toVersion: "2" });
    // The failures of the old version do not count against the new one.
    expect(one.breakers.get("module:counter")).toMatchObject({ state: "CLOSED", counts: { failures: 0 } });
    const failed = await goesOn(one, "2", false);
    expect(failed.filter((reason) => !CRASH.includes(reason))).toEqual([]);
    expect(failed.length).toBeLessThanOrEqual(4);
    expect(one.modules.get("counter").record.restarts).toBe(0);
  });

  it("is started again if it ends on standby and the new version has to go", async () => {
    const one = await cell({ isolation, fields: { breaker }, v1: counter(1, {}, EXIT), v2: counter(2, {}, EXIT) });
    const old = one.modules.activeInstance("counter").instance;
    const baking = Promise.withResolvers<void>();
    const swapped = one.swap({ bakeMs: 60_000 }, (event) => {
      if (event.type === "started" && event.name === "bake") baking.resolve();
    });
    await baking.promise;
    await errorOf(old.invoke("exit", { json: null }, { timeoutMs: 60_000 }));
    await one.traffic.more(10);
    expect(one.traffic.failed).toEqual([]);
    await errorOf(one.call("counter", "exit"));
    const result = await swapped;
    expect(result).toMatchObject({ swapped: false, failedStep: "bake" });
    expect(result.failure).toMatch(/exit code 7/);
    await one.reaches("counter", "ACTIVE");
    const failed = await goesOn(one, "1", false);
    expect(failed.filter((reason) => !CRASH.includes(reason))).toEqual([]);
  });

  it("is ended with a call that never ends, and no other call fails", async () => {
    const one = await cell({
      isolation,
      fields: { callTimeoutMs: 2000 },
      v1: counter(1, {}, "never() { return new Promise(() => {}); }"),
    });
    const never = errorOf(one.call("counter", "never"));
    const result = await one.swap({ discardState: true });
    expect(await never).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED" });
    expect(result).toMatchObject({ swapped: true, toVersion: "2" });
    expect(await goesOn(one, "2", false)).toEqual([]);
  });

  it("serves on, and loses nothing, if one of its calls does not end in time", async () => {
    const one = await cell({ isolation, v1: counter(1, {}, HOLD) });
    const caller = new AbortController();
    const held = one.modules.invoke("counter", "hold", { json: null }, { signal: caller.signal });
    held.catch(() => {});
    const result = await one.swap({ maxPauseMs: 100 });
    expect(result).toMatchObject({ swapped: false, failedStep: "hand_over" });
    expect(result.failure).toBe("1 calls were still under way in version 1 after 100 ms");
    caller.abort("enough");
    await expect(held).rejects.toBe("enough");
    await goesOn(one, "1");
  });
});

/** Code that has the effect only in its first run. */
function once(code: string): string {
  return `if (!globalThis.done) { globalThis.done = true; ${code} }`;
}
