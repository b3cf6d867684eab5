import { describe, expect, it } from "vitest";
import { FAST, halfOpen, now, open, report, say, take, withBreaker } from "./cases.ts";
import { fail, rig } from "./rig.ts";

// The behaviours of a breaker that matter, collected from the tests and the issues of opossum, cockatiel, gobreaker,
// failsafe-go and resilience4j, with their numbers. Behaviours of clients are tested with the client.

describe("a call", () => {
  it("gets the fallback's answer, with the cause; a fallback that fails rejects with its own error", async () => {
    const setup = await withBreaker();
    const handle = setup.breakers.handle("api");
    const broken = new Error("broken");
    const worse = new Error("worse");
    const call = (): never => {
      throw broken;
    };
    const causes: unknown[] = [];
    const fallback = (cause: unknown): string => {
      causes.push(cause);
      return "instead";
    };
    expect(await handle.call(call, { fallback })).toBe("instead");
    expect(causes).toEqual([broken]);
    const failing = () => {
      throw worse;
    };
    await expect(handle.call(call, { fallback: failing })).rejects.toBe(worse);
    expect(now(setup).counts.failures).toBe(2);
  });

  it("counts as one failure if it takes too long, and gets one fallback, even if it succeeds later (cases 16, 17)", async () => {
    const setup = await withBreaker();
    const late = Promise.withResolvers<number>();
    let fallbacks = 0;
    const call = setup.breakers.handle("api").call(() => late.promise, { timeoutMs: 50, fallback: () => ++fallbacks });
    await Promise.resolve();
    setup.clock.advance(50);
    expect(await call).toBe(1);
    late.resolve(7);
    await late.promise;
    expect(fallbacks).toBe(1);
    expect(now(setup).counts).toMatchObject({ failures: 1, successes: 0, lateSuccesses: 0 });
  });

  it("has no effect on the counts if its caller cancels it, and frees its permit", async () => {
    const setup = await halfOpen();
    const cancel = new AbortController();
    const call = setup.breakers.handle("api").call(() => new Promise(() => {}), { signal: cancel.signal });
    await Promise.resolve();
    expect(now(setup).probes).toBe(1);
    cancel.abort();
    await expect(call).rejects.toThrow("abort");
    expect(now(setup)).toMatchObject({ state: "HALF_OPEN", probes: 0, counts: { ignored: 1 } });
  });

  it("counts as a failure if it throws at once", async () => {
    const setup = await withBreaker();
    const call = setup.breakers.handle("api").call(() => {
      throw new Error("at once");
    });
    await expect(call).rejects.toThrow("at once");
    expect(now(setup).counts.failures).toBe(1);
  });
});

