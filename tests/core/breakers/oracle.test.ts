import { createRequire } from "node:module";
import { BrokenCircuitError, CircuitState, ConsecutiveBreaker, circuitBreaker, handleWhen } from "cockatiel";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Rig, rig } from "./rig.ts";

const filtered = new Error("no failure of the dependency");
const failure = new Error("failure");

type Call = "SUCCESS" | "FAILURE" | "IGNORED";

/** The part of opossum that is used here. The package has no types. */
type Opossum = new (
  action: (work: Promise<number>) => Promise<number>,
  options: { resetTimeout: number; errorThresholdPercentage: number; timeout: false },
) => { fire(work: Promise<number>): Promise<number>; readonly halfOpen: boolean; readonly closed: boolean };

/** The other libraries read the wall clock, so all clocks move together. */
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now: 1_700_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const theirs = (config: { failureThreshold: number; timeoutMs: number; successThreshold: number }) =>
  circuitBreaker(
    handleWhen((error) => error !== filtered),
    {
      halfOpenAfter: config.timeoutMs,
      breaker: new ConsecutiveBreaker(config.failureThreshold),
      halfOpenSampling: { calls: config.successThreshold, threshold: 0 },
    },
  );

const act = (call: Call) => async (): Promise<number> => {
  if (call === "SUCCESS") return 1;
  throw call === "FAILURE" ? failure : filtered;
};

const STATES = {
  [CircuitState.Closed]: "CLOSED",
  [CircuitState.Open]: "OPEN",
  [CircuitState.HalfOpen]: "HALF_OPEN",
  [CircuitState.Isolated]: "OPEN",
} as const;

async function verdict(call: Promise<number>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    const rejected = error instanceof BrokenCircuitError || (error as { reason?: string }).reason === "BREAKER_OPEN";
    return rejected ? "rejected" : error;
  }
}

function passTime({ clock }: Rig, ms: number): void {
  clock.advance(ms);
  vi.advanceTimersByTime(ms);
}

describe("compared with cockatiel", () => {
  it("Helios lets the same sequential calls through, and ends in the same states", async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom<Call>("SUCCESS", "FAILURE", "FAILURE", "IGNORED") },
      { weight: 2, arbitrary: fc.integer({ min: 1, max: 150 }) },
    );
    const config = fc.record({
      failureThreshold: fc.integer({ min: 1, max: 4 }),
      timeoutMs: fc.constant(100),
      successThreshold: fc.integer({ min: 1, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(config, fc.array(step, { maxLength: 60 }), async (settings, steps) => {
        const setup = await rig();
        await setup.breakers.getOrCreate("api", settings);
        const ours = setup.breakers.handle("api");
        const oracle = theirs(settings);
        for (const each of steps) {
          if (typeof each === "number") {
            passTime(setup, each);
            continue;
          }
          // Cockatiel counts a filtered error in the half-open state as a success. Helios lets it decide nothing.
          const call = each === "IGNORED" && setup.breakers.get("api").state !== "CLOSED" ? "FAILURE" : each;
          const isFailure = (error: unknown): boolean => error !== filtered;
          const [our, their] = [
            await verdict(ours.call(act(call), { isFailure })),
            await verdict(oracle.execute(act(call))),
          ];
          expect(our).toBe(their);
          expect(setup.breakers.get("api").state).toBe(STATES[oracle.state]);
        }
        await setup.breakers.close();
      }),
      { numRuns: 200 },
    );
  });
});

describe("where other libraries are known to be wrong", () => {
  const config = { failureThreshold: 1, timeoutMs: 1000, successThreshold: 1, probeTimeoutMs: 500 };
  const never = (): Promise<number> => new Promise(() => {});

  async function open(): Promise<Rig> {
    const setup = await rig();
    await setup.breakers.getOrCreate("api", config);
    await verdict(setup.breakers.handle("api").call(act("FAILURE")));
    return setup;
  }

  it("a breaker does not stay open because the wall clock was set back (cockatiel's does)", async () => {
    const oracle = theirs(config);
    await verdict(oracle.execute(act("FAILURE")));
    const setup = await open();
    vi.setSystemTime(Date.now() - 3_600_000);
    setup.clock.stepWall(-3_600_000);
    passTime(setup, 1000);
    expect(await verdict(oracle.execute(act("SUCCESS")))).toBe("rejected");
    expect(await verdict(setup.breakers.handle("api").call(act("SUCCESS")))).toBe(1);
  });

  it("a success from before the trip does not close a breaker (opossum's closes)", async () => {
    const Opossum: Opossum = createRequire(import.meta.url)("opossum");
    const oracle = new Opossum((work) => work, { resetTimeout: 1000, errorThresholdPercentage: 1, timeout: false });
    const setup = await rig();
    await setup.breakers.getOrCreate("api", config);
    const ours = setup.breakers.handle("api");
    const slow = Promise.withResolvers<number>();
    const calls = [oracle.fire(slow.promise), ours.call(() => slow.promise)];
    await verdict(oracle.fire(Promise.reject(failure)));
    await verdict(ours.call(act("FAILURE")));
    passTime(setup, 1000);
    expect([oracle.halfOpen, setup.breakers.get("api").state]).toEqual([true, "HALF_OPEN"]);
    slow.resolve(1);
    expect(await Promise.all(calls)).toEqual([1, 1]);
    expect([oracle.closed, setup.breakers.get("api").state]).toEqual([true, "HALF_OPEN"]);
    expect(setup.breakers.get("api").counts).toMatchObject({ successes: 0, lateSuccesses: 1 });
  });

  it("a probe that hangs delays neither other callers (cockatiel's does) nor the breaker for long", async () => {
    const oracle = theirs(config);
    await verdict(oracle.execute(act("FAILURE")));
    const setup = await open();
    const ours = setup.breakers.handle("api");
    passTime(setup, 1000);
    void oracle.execute(never);
    void ours.call(never);
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    const settled: string[] = [];
    void verdict(oracle.execute(act("SUCCESS"))).then(() => settled.push("theirs"));
    void verdict(ours.call(act("SUCCESS"))).then((got) => settled.push(`ours: ${got}`));
    for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
    expect(settled).toEqual(["ours: rejected"]);
    passTime(setup, 500);
    passTime(setup, 1000);
    expect(await verdict(ours.call(act("SUCCESS")))).toBe(1);
    for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
    expect(settled).toEqual(["ours: rejected"]);
  });
});
