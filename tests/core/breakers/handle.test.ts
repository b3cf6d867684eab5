import { describe, expect, it, vi } from "vitest";
import type { BreakerHandle, HandleOptions } from "../../../src/core/breakers/types.ts";
import { DEFAULT_CONFIG } from "../../../src/kernel/breakers/policy/defaults.ts";
import type { ManualClock } from "../../../src/kernel/clock.ts";
import { microtasks } from "../../support/turns.ts";
import { type Rig, rig } from "./rig.ts";

const FAST = { failureThreshold: 2, timeoutMs: 1000, successThreshold: 1, probeTimeoutMs: 500 };

async function withHandle(options: HandleOptions = {}): Promise<Rig & { readonly handle: BreakerHandle }> {
  const setup = await rig();
  return { ...setup, handle: setup.breakers.handle("api", { config: FAST, ...options }) };
}

const boom = new Error("boom");
const failing = async (): Promise<number> => {
  throw boom;
};
const never = (): Promise<number> => new Promise(() => {});
const ignore = async (call: Promise<unknown>): Promise<void> => {
  await call.catch(() => {});
};

async function openIt({ handle }: { readonly handle: BreakerHandle }): Promise<void> {
  for (let call = 0; call < 2; call += 1) await ignore(handle.call(failing));
}

async function halfOpenIt(setup: { readonly handle: BreakerHandle; readonly clock: ManualClock }): Promise<void> {
  await openIt(setup);
  setup.clock.advance(1000);
}

