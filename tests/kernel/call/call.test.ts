import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { Outcome } from "../../../src/kernel/breakers/machine.ts";
import { call } from "../../../src/kernel/call/call.ts";
import { type Admission, type Gate, Rejection } from "../../../src/kernel/call/gate.ts";
import { createManualClock, type ManualClock } from "../../../src/kernel/clock.ts";
import { microtasks } from "../../support/turns.ts";

const boom = new Error("boom");
const isOpen = new Error("the breaker is open");
const failing = async (): Promise<number> => {
  throw boom;
};
const never = (): Promise<number> => new Promise(() => {});

interface Rig {
  readonly gate: Gate;
  readonly clock: ManualClock;
  /** The outcomes of the permits, in order. */
  readonly ended: (Outcome | "RELEASED")[];
}

/** A gate with this answer, by default a permit. */
function rig(answer?: (permit: Admission) => Admission | Promise<Admission>, fallback?: Gate["fallback"]): Rig {
  const clock = createManualClock();
  const ended: Rig["ended"] = [];
  const permit = { settle: (outcome: Outcome) => ended.push(outcome), release: () => ended.push("RELEASED") };
  const gate: Gate = {
    clock,
    keepsAlive: true,
    fallback,
    acquire: () => (answer === undefined ? permit : answer(permit)),
    invalid: (option, problem) => new TypeError(`${option}: ${problem}`),
  };
  return { gate, clock, ended };
}

const rejecting = (fallback?: Gate["fallback"]): Rig => rig(() => new Rejection(isOpen), fallback);

describe("a call through a gate", () => {
  it("returns the answer, and counts as a success", async () => {
    const { gate, ended } = rig();
    expect([await call(gate, () => 1), await call(gate, async () => 2)]).toEqual([1, 2]);
    expect(ended).toEqual(["SUCCESS", "SUCCESS"]);
  });

  it("rejects with its own error, and counts as a failure, whether it throws at once or later", async () => {
    const { gate, ended } = rig();
    await expect(call(gate, failing)).rejects.toBe(boom);
    const atOnce = () => {
      throw boom;
    };
    await expect(call(gate, atOnce)).rejects.toBe(boom);
    await expect(call(gate, atOnce, { timeoutMs: 5 })).rejects.toBe(boom);
    expect(ended).toEqual(["FAILURE", "FAILURE", "FAILURE"]);
  });

  it("does not run if the gate rejects it", async () => {
    const { gate } = rejecting();
    const fn = vi.fn(() => 1);
    await expect(call(gate, fn)).rejects.toBe(isOpen);
    expect(fn).not.toHaveBeenCalled();
  });

  it("waits for a gate that answers later", async () => {
    const { gate, ended } = rig(async (permit) => permit);
    expect(await call(gate, () => 1)).toBe(1);
    expect(ended).toEqual(["SUCCESS"]);
  });

  it("rejects with the gate's error, and does not run", async () => {
    const fn = vi.fn(() => 1);
    const broken = [
      () => {
        throw boom;
      },
      () => Promise.reject(boom),
    ];
    for (const answer of broken) await expect(call(rig(answer).gate, fn)).rejects.toBe(boom);
    expect(fn).not.toHaveBeenCalled();
  });

  it.each([0, -1, Number.NaN, Number.NEGATIVE_INFINITY])(
    "a call with a timeout of %d is refused, and takes no permit",
    async (timeoutMs) => {
      const { gate, ended } = rig();
      const acquire = vi.spyOn(gate, "acquire");
      await expect(call(gate, () => 1, { timeoutMs })).rejects.toThrow(/^timeoutMs: must be a number of ms, above 0/);
      expect(acquire).not.toHaveBeenCalled();
      expect(ended).toEqual([]);
    },
  );
});