describe("an override by an operator", () => {
  it("keeps a breaker open past every timeout until a reset, which sets counts to zero and says who did it", async () => {
    const setup = await withBreaker();
    await setup.breakers.open("api", {}, { actor: "ana" });
    setup.clock.advance(1e9);
    expect(now(setup)).toMatchObject({ state: "OPEN", transition: { action: "OpenBreaker", actor: "ana" } });
    const reset = await setup.breakers.reset("api", { actor: "bob" });
    expect(reset).toMatchObject({ state: "CLOSED", transition: { action: "ResetBreaker", actor: "bob" } });
    expect(reset.counts).toMatchObject({ rejected: 0, failures: 0 });
  });

  it("holds until both of two holders have released it; a second release changes nothing", async () => {
    const setup = await withBreaker();
    for (const holdId of ["ana", "bob"]) await setup.breakers.open("api", { holdId });
    for (let time = 0; time < 2; time += 1) await setup.breakers.releaseHold("api", "ana");
    expect(now(setup)).toMatchObject({ state: "OPEN", holds: [{ id: "bob" }] });
    await setup.breakers.releaseHold("api", "bob");
    expect(now(setup)).toMatchObject({ state: "CLOSED", holds: [] });
  });

  it("takes the vote from probes that are under way", async () => {
    const setup = await halfOpen({ successThreshold: 1 });
    const probe = take(setup);
    await setup.breakers.open("api");
    say(setup, probe, "SUCCESS");
    expect(now(setup)).toMatchObject({ state: "OPEN", automaticState: "HALF_OPEN", counts: { lateSuccesses: 1 } });
    await setup.breakers.releaseHold("api");
    expect(now(setup).state).toBe("HALF_OPEN");
  });

  it("lets all calls pass uncounted while the breaker is DISABLED, which continues afterwards", async () => {
    const setup = await open();
    await setup.breakers.override("api", { kind: "DISABLED" });
    fail(setup, "api", 20);
    expect(now(setup)).toMatchObject({ state: "CLOSED", automaticState: "OPEN", counts: { failures: 3 } });
    await setup.breakers.releaseHold("api");
    expect(now(setup).state).toBe("OPEN");
    expect(setup.breakers.acquire("api").allowed).toBe(false);
  });

  it("records once with METRICS_ONLY that the breaker would have opened, while calls pass", async () => {
    const setup = await withBreaker();
    await setup.breakers.override("api", { kind: "METRICS_ONLY" });
    fail(setup, "api", 10);
    expect(now(setup)).toMatchObject({ state: "CLOSED", automaticState: "OPEN", counts: { failures: 10 } });
    await setup.breakers.stored();
    expect((await setup.actions("api")).filter((action) => action === "WouldTrip")).toHaveLength(1);
  });

  it("is released by a reset of all breakers with a name prefix; a dry run only lists them", async () => {
    const setup = await open();
    await setup.breakers.getOrCreate("db", FAST);
    fail(setup, "db", 3);
    const dry = await setup.breakers.resetAll({ namePrefix: "a", dryRun: true });
    expect(dry.map(({ name, state }) => [name, state])).toEqual([["api", "OPEN"]]);
    await setup.breakers.resetAll({ namePrefix: "a" });
    expect(setup.breakers.list().map(({ state }) => state)).toEqual(["CLOSED", "OPEN"]);
  });
});

describe("a stored breaker", () => {
  it("continues after a restart: closed, open with its remaining time and backoff, half-open as due, or held", async () => {
    const closed = await (await withBreaker()).restart({ downMs: 10 });
    expect(now(closed).state).toBe("CLOSED");
    const opened = await (await open()).restart({ downMs: 400 });
    expect(now(opened)).toMatchObject({ state: "OPEN", retryAfterMs: 600 });
    const probing = await halfOpen({ timeoutMultiplier: 4 });
    say(probing, take(probing), "FAILURE");
    const again = await probing.restart({ downMs: 1000 });
    expect(now(again)).toMatchObject({ state: "OPEN", retryAfterMs: 3000, reopenings: 1 });
    again.clock.advance(3000);
    expect(now(again).state).toBe("HALF_OPEN");
    const due = await again.restart();
    say(due, take(due), "FAILURE");
    expect(now(due)).toMatchObject({ state: "OPEN", retryAfterMs: 16_000, reopenings: 2 });
    await due.breakers.open("api", { holdId: "deploy", ttlMs: 60_000 }, { actor: "ana" });
    const held = await due.restart({ downMs: 20_000 });
    expect(now(held)).toMatchObject({ state: "OPEN", override: { id: "deploy", actor: "ana" } });
    held.clock.advance(40_000);
    expect(now(held)).toMatchObject({ holds: [], automaticState: "HALF_OPEN", transition: { action: "HoldExpired" } });
  });

  const change = (record: object) => JSON.stringify(record);
  it.each([
    ["not a record", () => "7"],
    ["in an unknown state", (record: object) => change({ ...record, state: "AJAR" })],
    ["with an unknown field", (record: object) => change({ ...record, mood: "good" })],
    ["with an invalid epoch", (record: object) => change({ ...record, epoch: 0 })],
    ["open without an end", (record: object) => change({ ...record, state: "OPEN", openUntil: undefined })],
    ["with an invalid hold", (record: object) => change({ ...record, holds: [{ id: 7 }] })],
    ["with an invalid configuration", (record: object) => change({ ...record, config: { failureThreshold: 0 } })],
  ])("is refused at the start if it is %s, with its name and the fault", async (_, spoil) => {
    const setup = await withBreaker();
    const record = await setup.stored("api");
    setup.feed.close();
    await setup.store.put("breaker/api", spoil(record ?? {}), { cause: { action: "Test" } });
    const error: unknown = await rig({ store: setup.store }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ reason: "BREAKER_STATE_INVALID", metadata: { name: "api" } });
  });

  it("a stored breaker from a version with a single override is held by that override", async () => {
    const setup = await withBreaker();
    const record = await setup.stored("api");
    const override = { kind: "FORCED_OPEN", actor: "ana", time: 5 };
    setup.feed.close();
    await setup.store.put("breaker/api", JSON.stringify({ ...record, override }), { cause: { action: "Test" } });
    const next = await rig({ store: setup.store });
    expect(now(next)).toMatchObject({ state: "OPEN", holds: [{ ...override, id: "manual", action: "OpenBreaker" }] });
    await next.breakers.releaseHold("api");
    expect(now(next).state).toBe("CLOSED");
  });
});

