import { beforeEach, describe, expect, it } from "vitest";
import { HeliosError } from "../../../../../src/core/errors/error.ts";
import { type Health, HealthWatch } from "../../../../../src/core/modules/calls/generation/health.ts";
import type { Ending } from "../../../../../src/core/modules/host/types/host.ts";
import { EVENT_SOURCES } from "../../../../../src/core/status/sources.ts";
import { createStatus } from "../../../../../src/core/status/status.ts";
import { createManualClock, type ManualClock } from "../../../../../src/kernel/clock.ts";
import { describeInEach, describeInEither } from "../../../../support/isolations.ts";
import { turn } from "../../../../support/turns.ts";
import { until } from "../../../../support/until.ts";
import { ownRoot, type Rig, rig, statesOf } from "../../rig.ts";

const SHAPE = { methods: [], version: undefined, hasHealth: true, hasState: false, stateSchema: undefined };

/** An instance whose answers are given by the test. */
function answering(shape = SHAPE) {
  const { promise: ended, resolve: end } = Promise.withResolvers<Ending>();
  const asked: PromiseWithResolvers<void>[] = [];
  const instance = {
    shape,
    ended,
    checkHealth: () => {
      const question = Promise.withResolvers<void>();
      asked.push(question);
      return question.promise;
    },
  };
  const fail = (error: string): HeliosError =>
    HeliosError.of("MODULE_METHOD_FAILED", { name: "m", method: "health", error });
  return {
    instance,
    asked,
    well: () => asked.at(-1)?.resolve(),
    ill: (why: string) => asked.at(-1)?.reject(fail(why)),
    end: () => end({ expected: true, description: "" }),
  };
}

describe("the health check of a module", () => {
  let clock: ManualClock;
  let reported: string[];
  let store: () => Promise<void>;

  beforeEach(() => {
    clock = createManualClock();
    reported = [];
    store = async () => {};
  });

  async function watched(intervalMs = 10_000) {
    const module = answering();
    const onChange = ({ state, message }: Health): Promise<void> => {
      reported.push(`${state} ${message}`.trim());
      return store();
    };
    const watch = new HealthWatch(module.instance, { clock, intervalMs, onChange });
    const checked = watch.check(1000);
    module.well();
    await checked;
    /** Lets time pass until the next check, and gives its answer. */
    const next = async (answer: () => void, ms = intervalMs): Promise<void> => {
      clock.advance(ms);
      answer();
      await turn();
    };
    return { ...module, watch, next };
  }

  it("is repeated at the interval after each answer", async () => {
    const { asked, well, next, watch } = await watched(10_000);
    clock.advance(9999);
    expect(asked).toHaveLength(1);
    await next(well, 1);
    await next(well);
    expect(asked).toHaveLength(3);
    expect(watch.health).toMatchObject({ state: "HEALTHY", failures: 0, checkTime: clock.now() });
    expect(reported).toEqual([]);
  });

  it("reports UNHEALTHY with the module's message, since the first such answer, until an answer says otherwise", async () => {
    const { ill, well, next, watch } = await watched();
    const start = clock.now();
    await next(() => ill("no feed"));
    const since = clock.now();
    expect(watch.health).toEqual({ state: "UNHEALTHY", message: "no feed", since, checkTime: since, failures: 1 });
    expect(watch.verdict).toBeUndefined();
    await next(() => ill("no feed for 20 s"));
    expect(watch.health).toMatchObject({ message: "no feed for 20 s", since, failures: 2 });
    expect(watch.verdict).toBe("it is unhealthy: no feed for 20 s");
    await next(well);
    expect(watch.health).toMatchObject({ state: "HEALTHY", message: "", since: clock.now(), failures: 0 });
    expect(watch.health.since).toBeGreaterThan(start);
    expect(reported).toEqual(["UNHEALTHY no feed", "HEALTHY"]);
  });

  it("never runs twice at once: a module that does not answer is UNHEALTHY until it does", async () => {
    const { asked, well, next, watch } = await watched(10_000);
    await next(() => {}, 10_000);
    clock.advance(4999);
    await turn();
    expect(watch.health.state).toBe("HEALTHY");
    clock.advance(1);
    await turn();
    expect(watch.health).toMatchObject({
      state: "UNHEALTHY",
      message: "health() did not answer within 5 s",
      failures: 1,
    });
    for (const _ of [2, 3]) {
      clock.advance(10_000);
      await turn();
    }
    expect(watch.health.failures).toBe(3);
    expect(asked).toHaveLength(2);
    well();
    await turn();
    expect(watch.health.state).toBe("HEALTHY");
    clock.advance(10_000);
    expect(asked).toHaveLength(3);
  });

  it("ignores an answer that is late because the service itself stood still", async () => {
    const { well, next, watch } = await watched(10_000);
    await next(() => {}, 10_000);
    clock.advance(60_000);
    well();
    await turn();
    expect(watch.health).toMatchObject({ state: "HEALTHY", failures: 0 });
    expect(reported).toEqual([]);
  });

  it("has a timeout of at least a second, however short the interval is", async () => {
    const { watch } = await watched(100);
    clock.advance(100 + 999);
    await turn();
    expect(watch.health.state).toBe("HEALTHY");
    clock.advance(1);
    await turn();
    expect(watch.health.message).toBe("health() did not answer within 1 s");
  });

  it("reports changes at most once a second, and then the present state", async () => {
    const { ill, well, next } = await watched(100);
    for (let turns = 0; turns < 5; turns += 1) {
      await next(() => ill("no"));
      await next(well);
    }
    expect(reported).toEqual(["UNHEALTHY no"]);
    await next(well);
    expect(reported).toEqual(["UNHEALTHY no", "HEALTHY"]);
  });

  it("reports a change again if it could not be stored", async () => {
    const { ill, next } = await watched();
    store = async () => {
      throw new Error("disk full");
    };
    await next(() => ill("no"));
    store = async () => {};
    await next(() => ill("no"));
    await next(() => ill("no"));
    expect(reported).toEqual(["UNHEALTHY no", "UNHEALTHY no"]);
  });

  it("reports again when the module serves again, whatever was reported before", async () => {
    const { ill, well, next, watch } = await watched();
    await next(() => ill("no"));
    watch.publishNext();
    await next(() => ill("still no"));
    watch.publishNext();
    await next(well);
    await next(well);
    expect(reported).toEqual(["UNHEALTHY no", "UNHEALTHY still no", "HEALTHY"]);
  });

  it("stops when the module has ended, and never runs for an interval of 0 or without a health method", async () => {
    const { asked, end, watch } = await watched();
    end();
    await turn();
    clock.advance(600_000);
    expect(asked).toHaveLength(1);
    expect(watch.health.state).toBe("HEALTHY");
    const off = await watched(0);
    clock.advance(600_000);
    expect(off.asked).toHaveLength(1);
    const silent = answering({ ...SHAPE, hasHealth: false });
    const unknown = new HealthWatch(silent.instance, { clock, intervalMs: 1000, onChange: store });
    silent.asked.length = 0;
    const checked = unknown.check(1);
    silent.well();
    await checked;
    clock.advance(600_000);
    expect(silent.asked).toHaveLength(1);
    expect(unknown.health.state).toBe("UNKNOWN");
  });
});

