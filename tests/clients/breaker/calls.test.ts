import { describe, expect, it, vi } from "vitest";
import { CircuitOpenError, type ClientBreaker } from "../../../clients/typescript/src/index.ts";
import { type ServiceRig, serviceRig } from "./rig.ts";

const FAST = { failureThreshold: 2, timeoutMs: 1000, successThreshold: 1, probeTimeoutMs: 500 };

interface Home extends ServiceRig {
  readonly api: ClientBreaker;
  /** The counts of the service after it has received all outcomes. */
  counts(): Promise<object>;
}

async function withBreaker(): Promise<Home> {
  const rig = await serviceRig();
  const { breakers } = rig.connect("one");
  const api = breakers.breaker("api", FAST);
  await rig.quiet();
  const counts = async (): Promise<object> => {
    await rig.pass(100);
    return rig.service.get("api").counts;
  };
  return { ...rig, api, counts };
}

const boom = new Error("boom");
const failing = async (): Promise<number> => {
  throw boom;
};
const never = (): Promise<number> => new Promise(() => {});
const ignore = async (call: Promise<unknown>): Promise<void> => {
  await call.catch(() => {});
};

async function opened(): Promise<Home> {
  const rig = await withBreaker();
  for (let call = 0; call < 2; call += 1) await ignore(rig.api.call(failing));
  await rig.quiet();
  return rig;
}

async function halfOpen(): Promise<Home> {
  const rig = await opened();
  await rig.pass(1000);
  expect(rig.api.status().state).toBe("HALF_OPEN");
  return rig;
}

