import { expect, it } from "vitest";
import { createMemoryStore } from "../../../../src/core/store/memory/store.ts";
import { createManualClock } from "../../../../src/kernel/clock.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEach, describeInEither } from "../../../support/isolations.ts";
import { turn } from "../../../support/turns.ts";
import { heldStart } from "../held-start.ts";
import { hanging, rig } from "../rig.ts";

const STARTING = {
  reason: "MODULE_STARTING",
  code: "UNAVAILABLE",
  metadata: { retry_after: expect.stringMatching(/ s$/) },
  retryAfterMs: expect.any(Number),
};

describeInEach("a call to a module in a %s that is starting", (isolation) => {
  it("is UNAVAILABLE with a retry time until the module serves or has failed", async () => {
    const { hostClock, log, hangs } = hanging();
    const { register, modules, call } = await rig({ hostClock, log });
    await register("hangs_on_start", { isolation, startTimeoutMs: 300 });
    expect(await errorOf(call("hangs_on_start", "x"))).toMatchObject({ reason: "MODULE_NOT_LOADED" });
    const loaded = errorOf(modules.load("hangs_on_start"));
    await hangs;
    expect(await errorOf(call("hangs_on_start", "x"))).toMatchObject(STARTING);
    hostClock.advance(300);
    await loaded;
    expect(await errorOf(call("hangs_on_start", "x"))).toMatchObject({ reason: "MODULE_NOT_LOADED" });
  });
});

describeInEither("a call to a module that is starting without traffic", () => {
  it("gets no retry time", async () => {
    const { hostClock, log, hangs } = hanging();
    const { register, modules, call } = await rig({ hostClock, log });
    await register("hangs_on_start");
    const loaded = errorOf(modules.load("hangs_on_start", { activate: false }));
    await hangs;
    expect(await errorOf(call("hangs_on_start", "x"))).toMatchObject({
      reason: "MODULE_NOT_LOADED",
      metadata: { state: "LOADING" },
    });
    hostClock.advance(10_000);
    await loaded;
  });
});

describeInEither("a call while the service starts its modules", () => {
  it("gets a retry time for modules that will serve, even before their turn, and for no others", async () => {
    const store = createMemoryStore({ clock: createManualClock(), incarnation: "incarnation" });
    const first = await rig({ store });
    await first.load("echo_v1", {}, "base");
    await first.load("caller", { dependencies: ["base"] }, "top");
    await first.register("echo_v1", {}, "other");
    await first.register("echo_v1", {}, "idle");
    await first.modules.load("idle", { activate: false });
    await first.close();
    const second = await rig({ store });
    for (const name of ["base", "top"]) expect(await errorOf(second.call(name, "echo"))).toMatchObject(STARTING);
    for (const name of ["other", "idle"]) {
      expect(await errorOf(second.call(name, "echo"))).toMatchObject({ reason: "MODULE_NOT_LOADED" });
    }
    await second.modules.settled;
    expect(await second.call("base", "echo", 1)).toBe(1);
  });
});

describeInEither("calls that a crash interrupts, and calls until the module serves again", () => {
  it("are all UNAVAILABLE with a retry time, and the next call is answered", async () => {
    const { root, fields, hold, release } = await heldStart();
    const { load, modules, call } = await rig({ root });
    release();
    await load("held", { isolation: "THREAD", ...fields });
    hold();
    const errors = [await errorOf(call("held", "exit")), await errorOf(call("held", "echo"))];
    release();
    for (;;) {
      try {
        expect(await call("held", "echo", "up")).toBe("up");
        break;
      } catch (error) {
        errors.push(await errorOf(Promise.reject(error)));
        await turn();
      }
    }
    expect(modules.get("held").record.generation).toBe(2);
    for (const error of errors) {
      expect(error).toMatchObject({ code: "UNAVAILABLE", metadata: { retry_after: expect.stringMatching(/ s$/) } });
      expect(error.retryAfterMs).toBeGreaterThan(0);
    }
  });
});
