import { expect, it } from "vitest";
import type { SwapOptions } from "../../../../../src/core/modules/swap/state/swap-options.ts";
import { createManualClock } from "../../../../../src/kernel/clock.ts";
import { errorOf } from "../../../../support/errors.ts";
import { describeInEither } from "../../../../support/isolations.ts";
import { itInRows } from "../../../../support/rows.ts";
import { turn } from "../../../../support/turns.ts";
import { until } from "../../../../support/until.ts";
import { ownRoot, type Rig, rig } from "../../rig.ts";
import { startTraffic } from "../../traffic.ts";

const source = (version: number): string => `export default class A {
  static version = "${version}";
  which() { return ${version}; }
  fail() { throw new Error("no"); }
  exit() { process.exit(3); }
}`;

/** A rig whose module `a` is on trial in version 2. */
async function onTrial(
  options: SwapOptions = {},
  files?: { readonly v1: string; readonly v2: string },
  before: (engine: Rig) => Promise<void> = async () => {},
) {
  const clock = createManualClock();
  const root = await ownRoot({ "v1.js": files?.v1 ?? source(1), "v2.js": files?.v2 ?? source(2) });
  const engine = await rig({ clock, root: root.path });
  await engine.load("v1", {}, "a");
  await before(engine);
  const old = engine.modules.activeInstance("a").instance;
  const begun = Promise.withResolvers<void>();
  const swapped = engine.modules.swap("a", { newVersionPath: "v2", bakeMs: 60_000, ...options }, {}, (event) => {
    if (event.type === "started" && event.name === "bake") begun.resolve();
  });
  await begun.promise;
  return { ...engine, path: root.path, clock, old, swapped };
}

const serves = async ({ call }: Pick<Rig, "call">, version: number): Promise<void> => {
  expect(await call("a", "which")).toBe(version);
};

