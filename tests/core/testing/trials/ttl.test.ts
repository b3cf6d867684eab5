import { getEventListeners } from "node:events";
import { expect, it } from "vitest";
import { createManualClock, type ManualClock } from "../../../../src/kernel/clock.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEither } from "../../../support/isolations.ts";
import { ownRoot, rig } from "../../modules/rig.ts";

const MODULE = `export default class {
  echo(value) { return value; }
  hang() { return new Promise(() => {}); }
}`;

/** A manual clock that knows how many of its timers are pending. */
function countingClock(): ManualClock & { pending(): number } {
  const clock = createManualClock();
  const timers = new Set<object>();
  return {
    ...clock,
    pending: () => timers.size,
    setTimer(delayMs, run) {
      const timer = clock.setTimer(delayMs, () => {
        timers.delete(timer);
        run();
      });
      timers.add(timer);
      return {
        cancel() {
          timers.delete(timer);
          timer.cancel();
        },
      };
    },
  };
}

async function engine() {
  const clock = countingClock();
  const { path: root } = await ownRoot({ "echo.mjs": MODULE });
  const { register, testing, modules } = await rig({ clock, root });
  await register("echo");
  return { clock, testing, modules };
}

describeInEither("a trial", () => {
  it("ends when its ttl has passed, and cuts off the calls in progress", async () => {
    const { clock, testing } = await engine();
    const trial = await testing.openTrial("echo", { ttlMs: 60_000 });
    expect(trial.expireTime).toBe(clock.now() + 60_000);
    const [hanging, other] = ["hang", "echo"].map((method) =>
      testing.invokeTrial(trial.id, method, { json: 1 }, { timeoutMs: 3_600_000 }),
    );
    expect((await other)?.output).toEqual({ json: 1 });
    clock.advance(59_999);
    expect((await testing.invokeTrial(trial.id, "echo", { json: 2 })).output).toEqual({ json: 2 });
    clock.advance(1);
    expect(await errorOf(hanging as Promise<unknown>)).toMatchObject({
      reason: "MODULE_CRASHED",
      metadata: { error: "its ttl has passed" },
    });
    expect(await errorOf(testing.invokeTrial(trial.id, "echo", { json: 3 }))).toMatchObject({
      reason: "TRIAL_NOT_FOUND",
      metadata: { why: "its ttl has passed" },
    });
  });

  it("takes calls for as long as they may take by the registration, whatever the caller's patience", async () => {
    const { testing } = await engine();
    const trial = await testing.openTrial("", { modulePath: "echo.mjs" });
    const late = await errorOf(testing.invokeTrial(trial.id, "hang", { json: 1 }, { timeoutMs: 20 }));
    expect(late.reason).toBe("MODULE_DEADLINE_EXCEEDED");
    const left = new AbortController();
    const calling = testing.invokeTrial(trial.id, "hang", { json: 1 }, { signal: left.signal });
    left.abort(new Error("left"));
    await expect(calling).rejects.toThrow("left");
    expect((await testing.invokeTrial(trial.id, "echo", { json: 3 })).output).toEqual({ json: 3 });
  });

  it("leaves no timer and no listener, however it ends", async () => {
    const { clock, testing } = await engine();
    const before = clock.pending();
    const { signal } = new AbortController();
    const closed = await testing.openTrial("echo", { signal });
    await testing.invokeTrial(closed.id, "echo", { json: 1 }, { signal });
    expect(getEventListeners(signal, "abort")).toEqual([]);
    const cut = errorOf(testing.invokeTrial(closed.id, "hang", { json: 1 }, { signal }));
    await testing.closeTrial(closed.id);
    await cut;
    const expired = await testing.openTrial("echo", { signal, ttlMs: 1 });
    clock.advance(1);
    await errorOf(testing.invokeTrial(expired.id, "echo", { json: 1 }, { signal }));
    await errorOf(testing.openTrial("echo", { signal, modulePath: "none" }));
    expect(clock.pending()).toBe(before);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("ends when the service stops, and none is opened from then on", async () => {
    const { testing } = await engine();
    const trial = await testing.openTrial("echo");
    const calling = errorOf(testing.invokeTrial(trial.id, "hang", { json: 1 }));
    const closed = testing.close();
    expect((await errorOf(testing.openTrial("echo"))).reason).toBe("SERVER_DRAINING");
    await closed;
    expect(await calling).toMatchObject({ reason: "MODULE_CRASHED", metadata: { error: "the service stops" } });
  });

  it("that starts while the service stops is not opened", async () => {
    const { testing } = await engine();
    const opening = errorOf(testing.openTrial("echo"));
    await testing.close();
    expect((await opening).reason).toBe("SERVER_DRAINING");
  });
});