const source = (version: number): string => `export default class A {
  static version = "${version}";
  #ill = "";
  which() { return ${version}; }
  fall({ ill }) { this.#ill = ill; }
  health() { if (this.#ill !== "") throw new Error(this.#ill); }
}`;

async function modules(clock: ManualClock) {
  const { path } = await ownRoot({ "v1.js": source(1), "v2.js": source(2) });
  const engine = await rig({ clock, root: path });
  /** Lets time pass, and resolves when the answer has arrived. */
  const asked = async (name: string, times = 1): Promise<void> => {
    for (let time = 0; time < times; time += 1) {
      clock.advance(10_000);
      const now = clock.now();
      await until(() => engine.modules.health(name)?.checkTime === now);
    }
  };
  return { ...engine, asked };
}

const statusOf = ({ feed, breakers, modules }: Rig) =>
  createStatus({
    feed,
    breakers,
    modules,
    flags: { count: () => ({ total: 0, enabled: 0 }), hub: { watcherCount: 0 } },
    testing: { allRuns: () => [] },
    setBack: () => undefined,
  } as never)();

describeInEach("the health reported by a module in a %s", (isolation) => {
  it("is shown in its status and in watches, while it serves on and its breaker stays closed", async () => {
    const clock = createManualClock();
    const engine = await modules(clock);
    const { load, call, asked, breakers } = engine;
    await load("v1", { isolation }, "a");
    expect(engine.modules.health("a")).toMatchObject({ state: "HEALTHY" });
    const { revision } = engine.modules.get("a");
    await asked("a");
    expect(engine.modules.get("a").revision).toBe(revision);
    await call("a", "fall", { ill: "no feed" });
    await asked("a");
    const since = clock.now();
    expect(engine.modules.health("a")).toMatchObject({ state: "UNHEALTHY", message: "no feed", since });
    expect(statusOf(engine).unhealthy).toEqual([
      { domain: "MODULES", name: "a", state: "UNHEALTHY", why: "health: no feed", since },
    ]);
    await until(() => engine.modules.get("a").record.unhealthy !== undefined);
    expect(engine.modules.get("a").record.unhealthy).toEqual({ generation: 1, message: "no feed", since });
    expect([engine.state("a"), breakers.get("module:a").state, await call("a", "which")]).toEqual([
      "ACTIVE",
      "CLOSED",
      1,
    ]);
    await call("a", "fall", { ill: "" });
    await asked("a");
    await until(() => engine.modules.get("a").record.unhealthy === undefined);
    expect(statusOf(engine).unhealthy).toEqual([]);
    const { changes } = await engine.store.changes("module/", revision, 10);
    expect(changes.map(({ cause }) => cause)).toEqual([
      { action: "Unhealthy", reason: "no feed" },
      { action: "Healthy" },
    ]);
    const describe = EVENT_SOURCES.find(({ domain }) => domain === "MODULES")?.describe;
    const texts = changes.map(({ previous = "", value = "" }) => describe?.(JSON.parse(previous), JSON.parse(value)));
    expect(texts).toEqual(["unhealthy none -> no feed", "unhealthy no feed -> none"]);
    expect(await statesOf(engine, "a")).toEqual(["UNLOADED", "LOADING", "ACTIVE"]);
  });

  it("ends a trial after two unhealthy answers in a row", async () => {
    const clock = createManualClock();
    const { load, call, asked, modules: all } = await modules(clock);
    await load("v1", { isolation }, "a");
    const begun = Promise.withResolvers<void>();
    const swapped = all.swap("a", { newVersionPath: "v2", bakeMs: 600_000 }, {}, (event) => {
      if (event.type === "started" && event.name === "bake") begun.resolve();
    });
    await begun.promise;
    for (const ill of ["once", "", "again"]) {
      await call("a", "fall", { ill });
      await asked("a");
    }
    expect(await call("a", "which")).toBe(2);
    await call("a", "fall", { ill: "for good" });
    await asked("a");
    expect(await swapped).toMatchObject({
      swapped: false,
      failedStep: "bake",
      failure: "it is unhealthy: for good",
    });
    expect(await call("a", "which")).toBe(1);
    expect(all.health("a")).toMatchObject({ state: "HEALTHY" });
  });
});