describe("a fallback", () => {
  it("answers if the gate rejects and if the call fails, and receives the cause", async () => {
    const causes: unknown[] = [];
    const fallback = async (cause: unknown): Promise<number> => causes.push(cause);
    expect(await call(rejecting().gate, () => 0, { fallback })).toBe(1);
    expect(await call(rig().gate, failing, { fallback })).toBe(2);
    expect(causes).toEqual([isOpen, boom]);
  });

  it("is the gate's own if the call has none", async () => {
    const { gate } = rejecting(() => "the gate's");
    expect(await call<string>(gate, () => "fn's")).toBe("the gate's");
    expect(await call<string>(gate, () => "fn's", { fallback: () => "the call's" })).toBe("the call's");
  });

  it("runs after the permit has ended", async () => {
    const { gate, ended } = rig();
    expect(await call<unknown>(gate, failing, { fallback: () => [...ended] })).toEqual(["FAILURE"]);
  });
});

describe("an error that is not a failure", () => {
  it.each([
    [undefined, "IGNORED"],
    ["IGNORED", "IGNORED"],
    ["SUCCESS", "SUCCESS"],
  ] as const)(
    "is rethrown without the fallback; with notFailureAs %s it counts as %s",
    async (notFailureAs, outcome) => {
      const { gate, ended } = rig();
      const fallback = vi.fn(() => 1);
      const options = { isFailure: () => false, fallback, ...(notFailureAs && { notFailureAs }) };
      await expect(call(gate, failing, options)).rejects.toBe(boom);
      expect(ended).toEqual([outcome]);
      expect(fallback).not.toHaveBeenCalled();
    },
  );

  it("counts as a failure if isFailure itself throws", async () => {
    const { gate, ended } = rig();
    const isFailure = (): boolean => {
      throw new Error("cannot say");
    };
    await expect(call(gate, failing, { isFailure })).rejects.toThrow("cannot say");
    expect(ended).toEqual(["FAILURE"]);
  });
});

describe("a call that takes too long", () => {
  it("rejects with a TimeoutError, has its signal aborted, and counts as a failure whatever isFailure says", async () => {
    const { gate, clock, ended } = rig();
    let seen: AbortSignal | undefined;
    const options = { timeoutMs: 100, isFailure: () => false };
    const late = call(
      gate,
      (signal) => {
        seen = signal;
        return never();
      },
      options,
    );
    const outcome = late.catch((error: unknown) => error);
    clock.advance(99);
    await microtasks();
    expect([seen?.aborted, ended]).toEqual([false, []]);
    clock.advance(1);
    expect(await outcome).toMatchObject({ name: "TimeoutError", message: "the call took longer than 100 ms" });
    expect(seen?.reason).toBe(await outcome);
    expect(ended).toEqual(["FAILURE"]);
  });

  it("returns the fallback's answer, and its late result changes nothing", async () => {
    const { gate, clock, ended } = rig();
    const work = Promise.withResolvers<number>();
    const late = call(gate, () => work.promise, { timeoutMs: 100, fallback: () => 7 });
    clock.advance(100);
    expect(await late).toBe(7);
    work.reject(boom);
    await microtasks();
    expect(ended).toEqual(["FAILURE"]);
  });

  it("does not time out if the timeout is infinite", async () => {
    const { gate, clock, ended } = rig();
    const work = Promise.withResolvers<number>();
    const call_ = call(gate, () => work.promise, { timeoutMs: Number.POSITIVE_INFINITY });
    clock.advance(1e12);
    work.resolve(1);
    expect(await call_).toBe(1);
    expect(ended).toEqual(["SUCCESS"]);
  });

  it.each([
    ["a timeout", { timeoutMs: 5 }, [true]],
    ["an infinite timeout", { timeoutMs: Number.POSITIVE_INFINITY }, [true]],
    ["a signal alone", { signal: new AbortController().signal }, []],
  ])("with %s keeps the process alive only by a timer that is awaited", async (_, options, awaited) => {
    const { gate, clock } = rig();
    const setTimer = vi.spyOn(clock, "setTimer");
    await call(gate, async () => 1, options);
    expect(setTimer.mock.calls.map(([, , isAwaited]) => isAwaited)).toEqual(awaited);
  });
});

