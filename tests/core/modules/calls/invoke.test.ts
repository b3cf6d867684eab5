import { expect, it } from "vitest";
import { createManualClock } from "../../../../src/kernel/clock.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEach, describeInEither } from "../../../support/isolations.ts";
import { turn } from "../../../support/turns.ts";
import { until } from "../../../support/until.ts";
import { rig } from "../rig.ts";

describeInEach("a call to a module in a %s", (isolation) => {
  it("returns the module's answer, the version that gave it, and the duration", async () => {
    const { modules, load } = await rig();
    await load("echo_v1", { isolation });
    const answer = await modules.invoke("echo_v1", "echo", { json: "hello" });
    expect(answer).toEqual({
      output: { json: "hello" },
      version: "1.0.0",
      generation: 1,
      durationMs: expect.any(Number),
      answeredBy: "echo_v1",
    });
  });

  it("carries bytes unchanged", async () => {
    const { modules, load } = await rig();
    await load("echo_v1", { isolation });
    const binary = Uint8Array.from({ length: 256 }, (_, index) => index);
    const { output } = await modules.invoke("echo_v1", "echo", { binary });
    expect("binary" in output && Uint8Array.from(output.binary)).toEqual(binary);
  });

  it("ends at its caller's deadline, in the module too, and does not count for the module", async () => {
    const hostClock = createManualClock();
    const { modules, breakers, load, call } = await rig({ hostClock });
    await load("echo_v1", { isolation });
    const late = errorOf(modules.invoke("echo_v1", "hold", { json: null }, { timeoutMs: 20_000 }));
    await call("echo_v1", "echo");
    hostClock.advance(20_000);
    const error = await late;
    expect(error).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED", metadata: { name: "echo_v1", method: "hold" } });
    expect(await call("echo_v1", "aborted")).toBe(1);
    expect(breakers.get("module:echo_v1").counts).toMatchObject({ failures: 0, ignored: 1, successes: 2 });
  });

  it("ends at the module's call_timeout if that is earlier, and then counts as a failure", async () => {
    const { modules, breakers, load } = await rig();
    await load("echo_v1", { isolation, callTimeoutMs: 50 });
    const error = await errorOf(modules.invoke("echo_v1", "hold", { json: null }, { timeoutMs: 60_000 }));
    expect(error).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED" });
    expect(breakers.get("module:echo_v1").counts).toMatchObject({ failures: 1, ignored: 0 });
  });

  it("ends with the caller's reason when the caller cancels, in the module too, and does not count for the module", async () => {
    const { modules, breakers, load, call } = await rig();
    await load("echo_v1", { isolation });
    const caller = new AbortController();
    const { signal } = caller;
    const held = modules.invoke("echo_v1", "hold", { json: null }, { signal });
    await call("echo_v1", "echo");
    expect(modules.inFlight("echo_v1")).toBe(1);
    const reason = new Error("changed my mind");
    caller.abort(reason);
    await expect(held).rejects.toBe(reason);
    expect(modules.inFlight("echo_v1")).toBe(0);
    expect(await call("echo_v1", "aborted")).toBe(1);
    expect(breakers.get("module:echo_v1").counts).toMatchObject({ failures: 0, ignored: 1 });
    await expect(modules.invoke("echo_v1", "echo", { json: 1 }, { signal })).rejects.toBe(reason);
  });

  it("fails with the module's own error, and counts as a failure", async () => {
    const { breakers, load, call } = await rig();
    await load("echo_v1", { isolation });
    const error = await errorOf(call("echo_v1", "fail", { message: "no such order" }));
    expect(error).toMatchObject({
      reason: "MODULE_METHOD_FAILED",
      metadata: { name: "echo_v1", method: "fail", error: "no such order", error_name: "RangeError" },
    });
    expect(error.metadata.stack).toContain("echo_v1.ts");
    expect(breakers.get("module:echo_v1").counts).toMatchObject({ failures: 1 });
  });

  it("does not count for the module if the caller made a mistake or named an unknown method", async () => {
    const { breakers, load, call } = await rig();
    await load("echo_v1", { isolation, breaker: { failureThreshold: 1 } });
    await errorOf(call("echo_v1", "fail", { message: "bad order", callerFault: true }));
    const error = await errorOf(call("echo_v1", "fly"));
    expect(error).toMatchObject({ reason: "MODULE_METHOD_NOT_FOUND" });
    expect(error.metadata.methods).toContain("echo, exit, fail, hold");
    expect(breakers.get("module:echo_v1")).toMatchObject({ state: "CLOSED", counts: { failures: 0, ignored: 2 } });
  });
});

