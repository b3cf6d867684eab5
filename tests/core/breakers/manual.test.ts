import { describe, expect, it } from "vitest";
import { acquired, fail, type Rig, rig, succeed } from "./rig.ts";

const FAST = { failureThreshold: 2, timeoutMs: 1000, successThreshold: 2, probeTimeoutMs: 500 };

async function withBreaker(config = FAST): Promise<Rig> {
  const setup = await rig();
  await setup.breakers.getOrCreate("api", config);
  return setup;
}

describe("opening a breaker by hand", () => {
  it("rejects every call until a reset, however much time passes", async () => {
    const { breakers, clock } = await withBreaker();
    const opened = await breakers.open("api", {}, { actor: "ana", reason: "maintenance" });
    const override = {
      id: "manual",
      kind: "FORCED_OPEN",
      action: "OpenBreaker",
      actor: "ana",
      reason: "maintenance",
      time: clock.now(),
    };
    const transition = { action: "OpenBreaker", actor: "ana", reason: "maintenance", time: clock.now() };
    expect(opened).toMatchObject({ state: "OPEN", automaticState: "CLOSED", epoch: 2, override, transition });
    expect(opened).toMatchObject({ retryAfterMs: undefined });
    clock.advance(1_000_000);
    expect(breakers.acquire("api")).toEqual({ allowed: false, epoch: 2, state: "OPEN", override: "FORCED_OPEN" });
  });

  it("leaves the automatic state of an open breaker running beneath it", async () => {
    const setup = await withBreaker();
    fail(setup, "api", 2);
    await setup.breakers.open("api");
    setup.clock.advance(1000);
    expect(setup.breakers.get("api")).toMatchObject({ state: "OPEN", automaticState: "HALF_OPEN" });
    await setup.breakers.stored();
    expect(await setup.stored("api")).toMatchObject({ state: "HALF_OPEN", holds: [{ kind: "FORCED_OPEN" }] });
  });

  it("takes the vote from probes that are under way", async () => {
    const setup = await withBreaker({ ...FAST, successThreshold: 1 });
    const { breakers, clock } = setup;
    fail(setup, "api", 2);
    clock.advance(1000);
    const probe = acquired(breakers.acquire("api"));
    await breakers.open("api");
    breakers.record("api", probe, "SUCCESS");
    clock.advance(10_000);
    expect(breakers.get("api")).toMatchObject({ state: "OPEN", counts: { lateSuccesses: 1, failures: 2 } });
  });

  it("changes nothing the second time: the first actor remains the one that is shown", async () => {
    const { breakers } = await withBreaker();
    const first = await breakers.open("api", {}, { actor: "ana" });
    const second = await breakers.open("api", {}, { actor: "bob" });
    expect(second.resource).toEqual(first.resource);
    expect(second.override?.actor).toBe("ana");
  });

  it("fails without a change if it cannot be stored", async () => {
    const setup = await withBreaker();
    setup.failWrites(true);
    await expect(setup.breakers.open("api")).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    expect(setup.breakers.get("api")).toMatchObject({ state: "CLOSED", epoch: 1, override: undefined });
    setup.failWrites(false);
    expect((await setup.breakers.open("api")).state).toBe("OPEN");
  });

  it("is refused with a stale etag", async () => {
    const { breakers } = await withBreaker();
    const { etag } = breakers.get("api").resource;
    await breakers.update("api", { failureThreshold: 3 });
    for (const asked of [breakers.open("api", {}, { etag }), breakers.reset("api", { etag })]) {
      await expect(asked).rejects.toMatchObject({ reason: "ETAG_MISMATCH" });
    }
    expect(breakers.get("api")).toMatchObject({ state: "CLOSED", epoch: 1 });
  });
});

describe("resetting a breaker by hand", () => {
  it("closes it with counts of zero, releases the override, and raises the epoch", async () => {
    const setup = await withBreaker();
    const { breakers, clock } = setup;
    const old = acquired(breakers.acquire("api"));
    fail(setup, "api", 2);
    breakers.acquire("api");
    await breakers.open("api", {}, { actor: "ana" });
    const { epoch } = breakers.get("api");
    const reset = await breakers.reset("api", { actor: "bob", reason: "well again" });
    expect(reset).toMatchObject({
      state: "CLOSED",
      automaticState: "CLOSED",
      override: undefined,
      transition: { action: "ResetBreaker", actor: "bob", reason: "well again", time: clock.now() },
      counts: { consecutiveFailures: 0, failures: 0, rejected: 0 },
    });
    expect(reset.epoch).toBeGreaterThan(epoch);
    fail(setup, "api", 1);
    breakers.record("api", old, "FAILURE");
    expect(breakers.get("api")).toMatchObject({ state: "CLOSED", counts: { failures: 1, lateFailures: 1 } });
  });

  it("leaves no timer behind", async () => {
    const setup = await withBreaker();
    fail(setup, "api", 2);
    await setup.breakers.reset("api");
    expect(setup.timers()).toBe(0);
  });

  it("wins over a probe that fails while the reset is being stored", async () => {
    const setup = await withBreaker();
    const { breakers, clock } = setup;
    fail(setup, "api", 2);
    clock.advance(1000);
    const probe = acquired(breakers.acquire("api"));
    await breakers.stored();
    const release = setup.holdWrites();
    const reset = breakers.reset("api");
    await Promise.resolve();
    breakers.record("api", probe, "FAILURE");
    expect(breakers.get("api").state).toBe("OPEN");
    release();
    expect(await reset).toMatchObject({ state: "CLOSED", transition: { action: "ResetBreaker" } });
    await breakers.stored();
    const { epoch, state } = breakers.get("api");
    expect(state).toBe("CLOSED");
    expect(await setup.stored("api")).toMatchObject({ state: "CLOSED", epoch });
  });

  it("does not undo a later trip", async () => {
    const setup = await withBreaker();
    fail(setup, "api", 2);
    const { breakers } = setup;
    await breakers.reset("api");
    fail(setup, "api", 2);
    await breakers.stored();
    expect(await setup.stored("api")).toMatchObject({ state: "OPEN", epoch: breakers.get("api").epoch });
    expect(await setup.actions("api")).toEqual(["GetOrCreateBreaker", "Trip", "ResetBreaker", "Trip"]);
  });
});