describe("a caller that cancels", () => {
  const reason = new Error("not needed any more");

  it("gets its reason, and no permit is taken, if it cancels before the call", async () => {
    const { gate } = rig();
    const acquire = vi.spyOn(gate, "acquire");
    await expect(call(gate, () => 1, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(acquire).not.toHaveBeenCalled();
  });

  it("gives the permit back, and the call does not run, if it cancels while the gate decides", async () => {
    const asked = Promise.withResolvers<void>();
    const { gate, ended } = rig((permit) => asked.promise.then(() => permit));
    const caller = new AbortController();
    const fn = vi.fn(() => 1);
    const left = call(gate, fn, { signal: caller.signal, fallback: () => 2 });
    caller.abort(reason);
    asked.resolve();
    await expect(left).rejects.toBe(reason);
    expect(ended).toEqual(["RELEASED"]);
    expect(fn).not.toHaveBeenCalled();
  });

  it("gets its reason, not the fallback's answer, if the gate rejects after the cancellation", async () => {
    const asked = Promise.withResolvers<void>();
    const { gate } = rig(() => asked.promise.then(() => new Rejection(isOpen)));
    const caller = new AbortController();
    const left = call(gate, () => 1, { signal: caller.signal, fallback: () => 2 });
    caller.abort(reason);
    asked.resolve();
    await expect(left).rejects.toBe(reason);
  });

  it("gets its reason at once during the call, as does the function; the call counts as ignored, without the fallback", async () => {
    const { gate, ended } = rig();
    const caller = new AbortController();
    let seen: AbortSignal | undefined;
    const left = call(
      gate,
      (signal) => {
        seen = signal;
        return never();
      },
      { signal: caller.signal, fallback: () => 2 },
    );
    await microtasks();
    caller.abort(reason);
    await expect(left).rejects.toBe(reason);
    expect([seen?.reason, ended]).toEqual([reason, ["IGNORED"]]);
  });

  it("gets its reason if it cancels in the same step as the call", async () => {
    const { gate, ended } = rig();
    const caller = new AbortController();
    const leaving = (): Promise<number> => {
      caller.abort(reason);
      return never();
    };
    await expect(call(gate, leaving, { signal: caller.signal })).rejects.toBe(reason);
    expect(ended).toEqual(["IGNORED"]);
  });
});

it("a permit of any call ends once, and no timer and no listener remains", async () => {
  const ends = fc.constantFrom("resolve", "reject", "throw", "hang");
  const timing = fc.record({ endsAt: fc.nat(9), leavesAt: fc.nat(9), ends, isLimited: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(timing, async ({ endsAt, leavesAt, ends: how, isLimited }) => {
      const { gate, clock, ended } = rig();
      const caller = new AbortController();
      const [added, removed] = [
        vi.spyOn(caller.signal, "addEventListener"),
        vi.spyOn(caller.signal, "removeEventListener"),
      ];
      let timers = 0;
      const counting: Gate = {
        ...gate,
        clock: {
          ...clock,
          setTimer(ms, run) {
            timers += 1;
            let isSet = true;
            const over = (): void => {
              timers -= isSet ? 1 : 0;
              isSet = false;
            };
            const timer = clock.setTimer(ms, () => {
              over();
              run();
            });
            return {
              cancel() {
                over();
                timer.cancel();
              },
            };
          },
        },
      };
      const work = Promise.withResolvers<number>();
      const fn = (): Promise<number> => {
        if (how === "throw") throw boom;
        return work.promise;
      };
      const done = call(counting, fn, { signal: caller.signal, ...(isLimited && { timeoutMs: 5 }) }).catch(() => 0);
      for (let now = 0; now < 10; now += 1) {
        if (now === endsAt && how === "resolve") work.resolve(1);
        if (now === endsAt && how === "reject") work.reject(boom);
        if (now === leavesAt) caller.abort();
        await microtasks();
        clock.advance(1);
      }
      await done;
      expect(ended).toHaveLength(1);
      expect(timers).toBe(0);
      expect(removed.mock.calls.length).toBeGreaterThanOrEqual(added.mock.calls.length);
    }),
    { numRuns: 300 },
  );
});