describeInEither("a call", () => {
  it("a call to an unknown module fails with MODULE_NOT_FOUND", async () => {
    const { call } = await rig();
    expect(await errorOf(call("a", "echo"))).toMatchObject({ reason: "MODULE_NOT_FOUND" });
  });

  it("a call with an expired deadline does not reach the module", async () => {
    const { modules, load, call } = await rig();
    await load("counter_v1");
    for (const timeoutMs of [0, -5]) {
      const error = await errorOf(modules.invoke("counter_v1", "increment", { json: null }, { timeoutMs }));
      expect(error).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED" });
    }
    const nothing = modules.invoke("counter_v1", "increment", { json: null }, { timeoutMs: Number.NaN });
    expect(await errorOf(nothing)).toMatchObject({ reason: "ARGUMENT_INVALID" });
    expect(await call("counter_v1", "increment")).toBe(1);
  });

  it("waits in the queue while the limit of concurrent calls is reached; one too many is MODULE_OVERLOADED", async () => {
    const { modules, load, call } = await rig();
    await load("echo_v1", { concurrency: 2 });
    const { instance } = modules.activeInstance("echo_v1");
    const held = [call("echo_v1", "hold"), call("echo_v1", "hold")];
    const done: number[] = [];
    const waiting = [1, 2, 3, 4, 5, 6, 7, 8].map(async (number) => {
      await call("echo_v1", "echo", number);
      done.push(number);
    });
    expect(await errorOf(call("echo_v1", "echo"))).toMatchObject({
      reason: "MODULE_OVERLOADED",
      metadata: { name: "echo_v1", in_flight: "2", queued: "8" },
    });
    await instance.invoke("echo", { json: null }, { timeoutMs: 5000 });
    expect(done).toEqual([]);
    await instance.invoke("release", { json: null }, { timeoutMs: 5000 });
    await Promise.all([...held, ...waiting]);
    expect(done).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(modules.inFlight("echo_v1")).toBe(0);
  });

  it("leaves the queue at its deadline or when its caller cancels, and lets later calls pass", async () => {
    const clock = createManualClock();
    const { modules, breakers, load, call } = await rig({ clock });
    await load("echo_v1", { concurrency: 1 });
    const { instance } = modules.activeInstance("echo_v1");
    const held = call("echo_v1", "hold");
    const caller = new AbortController();
    const late = errorOf(modules.invoke("echo_v1", "echo", { json: 1 }, { timeoutMs: 100 }));
    const cancelled = modules.invoke("echo_v1", "echo", { json: 2 }, { signal: caller.signal });
    const patient = call("echo_v1", "echo", 3);
    await turn();
    clock.advance(100);
    expect(await late).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED", metadata: { timeout: "0.1 s" } });
    caller.abort("never mind");
    await expect(cancelled).rejects.toBe("never mind");
    await instance.invoke("release", { json: null }, { timeoutMs: 5000 });
    await held;
    expect(await patient).toBe(3);
    expect(breakers.get("module:echo_v1").counts).toMatchObject({ successes: 2, failures: 0, ignored: 2 });
  });

  it("ends at once when its caller cancels while the module's breaker is being created again", async () => {
    const { modules, breakers, load, call } = await rig({ clock: createManualClock() });
    await load("echo_v1", { concurrency: 1 });
    const { instance } = modules.activeInstance("echo_v1");
    const held = call("echo_v1", "hold");
    await until(() => modules.inFlight("echo_v1") !== 0);
    await breakers.delete("module:echo_v1");
    const caller = new AbortController();
    const cancelled = modules.invoke("echo_v1", "echo", { json: 3 }, { signal: caller.signal });
    caller.abort("never mind");
    await expect(cancelled).rejects.toBe("never mind");
    await instance.invoke("release", { json: null }, { timeoutMs: 5000 });
    await held;
  });

  it("is refused if the module is unloaded while the call waits", async () => {
    const { modules, load, call } = await rig();
    await load("echo_v1", { concurrency: 1 });
    const { instance } = modules.activeInstance("echo_v1");
    const held = call("echo_v1", "hold");
    const waiting = errorOf(call("echo_v1", "echo"));
    await turn();
    const unloaded = modules.unload("echo_v1");
    expect(await waiting).toMatchObject({ reason: "MODULE_NOT_LOADED", metadata: { state: "UNLOADING" } });
    await instance.invoke("release", { json: null }, { timeoutMs: 5000 });
    expect(await held).toBe("released");
    await unloaded;
  });
});