describe("the record that is stored after an override", () => {
  it("equals the state in memory in the end, whatever happens during the write", async () => {
    for (const decision of ["open", "reset"] as const) {
      for (const meanwhile of ["trip", "reopen", "close", "time"] as const) {
        const setup = await withBreaker();
        const { breakers, clock } = setup;
        let act = (): void => fail(setup, "api", 2);
        if (meanwhile !== "trip") {
          fail(setup, "api", 2);
          if (meanwhile === "time") act = () => clock.advance(1000);
          else {
            clock.advance(1000);
            if (meanwhile === "close") succeed(setup, "api");
            const probe = acquired(breakers.acquire("api"));
            act = () => breakers.record("api", probe, meanwhile === "close" ? "SUCCESS" : "FAILURE");
          }
        }
        await breakers.stored();
        const release = setup.holdWrites();
        const by = { actor: "ana" };
        const decided = decision === "open" ? breakers.open("api", {}, by) : breakers.reset("api", by);
        for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
        act();
        release();
        await decided;
        await breakers.stored();
        const { state, automaticState, epoch, override } = breakers.get("api");
        const label = `${decision} while ${meanwhile}`;
        expect(state, label).toBe(decision === "open" ? "OPEN" : "CLOSED");
        const stored = await setup.stored("api");
        expect(stored, label).toMatchObject({ state: automaticState, epoch });
        expect(stored?.holds?.[0], label).toEqual(override);
        expect(stored?.transition, label).toMatchObject({
          action: decision === "open" ? "OpenBreaker" : "ResetBreaker",
          actor: "ana",
        });
        const again = (await setup.restart()).breakers.get("api");
        expect([again.state, again.override], label).toEqual([state, override]);
      }
    }
  });
});

describe("resetting all breakers", () => {
  async function three(): Promise<Rig> {
    const setup = await rig();
    for (const name of ["api:a", "api:b", "db"]) {
      await setup.breakers.getOrCreate(name, { failureThreshold: 1 });
      fail(setup, name, 1);
    }
    return setup;
  }
  const states = ({ breakers }: Rig): readonly string[] => breakers.list().map(({ state }) => state);

  it("resets those whose name has the prefix", async () => {
    const setup = await three();
    const reset = await setup.breakers.resetAll({ namePrefix: "api:" }, { actor: "ana", reason: "well again" });
    expect(reset.map(({ name, state }) => [name, state])).toEqual([
      ["api:a", "CLOSED"],
      ["api:b", "CLOSED"],
    ]);
    expect(states(setup)).toEqual(["CLOSED", "CLOSED", "OPEN"]);
    const [change] = await setup.store.history("breaker/api:b", 1);
    expect(change?.cause).toEqual({ action: "ResetAllBreakers", actor: "ana", reason: "well again" });
  });

  it("resets every breaker if there is no prefix", async () => {
    const setup = await three();
    expect(await setup.breakers.resetAll()).toHaveLength(3);
    expect(states(setup)).toEqual(["CLOSED", "CLOSED", "CLOSED"]);
  });

  it("only lists the breakers in a dry run", async () => {
    const setup = await three();
    await setup.breakers.stored();
    const { revision } = setup.feed;
    const received = await setup.breakers.resetAll({ namePrefix: "d", dryRun: true });
    expect(received.map(({ name, state }) => [name, state])).toEqual([["db", "OPEN"]]);
    expect(setup.feed.revision).toBe(revision);
  });

  it("skips a breaker that is deleted meanwhile", async () => {
    const setup = await three();
    const release = setup.holdWrites();
    const reset = setup.breakers.resetAll();
    await setup.breakers.delete("api:a");
    release();
    expect((await reset).map(({ name }) => name)).toEqual(["api:b", "db"]);
  });
});