describe("a call through a breaker", () => {
  it("creates the breaker once if it does not exist, with the configuration of the handle", async () => {
    const { handle, breakers, feed } = await withHandle();
    expect(await Promise.all([handle.call(() => 1), handle.call(async () => 2)])).toEqual([1, 2]);
    expect(breakers.get("api")).toMatchObject({ config: FAST, counts: { successes: 2 } });
    expect(feed.revision).toBe(1);
  });

  it("works again after the store has failed at the first call, and after somebody deleted the breaker", async () => {
    const { handle, breakers, failWrites } = await withHandle();
    failWrites(true);
    await expect(handle.call(() => 1)).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    failWrites(false);
    expect(await handle.call(() => 1)).toBe(1);
    await breakers.delete("api");
    expect(await handle.call(() => 2)).toBe(2);
    expect(breakers.get("api").config).toEqual({ ...DEFAULT_CONFIG, ...FAST });
  });

  it("rejects with its own error if it fails, and counts as a failure", async () => {
    const { handle, breakers } = await withHandle();
    await expect(handle.call(failing)).rejects.toBe(boom);
    expect(breakers.get("api").counts.failures).toBe(1);
  });

  it("counts as a failure if it throws at once", async () => {
    const { handle, breakers } = await withHandle();
    const thrown = handle.call(() => {
      throw boom;
    });
    await expect(thrown).rejects.toBe(boom);
    expect(breakers.get("api").counts.failures).toBe(1);
  });

  it("is rejected without running while the breaker is open, and the error says when to retry", async () => {
    const setup = await withHandle();
    await openIt(setup);
    setup.clock.advance(250.4);
    const fn = vi.fn(() => 1);
    await expect(setup.handle.call(fn)).rejects.toMatchObject({
      reason: "BREAKER_OPEN",
      metadata: { name: "api", retry_after: "0.75 s" },
      retryAfterMs: 749.6,
    });
    expect(fn).not.toHaveBeenCalled();
    expect(setup.breakers.get("api").counts).toMatchObject({ failures: 2, rejected: 1 });
  });

  it("is rejected without a retry time while an operator holds the breaker open", async () => {
    const { handle } = await withHandle();
    expect(await handle.manualOpen({ actor: "ana", reason: "maintenance" })).toMatchObject({
      state: "OPEN",
      override: { actor: "ana", reason: "maintenance" },
    });
    await expect(handle.call(() => 1)).rejects.toMatchObject({
      reason: "BREAKER_OPEN",
      metadata: { name: "api", retry_after: "(not before it is reset)", override: "FORCED_OPEN" },
      retryAfterMs: undefined,
    });
    expect(await handle.manualReset({ actor: "bob" })).toMatchObject({ state: "CLOSED", override: undefined });
    expect(await handle.call(() => 1)).toBe(1);
  });

  it("is rejected while a slow probe of another caller runs", async () => {
    const setup = await withHandle();
    await halfOpenIt(setup);
    const probe = Promise.withResolvers<number>();
    const slow = setup.handle.call(() => probe.promise);
    await microtasks();
    await expect(setup.handle.call(() => 1)).rejects.toMatchObject({ reason: "BREAKER_OPEN" });
    probe.resolve(7);
    expect(await slow).toBe(7);
    expect(await setup.handle.call(() => 1)).toBe(1);
  });

  it("is the probe for one of two callers that race for it", async () => {
    const setup = await withHandle();
    await halfOpenIt(setup);
    const ran: string[] = [];
    const probe = Promise.withResolvers<void>();
    const race = ["first", "second"].map((who) =>
      setup.handle.call(async () => {
        ran.push(who);
        await probe.promise;
      }),
    );
    const settled = Promise.allSettled(race);
    await microtasks();
    probe.resolve();
    expect((await settled).map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(ran).toEqual(["first"]);
    expect(setup.breakers.get("api").counts.rejected).toBe(1);
  });

  it("leaves no timer and no listener behind", async () => {
    const { handle, clock, timers } = await withHandle();
    const { signal } = new AbortController();
    const removed = vi.spyOn(signal, "removeEventListener");
    await handle.call(() => 1, { signal, timeoutMs: 1000 });
    await ignore(handle.call(failing, { signal, timeoutMs: 1000 }));
    expect(timers()).toBe(0);
    expect(removed).toHaveBeenCalledTimes(2);
    await handle.manualReset();
    const hung = ignore(handle.call(never, { signal, timeoutMs: 1000 }));
    await microtasks();
    clock.advance(1000);
    await hung;
    expect(removed).toHaveBeenCalledTimes(3);
    const caller = new AbortController();
    const cancelled = ignore(handle.call(never, { signal: caller.signal, timeoutMs: 1000 }));
    await microtasks();
    caller.abort();
    await cancelled;
    expect(timers()).toBe(0);
  });

  it.each([0, -1, Number.NaN])("refuses %s as a timeout", async (timeoutMs) => {
    const { handle } = await withHandle();
    await expect(handle.call(() => 1, { timeoutMs })).rejects.toMatchObject({
      reason: "ARGUMENT_INVALID",
      metadata: { field: "timeoutMs" },
    });
  });
});

describe("a call that takes too long", () => {
  it("fails once even if it succeeds later, and has its signal aborted", async () => {
    const { handle, breakers, clock } = await withHandle();
    const work = Promise.withResolvers<number>();
    let signal: AbortSignal | undefined;
    const call = handle.call(
      (given) => {
        signal = given;
        return work.promise;
      },
      { timeoutMs: 100 },
    );
    const failed = expect(call).rejects.toMatchObject({ name: "TimeoutError" });
    await microtasks();
    clock.advance(100);
    await failed;
    expect(signal?.aborted).toBe(true);
    work.resolve(1);
    await microtasks();
    expect(breakers.get("api").counts).toMatchObject({ failures: 1, successes: 0, lateSuccesses: 0 });
  });

  it("counts as a failure, whatever isFailure says of errors", async () => {
    const { handle, breakers, clock } = await withHandle();
    const call = ignore(handle.call(never, { timeoutMs: 100, isFailure: () => false }));
    await microtasks();
    clock.advance(100);
    await call;
    expect(breakers.get("api").counts).toMatchObject({ failures: 1, ignored: 0 });
  });

  it("gets its fallback once", async () => {
    const { handle, clock } = await withHandle();
    const fallback = vi.fn(() => -1);
    const work = Promise.withResolvers<number>();
    const call = handle.call(() => work.promise, { timeoutMs: 100, fallback });
    await microtasks();
    clock.advance(100);
    expect(await call).toBe(-1);
    work.reject(boom);
    await microtasks();
    expect(fallback).toHaveBeenCalledTimes(1);
    expect(fallback).toHaveBeenCalledWith(expect.objectContaining({ name: "TimeoutError" }));
  });
});

describe("a call that its caller cancels", () => {
  it("counts as ignored, and rejects with the caller's reason without a fallback", async () => {
    const { handle, breakers } = await withHandle();
    const caller = new AbortController();
    const fallback = vi.fn(() => -1);
    const call = expect(handle.call(never, { signal: caller.signal, fallback })).rejects.toBe("enough");
    await microtasks();
    caller.abort("enough");
    await call;
    expect(fallback).not.toHaveBeenCalled();
    expect(breakers.get("api").counts).toMatchObject({ ignored: 1, failures: 0, successes: 0 });
  });

  it("frees the slot of its probe for the next call, and the breaker stays half-open", async () => {
    const setup = await withHandle();
    await halfOpenIt(setup);
    const caller = new AbortController();
    const call = ignore(setup.handle.call(never, { signal: caller.signal }));
    await microtasks();
    caller.abort();
    await call;
    expect(setup.breakers.get("api")).toMatchObject({ state: "HALF_OPEN", probes: 0 });
    expect(await setup.handle.call(() => 1)).toBe(1);
  });

  it("does not run if the caller cancelled before it began", async () => {
    const { handle, breakers } = await withHandle();
    const fn = vi.fn(() => 1);
    await expect(handle.call(fn, { signal: AbortSignal.abort("early") })).rejects.toBe("early");
    const caller = new AbortController();
    const call = expect(handle.call(fn, { signal: caller.signal })).rejects.toBe("while the breaker is created");
    caller.abort("while the breaker is created");
    await call;
    expect(fn).not.toHaveBeenCalled();
    expect(breakers.get("api").counts).toMatchObject({ ignored: 0, successes: 0 });
  });
});

describe("a fallback", () => {
  it("answers for a rejected call and for a failed one, and receives the cause", async () => {
    const setup = await withHandle({ fallback: (cause) => (cause === boom ? "failed" : "rejected") });
    expect(await setup.handle.call<unknown>(failing)).toBe("failed");
    expect(await setup.handle.call<unknown>(failing)).toBe("failed");
    expect(await setup.handle.call<unknown>(failing)).toBe("rejected");
  });

  it("given with the call takes precedence over the handle's", async () => {
    const { handle } = await withHandle({ fallback: () => 1 });
    expect(await handle.call(failing, { fallback: () => 2 })).toBe(2);
  });

  it("rejects the call with its own error if it fails, and is not counted", async () => {
    const { handle, breakers } = await withHandle();
    const own = new Error("fallback");
    const fallback = (): never => {
      throw own;
    };
    await expect(handle.call(failing, { fallback })).rejects.toBe(own);
    expect(breakers.get("api").counts).toMatchObject({ failures: 1, successes: 0 });
  });

  it("runs after its call has freed its slot", async () => {
    const setup = await withHandle();
    await halfOpenIt(setup);
    const seen = await setup.handle.call<unknown>(failing, { fallback: () => setup.breakers.get("api") });
    expect(seen).toMatchObject({ state: "OPEN", probes: 0 });
  });
});

describe("an error that is not a failure", () => {
  it("is rethrown, and counts as ignored", async () => {
    const { handle, breakers } = await withHandle();
    const fallback = vi.fn(() => -1);
    const isFailure = (error: unknown): boolean => error !== boom;
    await expect(handle.call(failing, { isFailure, fallback })).rejects.toBe(boom);
    expect(fallback).not.toHaveBeenCalled();
    expect(breakers.get("api").counts).toMatchObject({ ignored: 1, failures: 0 });
  });

  it("counts as a failure if isFailure itself throws", async () => {
    const setup = await withHandle();
    await halfOpenIt(setup);
    const own = new Error("judge");
    const isFailure = (): never => {
      throw own;
    };
    await expect(setup.handle.call(failing, { isFailure })).rejects.toBe(own);
    expect(setup.breakers.get("api")).toMatchObject({ state: "OPEN", counts: { failures: 3 } });
  });
});

describe("tryAcquire", () => {
  it("returns null instead of throwing if the breaker rejects", async () => {
    const setup = await withHandle();
    await openIt(setup);
    expect(await setup.handle.tryAcquire()).toBeNull();
  });

  it("returns a permit that can be settled or released once", async () => {
    const { handle, breakers } = await withHandle();
    const settled = await handle.tryAcquire();
    settled?.settle("FAILURE");
    settled?.settle("FAILURE");
    settled?.release();
    const released = await handle.tryAcquire();
    released?.release();
    released?.settle("FAILURE");
    expect(breakers.get("api")).toMatchObject({ state: "CLOSED", counts: { failures: 1, ignored: 0 } });
  });

  it("frees the slot of a released probe for the next call", async () => {
    const setup = await withHandle();
    await halfOpenIt(setup);
    const probe = await setup.handle.tryAcquire();
    expect(await setup.handle.tryAcquire()).toBeNull();
    probe?.release();
    expect(await setup.handle.tryAcquire()).not.toBeNull();
  });
});