describeInEither("a version on trial", () => {
  it("serves while the old one is on standby, and is permanent once the time is over", async () => {
    const engine = await onTrial();
    await serves(engine, 2);
    const { modules, clock, swapped, old } = engine;
    expect(modules.get("a").record.bake).toMatchObject({ until: clock.now() + 60_000 });
    expect(modules.generations("a").map(({ number, state }) => [number, state])).toEqual([
      [2, "CURRENT"],
      [1, "STANDBY"],
    ]);
    clock.advance(60_000);
    const result = await swapped;
    expect(result).toMatchObject({ swapped: true, toVersion: "2" });
    expect(result.steps.slice(-3).map(({ name, outcome }) => `${name} ${outcome}`)).toEqual([
      "drain done",
      "bake done",
      "stop done",
    ]);
    expect(await old.ended).toMatchObject({ expected: true });
    expect(modules.get("a").record.bake).toBeUndefined();
    await serves(engine, 2);
  });

  it("gives way to the old one if it ends, and calls wait meanwhile", async () => {
    const engine = await onTrial();
    const { modules, swapped, call } = engine;
    const crash = errorOf(call("a", "exit"));
    expect(await crash).toMatchObject({ reason: "MODULE_CRASHED" });
    await serves(engine, 1);
    expect(await swapped).toMatchObject({ swapped: false, failedStep: "bake", failure: "it ended: exit code 3" });
    expect(modules.get("a").record).toMatchObject({
      generation: 1,
      restarts: 0,
      registration: { modulePath: "v1" },
      lifecycle: { state: "ACTIVE", running: { version: "1" } },
    });
    expect(modules.get("a").record.bake).toBeUndefined();
    expect(modules.generations("a").map(({ number, state }) => [number, state])).toEqual([
      [2, "RETIRED"],
      [1, "CURRENT"],
    ]);
    await serves(engine, 1);
  });

  it("gives way if its breaker opens, and the old one gets the calls", async () => {
    const engine = await onTrial({ bakeMinCalls: 1000 });
    const { swapped, call, breakers } = engine;
    // No time passes: the breaker reports its opening in the same step.
    for (let count = 0; count < 5; count += 1) await errorOf(call("a", "fail"));
    expect(breakers.get("module:a").state).toBe("OPEN");
    expect(await swapped).toMatchObject({
      swapped: false,
      failedStep: "bake",
      failure: "its breaker module:a opened",
    });
    expect(breakers.get("module:a").state).toBe("CLOSED");
    await serves(engine, 1);
  });

  it("gives way if too many of its calls fail", async () => {
    const engine = await onTrial({ bakeMinCalls: 4, bakeMaxErrorRate: 0.5 });
    const { swapped, call } = engine;
    await serves(engine, 2);
    for (let count = 0; count < 3; count += 1) await errorOf(call("a", "fail"));
    expect(await swapped).toMatchObject({ swapped: false, failure: "75 % of its 4 calls failed" });
    await serves(engine, 1);
  });

  it("is not judged by a breaker that opened before it served, or that an operator opened", async () => {
    const { swapped, breakers, clock, call } = await onTrial({}, undefined, async ({ call }) => {
      for (let count = 0; count < 5; count += 1) await errorOf(call("a", "fail"));
    });
    expect(breakers.get("module:a").state).toBe("OPEN");
    await breakers.reset("module:a");
    await breakers.open("module:a", {}, { actor: "ann" });
    await breakers.releaseHold("module:a");
    expect(await call("a", "which")).toBe(2);
    clock.advance(60_000);
    expect(await swapped).toMatchObject({ swapped: true });
  });

  it("goes back at once on a rollback, and no call fails", async () => {
    const engine = await onTrial();
    const { modules, swapped, call } = engine;
    const traffic = startTraffic(() => call("a", "which"), 8);
    await traffic.more(20);
    const result = await modules.rollBack("a", {}, { reason: "prices look odd" });
    await traffic.more(20);
    const { failed } = await traffic.stop();
    expect(failed).toEqual([]);
    expect(result).toMatchObject({ swapped: true, fromVersion: "2", toVersion: "1" });
    expect(await swapped).toMatchObject({ swapped: false, failedStep: "bake", failure: "prices look odd" });
    await serves(engine, 1);
  });

  it("goes back without waiting for calls in the version that serves again", async () => {
    const hanging = (version: number): string => `export default class A {
      static version = "${version}";
      which() { return ${version}; }
      hang() { return new Promise(() => {}); }
    }`;
    let hung: Promise<unknown> = Promise.resolve();
    const { modules, call, swapped } = await onTrial(
      {},
      { v1: hanging(1), v2: hanging(2) },
      async ({ call, modules }) => {
        hung = errorOf(call("a", "hang"));
        await until(() => modules.inFlight("a") !== 0);
      },
    );
    const { steps } = await modules.rollBack("a");
    expect(steps.find(({ name }) => name === "drain")).toMatchObject({ outcome: "done", detail: "it serves again" });
    await swapped;
    expect(await call("a", "which")).toBe(1);
    await modules.close();
    expect(await hung).toMatchObject({ reason: "MODULE_CRASHED" });
  });

  itInRows(1, [[""], ["back"]])("is rolled back even if its trial ends at the same moment (id: %j)", async (swapId) => {
    const { modules, load, call } = await rig({
      root: (await ownRoot({ "v1.js": source(1), "v2.js": source(2) })).path,
    });
    await load("v1", {}, "a");
    let back: Promise<unknown> = Promise.resolve();
    const swapped = modules.swap("a", { newVersionPath: "v2", bakeMs: 1 }, {}, (event) => {
      if (event.type === "ended" && event.step.name === "bake") back = modules.rollBack("a", { swapId });
    });
    expect(await swapped).toMatchObject({ swapped: true });
    expect(await back).toMatchObject({ swapped: true, fromVersion: "2", toVersion: "1" });
    expect(await call("a", "which")).toBe(1);
  });

  it("cannot be cancelled any more, and excludes other operations", async () => {
    const { modules, clock, swapped } = await onTrial();
    expect(await errorOf(modules.cancelSwap("a"))).toMatchObject({ reason: "SWAP_COMMITTED" });
    expect(await errorOf(modules.unload("a"))).toMatchObject({ reason: "MODULE_BUSY" });
    expect(await errorOf(modules.swap("a", { force: true }))).toMatchObject({ reason: "MODULE_BUSY" });
    clock.advance(60_000);
    await swapped;
  });

  it("hands its new state back to the old one", async () => {
    const counter = (version: number): string => `export default class A {
      static version = "${version}";
      #count = 0;
      increment() { return ++this.#count; }
      exportState() { return this.#count; }
      importState(count) { this.#count = count; }
    }`;
    const { modules, call, swapped } = await onTrial({}, { v1: counter(1), v2: counter(2) });
    expect([await call("a", "increment"), await call("a", "increment")]).toEqual([1, 2]);
    await modules.rollBack("a");
    expect(await swapped).toMatchObject({ swapped: false });
    expect(await call("a", "increment")).toBe(3);
  });

  it("is replaced by the old one after a restart of the service", async () => {
    const { modules, store, path, close, swapped } = await onTrial();
    const ended = errorOf(swapped);
    await turn();
    expect(modules.get("a").record.generation).toBe(2);
    await close();
    expect(await ended).toMatchObject({ reason: "SERVER_DRAINING" });
    const next = await rig({ store, root: path });
    await next.modules.settled;
    expect(next.modules.get("a").record).toMatchObject({
      registration: { modulePath: "v1" },
      lastSwap: { swapped: false, failedStep: "bake", failure: "the service ended in this step" },
    });
    const ends = next.modules.generations("a").map(({ number, state, end }) => [number, state, end]);
    expect(ends).toEqual([
      [3, "CURRENT", ""],
      [2, "RETIRED", "the service ended"],
      [1, "RETIRED", "the service ended"],
    ]);
  });
});