describeInEither("the stored health of a module", () => {
  it("is that of the serving version, also if that became unhealthy between its first check and the switch", async () => {
    const clock = createManualClock();
    const ill = `export default class A {
      static version = "2";
      #asked = 0;
      #again = Promise.withResolvers();
      async warm() {
        await this.#again.promise;
        await new Promise(setImmediate);
      }
      health() {
        if (++this.#asked === 1) return;
        this.#again.resolve();
        throw new Error("no feed");
      }
    }`;
    const { path } = await ownRoot({ "v1.js": source(1), "v2.js": ill });
    const engine = await rig({ clock, root: path });
    await engine.load("v1", { reloadHooks: [{ method: "warm", input: null }] }, "a");
    const swapped = await engine.modules.swap("a", { newVersionPath: "v2" }, {}, (event) => {
      if (event.type === "started" && event.name === "warm_up") clock.advance(10_000);
    });
    expect(swapped).toMatchObject({ swapped: true });
    expect(engine.modules.health("a")).toMatchObject({ state: "UNHEALTHY", message: "no feed" });
    expect(engine.modules.get("a").record.unhealthy).toBeUndefined();
    const { since } = engine.modules.health("a") ?? {};
    clock.advance(10_000);
    await until(() => engine.modules.get("a").record.unhealthy !== undefined);
    expect(engine.modules.get("a").record.unhealthy).toEqual({ generation: 2, message: "no feed", since });
  });

  it("is that of the version that serves again, although another was unhealthy meanwhile", async () => {
    const clock = createManualClock();
    const { load, call, asked, modules: all } = await modules(clock);
    await load("v1", {}, "a");
    await call("a", "fall", { ill: "old" });
    await asked("a");
    const stored = async (generation: number): Promise<void> => {
      await until(() => all.get("a").record.unhealthy?.generation === generation);
    };
    await stored(1);
    const { since } = all.health("a") ?? {};
    const begun = Promise.withResolvers<void>();
    const swapped = all.swap("a", { newVersionPath: "v2", bakeMs: 600_000 }, {}, (event) => {
      if (event.type === "started" && event.name === "bake") begun.resolve();
    });
    await begun.promise;
    await call("a", "fall", { ill: "new" });
    await asked("a");
    await stored(2);
    await asked("a");
    expect(await swapped).toMatchObject({ swapped: false, failure: "it is unhealthy: new" });
    expect(await call("a", "which")).toBe(1);
    await asked("a");
    await stored(1);
    expect(all.get("a").record.unhealthy).toMatchObject({ generation: 1, since });
  });
});

describeInEither("a candidate that becomes unhealthy", () => {
  it.each(["canary", "shadow"] as const)("fails its %s", async (step) => {
    const clock = createManualClock();
    const ill = `export default class A {
      static version = "2";
      #asked = 0;
      which() { return 2; }
      health() { if (++this.#asked > 1) throw new Error("no feed"); }
    }`;
    const { path } = await ownRoot({ "v1.js": source(1), "v2.js": ill });
    const engine = await rig({ clock, root: path });
    await engine.load("v1", { pureMethods: ["which"] }, "a");
    const begun = Promise.withResolvers<void>();
    const terms = { [step]: { durationMs: 600_000 } };
    let over = false;
    const swapped = engine.modules.swap("a", { newVersionPath: "v2", ...terms }, {}, (event) => {
      if (event.type === "started" && event.name === step) begun.resolve();
      if (event.type === "ended" && event.step.name === step) over = true;
    });
    await begun.promise;
    for (; !over; await turn()) clock.advance(1000);
    const { failedStep, failure } = await swapped;
    expect(failedStep).toBe(step);
    // On a busy machine the clock may be ahead of the answer.
    expect(failure).toMatch(/^it is unhealthy: (no feed|health\(\) did not answer within 5 s)$/);
    expect(await engine.call("a", "which")).toBe(1);
  });
});