describe("a call through a client's breaker", () => {
  it("runs, and the service counts it within 100 ms", async () => {
    const { api, counts } = await withBreaker();
    expect(await api.call(() => 1)).toBe(1);
    expect(await counts()).toMatchObject({ successes: 1, failures: 0 });
  });

  it("rejects with its own error; the breaker opens only at the threshold, and a success resets the count", async () => {
    const { api, counts } = await withBreaker();
    await expect(api.call(failing)).rejects.toBe(boom);
    await api.call(() => 1);
    await expect(api.call(failing)).rejects.toBe(boom);
    expect(await counts()).toMatchObject({ failures: 2, successes: 1, consecutiveFailures: 1 });
    expect(api.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
    await expect(api.call(failing)).rejects.toBe(boom);
    expect(api.status().state).toBe("OPEN");
  });

  it("counts as a failure if it throws at once", async () => {
    const { api, counts } = await withBreaker();
    const thrown = api.call(() => {
      throw boom;
    });
    await expect(thrown).rejects.toBe(boom);
    expect(await counts()).toMatchObject({ failures: 1 });
  });

  it("is rejected without running while the breaker is open, and the error says when to retry", async () => {
    const rig = await opened();
    rig.clock.advance(250);
    const fn = vi.fn(() => 1);
    const rejected = rig.api.call(fn).catch((error: unknown) => error);
    expect(await rejected).toBeInstanceOf(CircuitOpenError);
    expect(await rejected).toMatchObject({ breaker: "api", retryAfterMs: 750, override: undefined });
    expect(fn).not.toHaveBeenCalled();
    expect(await rig.counts()).toMatchObject({ failures: 2, successes: 0 });
  });

  it("is rejected without a retry time while an operator holds the breaker open", async () => {
    const { api, service, quiet } = await withBreaker();
    await service.open("api", {}, { actor: "ana" });
    await quiet();
    expect(await api.call(() => 1).catch((error: unknown) => error)).toMatchObject({
      name: "CircuitOpenError",
      retryAfterMs: undefined,
      override: "FORCED_OPEN",
    });
  });

  it("gets its fallback, which receives the rejection or the call's own error as the cause", async () => {
    const rig = await withBreaker();
    const fallback = vi.fn(() => -1);
    expect(await rig.api.call(failing, { fallback })).toBe(-1);
    expect(fallback).toHaveBeenLastCalledWith(boom);
    await ignore(rig.api.call(failing));
    expect(await rig.api.call(() => 1, { fallback })).toBe(-1);
    expect(fallback).toHaveBeenLastCalledWith(expect.any(CircuitOpenError));
  });

  it("rejects with the fallback's error if the fallback fails, and is counted once", async () => {
    const { api, counts } = await withBreaker();
    const worse = new Error("worse");
    const call = api.call(failing, {
      fallback: () => {
        throw worse;
      },
    });
    await expect(call).rejects.toBe(worse);
    expect(await counts()).toMatchObject({ failures: 1 });
  });

  it.each([
    [undefined, { ignored: 1, failures: 0, successes: 0 }],
    ["SUCCESS", { ignored: 0, failures: 0, successes: 1 }],
  ] as const)("rethrows an error that is not a failure, and counts it as %s", async (as, expected) => {
    const { api, counts } = await withBreaker();
    const fallback = vi.fn(() => -1);
    const options = { isFailure: () => false, fallback, ...(as === undefined ? {} : { notFailureAs: as }) };
    await expect(api.call(failing, options)).rejects.toBe(boom);
    expect(fallback).not.toHaveBeenCalled();
    expect(await counts()).toMatchObject(expected);
  });

  it("counts as a failure if isFailure itself throws", async () => {
    const { api, counts } = await withBreaker();
    const wrong = new Error("wrong");
    const isFailure = (): boolean => {
      throw wrong;
    };
    await expect(api.call(failing, { isFailure })).rejects.toBe(wrong);
    expect(await counts()).toMatchObject({ failures: 1, ignored: 0 });
  });

  it.each([0, -1, Number.NaN])("refuses %s as a timeout", async (timeoutMs) => {
    const { api } = await withBreaker();
    await expect(api.call(() => 1, { timeoutMs })).rejects.toThrow("timeoutMs");
  });
});

describe("a call that takes too long", () => {
  it("fails once even if it succeeds later, gets its fallback once, and has its signal aborted", async () => {
    const { api, clock, counts } = await withBreaker();
    const work = Promise.withResolvers<number>();
    const fallback = vi.fn(() => -1);
    let signal: AbortSignal | undefined;
    const call = api.call(
      (given) => {
        signal = given;
        return work.promise;
      },
      { timeoutMs: 100, fallback, isFailure: () => false },
    );
    clock.advance(100);
    expect(await call).toBe(-1);
    expect(fallback).toHaveBeenCalledWith(expect.objectContaining({ name: "TimeoutError" }));
    expect(signal?.aborted).toBe(true);
    work.resolve(1);
    expect(await counts()).toMatchObject({ failures: 1, successes: 0, lateSuccesses: 0 });
    expect(fallback).toHaveBeenCalledTimes(1);
  });

  it("leaves no timer behind if it ends in time", async () => {
    const { api, timers } = await withBreaker();
    const before = timers();
    const call = api.call(() => 1, { timeoutMs: 1000 });
    expect(timers()).toBe(before + 1);
    await call;
    // The outcome waits to be sent with others.
    expect(timers()).toBe(before + 1);
    await ignore(api.call(failing, { timeoutMs: 1000 }));
    expect(timers()).toBe(before + 1);
  });
});

describe("a call that its caller cancels", () => {
  it("counts as ignored, and rejects with the caller's reason without a fallback", async () => {
    const { api, counts } = await withBreaker();
    const caller = new AbortController();
    const fallback = vi.fn(() => -1);
    const call = expect(api.call(never, { signal: caller.signal, fallback })).rejects.toBe("enough");
    caller.abort("enough");
    await call;
    expect(fallback).not.toHaveBeenCalled();
    expect(await counts()).toMatchObject({ ignored: 1, failures: 0, successes: 0 });
  });

  it("asks for no permit if the caller cancelled before it began", async () => {
    const { api, counts } = await withBreaker();
    const fn = vi.fn(() => 1);
    await expect(api.call(fn, { signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
    expect(fn).not.toHaveBeenCalled();
    expect(await counts()).toMatchObject({ ignored: 0, failures: 0, successes: 0 });
  });

  it("frees the slot of a probe, and the breaker stays half-open", async () => {
    const rig = await halfOpen();
    const caller = new AbortController();
    const call = ignore(rig.api.call(never, { signal: caller.signal }));
    await rig.quiet();
    expect(rig.service.get("api").probes).toBe(1);
    caller.abort();
    await call;
    await rig.quiet();
    expect(rig.service.get("api")).toMatchObject({ state: "HALF_OPEN", probes: 0 });
    expect(await rig.api.call(() => 1)).toBe(1);
  });

  it("gives the probe back if the caller cancelled while the client was asking for it", async () => {
    const rig = await serviceRig();
    const { breakers, link } = rig.connect("one");
    const api = breakers.breaker("api", FAST);
    await rig.quiet();
    for (let call = 0; call < 2; call += 1) await ignore(api.call(failing));
    await rig.pass(1000);
    const release = link.holdAnswers("AcquirePermit");
    const caller = new AbortController();
    const fn = vi.fn(() => 1);
    const call = expect(api.call(fn, { signal: caller.signal })).rejects.toBe("enough");
    await rig.quiet();
    caller.abort("enough");
    await call;
    expect(rig.service.get("api").probes).toBe(1);
    release();
    await rig.quiet();
    expect(rig.service.get("api")).toMatchObject({ state: "HALF_OPEN", probes: 0 });
    expect(fn).not.toHaveBeenCalled();
  });
});

describe("a permit", () => {
  it("can be settled once: later calls change nothing", async () => {
    const { api, counts } = await withBreaker();
    const permit = api.tryAcquire();
    permit?.settle("SUCCESS");
    permit?.settle("FAILURE");
    permit?.release();
    const released = api.tryAcquire();
    released?.release();
    released?.settle("FAILURE");
    expect(await counts()).toMatchObject({ successes: 1, failures: 0, ignored: 0 });
  });

  it("refuses an unknown outcome", async () => {
    const { api } = await withBreaker();
    expect(() => api.tryAcquire()?.settle("MAYBE" as "SUCCESS")).toThrow(TypeError);
  });

  it("frees the slot of its probe when it is released", async () => {
    const { api, service, quiet } = await halfOpen();
    const permit = await api.acquire();
    expect(service.get("api").probes).toBe(1);
    permit?.release();
    await quiet();
    expect(service.get("api")).toMatchObject({ state: "HALF_OPEN", probes: 0 });
  });

  it("a permit for a probe is given only after a request to the service", async () => {
    const { api } = await halfOpen();
    expect(api.tryAcquire()).toBeNull();
  });
});
