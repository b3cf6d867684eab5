import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RESTART_POLICY, restartDelay } from "../../../../src/core/modules/supervision/restart.ts";
import { watchedClock } from "../../../support/clocks.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEach, describeInEither } from "../../../support/isolations.ts";
import { turn } from "../../../support/turns.ts";
import { rig, statesOf } from "../rig.ts";

describe("the restart policy", () => {
  it("doubles the wait with each restart within the window, and then gives up", () => {
    const delays = [0, 1, 2, 3, 4, 5].map((count) => restartDelay(Array<number>(count).fill(1000), 2000));
    expect(delays).toEqual([200, 400, 800, 1600, 3200, undefined]);
  });

  it("forgets restarts that are older than the window", () => {
    const restarts = [0, 1, 2, 3, 4];
    expect(restartDelay(restarts, 59_999)).toBeUndefined();
    expect(restartDelay(restarts, 60_000)).toBe(3200);
    expect(restartDelay(restarts, 60_004)).toBe(200);
  });

  it("never allows more restarts within a window than the limit, however a module crashes", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 50 }), (lives) => {
        const made: number[] = [];
        let now = 0;
        for (const life of lives) {
          now += life;
          const delay = restartDelay(made, now);
          if (delay === undefined) continue;
          now += delay;
          made.push(now);
        }
        for (const time of made) {
          const within = made.filter((other) => other > time - RESTART_POLICY.windowMs && other <= time);
          expect(within.length).toBeLessThanOrEqual(RESTART_POLICY.maxRestarts);
        }
      }),
    );
  });
});

describeInEach("a module in a %s that crashes", (isolation) => {
  it("fails its running and waiting calls, is FAILED with the reason, and is started again", async () => {
    const { clock, isSet } = watchedClock();
    const engine = await rig({ clock });
    const { modules, breakers, load, call, reaches, state } = engine;
    await load("echo_v1", { isolation, concurrency: 2 });
    const held = errorOf(call("echo_v1", "hold"));
    const crash = errorOf(call("echo_v1", "exit"));
    const waiting = errorOf(call("echo_v1", "echo"));
    for (const one of [held, crash, waiting]) expect(await one).toMatchObject({ reason: "MODULE_CRASHED" });
    expect([(await held).metadata, (await waiting).metadata]).toMatchObject([
      { delivered: "true", retry_after: expect.stringMatching(/^0\.\d+ s$/) },
      { delivered: "false", retry_after: expect.stringMatching(/^0\.\d+ s$/) },
    ]);
    await reaches("echo_v1", "FAILED");
    expect(modules.get("echo_v1").record).toMatchObject({
      desired: "ACTIVE",
      generation: 1,
      lifecycle: { failure: { step: "running", message: "exit code 3" }, last: { generation: 1 } },
    });
    expect(await errorOf(call("echo_v1", "echo"))).toMatchObject({
      reason: "MODULE_CRASHED",
      code: "UNAVAILABLE",
      metadata: { error: "exit code 3", delivered: "false", retry_after: expect.stringMatching(/^0\.\d+ s$/) },
      retryAfterMs: expect.any(Number),
    });
    expect(breakers.get("module:echo_v1").counts).toMatchObject({ failures: 2 });
    await isSet(200);
    clock.advance(199);
    await turn();
    expect(state("echo_v1")).toBe("FAILED");
    clock.advance(1);
    await reaches("echo_v1", "ACTIVE");
    expect(await call("echo_v1", "echo", "again")).toBe("again");
    expect(modules.get("echo_v1").record).toMatchObject({ generation: 2, restarts: 1 });
    expect(await statesOf(engine, "echo_v1")).toEqual(["UNLOADED", "LOADING", "ACTIVE", "FAILED", "LOADING", "ACTIVE"]);
  });
});

describeInEither("a module that crashes again and again", () => {
  it("is restarted five times with growing waits, and then stays FAILED with its breaker open until it is loaded", async () => {
    const { clock, isSet } = watchedClock();
    const { modules, breakers, load, call, reaches } = await rig({ clock });
    await load("echo_v1", { isolation: "THREAD" });
    for (const delayMs of [200, 400, 800, 1600, 3200]) {
      await errorOf(call("echo_v1", "exit"));
      await reaches("echo_v1", "FAILED");
      await isSet(delayMs);
      clock.advance(delayMs);
      await reaches("echo_v1", "ACTIVE");
      await breakers.reset("module:echo_v1");
    }
    const opened = breakers.get("module:echo_v1").resource.revision;
    await errorOf(call("echo_v1", "exit"));
    while (breakers.get("module:echo_v1").override === undefined) {
      await modules.hub.feed.reached(modules.hub.feed.revision + 1);
    }
    expect(breakers.get("module:echo_v1").resource.revision).toBeGreaterThan(opened);
    expect(breakers.get("module:echo_v1")).toMatchObject({
      state: "OPEN",
      override: { reason: "module echo_v1 crashed after 5 restarts within 60 s" },
    });
    expect(await errorOf(call("echo_v1", "echo"))).toMatchObject({ reason: "MODULE_NOT_LOADED" });
    clock.advance(600_000);
    await turn();
    expect(modules.get("echo_v1").record).toMatchObject({
      desired: "ACTIVE",
      restarts: 5,
      lifecycle: { state: "FAILED" },
    });
    await modules.load("echo_v1");
    expect(await call("echo_v1", "echo", 1)).toBe(1);
    expect(modules.get("echo_v1").record.restarts).toBe(0);
  });

  it("is not started again after it was unloaded", async () => {
    const { clock, isSet } = watchedClock();
    const { modules, load, call, reaches, state } = await rig({ clock });
    await load("echo_v1", { isolation: "THREAD" });
    await errorOf(call("echo_v1", "exit"));
    await reaches("echo_v1", "FAILED");
    await isSet(200);
    await modules.unload("echo_v1");
    expect(await errorOf(call("echo_v1", "echo"))).toMatchObject({ reason: "MODULE_NOT_LOADED" });
    const { revision } = modules.get("echo_v1");
    clock.advance(600_000);
    await turn();
    expect(state("echo_v1")).toBe("UNLOADED");
    expect(modules.get("echo_v1").revision).toBe(revision);
  });

  it("returns as LOADED if it was LOADED", async () => {
    const { clock, isSet } = watchedClock();
    const { modules, register, reaches } = await rig({ clock });
    await register("ends_after_start", { isolation: "THREAD" });
    await modules.load("ends_after_start", { activate: false });
    await reaches("ends_after_start", "FAILED");
    await isSet(200);
    clock.advance(200);
    await reaches("ends_after_start", "LOADED");
    expect(modules.get("ends_after_start").record).toMatchObject({ desired: "LOADED", restarts: 1 });
  });
});