describeInEither("the breaker of a module", () => {
  it("has the registered configuration, opens at failures, and rejects with a retry time", async () => {
    const clock = createManualClock();
    const { modules, breakers, load, call } = await rig({ clock });
    await load("echo_v1", { breaker: { failureThreshold: 2, timeoutMs: 1500 } });
    for (const _ of [1, 2]) await errorOf(call("echo_v1", "fail", { message: "no" }));
    expect(await errorOf(call("echo_v1", "echo"))).toMatchObject({
      reason: "BREAKER_OPEN",
      metadata: { name: "module:echo_v1" },
      retryAfterMs: 1500,
    });
    clock.advance(1500);
    expect(await call("echo_v1", "echo", 1)).toBe(1);
    expect(await call("echo_v1", "echo", 2)).toBe(2);
    expect(breakers.get("module:echo_v1").state).toBe("CLOSED");
    expect(modules.inFlight("echo_v1")).toBe(0);
  });

  it("lets the fallback module answer while it is open, if that module is ACTIVE", async () => {
    const { modules, breakers, load, register } = await rig();
    await register("echo_v2", {}, "spare");
    await load("echo_v1", { fallbackModule: "spare" }, "main");
    await breakers.open("module:main");
    expect(await errorOf(modules.invoke("main", "echo", { json: 1 }))).toMatchObject({
      reason: "BREAKER_OPEN",
      metadata: { name: "module:main" },
    });
    await modules.load("spare");
    expect(await modules.invoke("main", "echo", { json: 1 })).toMatchObject({
      output: { json: 1 },
      version: "2.0.0",
      answeredBy: "spare",
    });
    await breakers.open("module:spare");
    expect(await errorOf(modules.invoke("main", "echo", { json: 1 }))).toMatchObject({
      metadata: { name: "module:spare" },
    });
  });

  it("is created again after somebody deleted it", async () => {
    const { breakers, load, call } = await rig();
    await load("echo_v1", { breaker: { failureThreshold: 7 } });
    await breakers.delete("module:echo_v1");
    expect(await call("echo_v1", "echo", 1)).toBe(1);
    expect(breakers.get("module:echo_v1").config.failureThreshold).toBe(7);
  });

  it("keeps an operator's configuration until the registration itself changes", async () => {
    const { modules, breakers, load } = await rig();
    await load("echo_v1", { breaker: { failureThreshold: 7 } });
    await breakers.update("module:echo_v1", { failureThreshold: 9 });
    await modules.unload("echo_v1");
    await modules.load("echo_v1");
    expect(breakers.get("module:echo_v1").config.failureThreshold).toBe(9);
    await modules.unload("echo_v1");
    const fields = { modulePath: "echo_v1", breaker: { failureThreshold: 3 } };
    await modules.register("echo_v1", fields, { replace: true });
    expect(breakers.get("module:echo_v1").config.failureThreshold).toBe(3);
  });
});

describeInEither("what a module may call", () => {
  it("includes its dependencies by name, where the version that serves at that moment answers", async () => {
    const { modules, load, call } = await rig();
    await load("echo_v1", {}, "echo");
    await load("caller", { dependencies: ["echo"] });
    const ask = { of: "echo", method: "who_am_i" };
    expect(await call("caller", "ask", ask)).toMatchObject({ answer: { name: "echo", version: "1.0.0" } });
    await modules.swap("echo", { newVersionPath: "echo_v2" });
    expect(await call("caller", "ask", ask)).toMatchObject({ answer: { name: "echo", version: "2.0.0" } });
  });

  it("excludes modules that it did not declare as dependencies", async () => {
    const { load, call } = await rig();
    await load("echo_v1", {}, "echo");
    await load("echo_v1", {}, "other");
    await load("caller", { dependencies: ["echo"] });
    expect(await call("caller", "ask", { of: "other", method: "echo" })).toEqual({
      code: "ARGUMENT_INVALID",
      message: "dependency: module caller does not declare other; it declares echo",
    });
  });

  it("fails with the reason if its dependency does not answer", async () => {
    const { breakers, load, call } = await rig();
    await load("echo_v1", {}, "echo");
    await load("caller", { dependencies: ["echo"] });
    const fail = { of: "echo", method: "fail", input: { message: "no" } };
    expect(await call("caller", "ask", fail)).toMatchObject({ code: "MODULE_METHOD_FAILED" });
    await breakers.open("module:echo");
    expect(await call("caller", "ask", fail)).toMatchObject({ code: "BREAKER_OPEN" });
  });

  it("includes flags, evaluated for a context", async () => {
    const { load, call } = await rig();
    await load("echo_v1");
    expect(await call("echo_v1", "is_enabled", { flag: "hot_reload_modules", session_id: "s1" })).toBe(true);
    const error = await errorOf(call("echo_v1", "is_enabled", { flag: "unknown_flag" }));
    expect(error.metadata.error).toContain("unknown_flag does not exist");
  });
});