describe("the creation of a breaker", () => {
  it.each([
    { failureThreshold: 0 },
    { failureThreshold: -1 },
    { failureThreshold: 1.5 },
    { timeoutMs: Number.NaN },
    { timeoutMs: Number.POSITIVE_INFINITY },
    { failureRate: 0 },
    { failureRate: 1.01 },
    { slowCallRate: Number.NaN },
    { timeoutMultiplier: 0.5 },
    { jitter: -0.1 },
    { probeFailureRate: 2 },
    { windowMs: -1 },
    { minReporters: 0 },
    { warmUpMs: 1e12 },
    { failureThreshold: "5" as unknown as number },
    { timeoutMs: null as unknown as number },
  ])("is refused with %j, which names the field, and creates nothing", async (config) => {
    const setup = await rig();
    await expect(setup.breakers.getOrCreate("api", config)).rejects.toMatchObject({ reason: "ARGUMENT_INVALID" });
    expect(setup.breakers.list()).toEqual([]);
  });

  it("a creation by two callers gives one breaker; another configuration is reported as a conflict, and changes nothing", async () => {
    const setup = await rig();
    const both = await Promise.all([setup.breakers.getOrCreate("api", FAST), setup.breakers.getOrCreate("api", FAST)]);
    expect(both.map(({ created }) => created).sort()).toEqual([false, true]);
    fail(setup, "api", 3);
    const third = await setup.breakers.getOrCreate("api", { failureThreshold: 9 });
    expect(third).toMatchObject({ created: false, configConflict: true, breaker: { state: "OPEN" } });
    expect(now(setup).config.failureThreshold).toBe(3);
  });

  it("after closing starts no timers, and fails with a reason of its own", async () => {
    const setup = await open();
    await setup.breakers.close();
    expect(setup.timers()).toBe(0);
    expect(() => setup.breakers.acquire("api")).toThrow(expect.objectContaining({ reason: "SERVER_DRAINING" }));
  });
});

describe("reports", () => {
  it("reports of the same client and number are counted once", async () => {
    const setup = await withBreaker();
    const runs = [{ outcome: "FAILURE", count: 2 }] as const;
    for (let time = 0; time < 3; time += 1) setup.breakers.report("a", 1, [{ name: "api", epoch: 1, runs }]);
    expect(now(setup).counts.failures).toBe(2);
  });

  it("reports of a client that alone sees failures isolate it, and do not open the breaker for the others", async () => {
    const setup = await withBreaker({ minReporters: 2 });
    expect(report(setup, "bad", "FAILURE", 10).isolated).toMatchObject([{ name: "api", state: "OPEN" }]);
    expect(now(setup)).toMatchObject({ state: "CLOSED", isolatedClients: [{ clientId: "bad" }] });
    expect(setup.breakers.acquire("api", "bad")).toMatchObject({ allowed: false, isolated: true });
    expect(setup.breakers.acquire("api", "good").allowed).toBe(true);
    expect(setup.breakers.acquire("api").allowed).toBe(true);
  });
});
