import { expect, it } from "vitest";
import type { Log } from "../../../../src/core/log.ts";
import { BARE_TEST } from "../../../../src/core/modules/calls/generation/trial.ts";
import { PAUSE_LIMIT_MS } from "../../../../src/core/modules/swap/state/pause.ts";
import type { SwapOptions } from "../../../../src/core/modules/swap/state/swap-options.ts";
import { createMemoryStore } from "../../../../src/core/store/memory/store.ts";
import type { Store } from "../../../../src/core/store/store.ts";
import { createManualClock } from "../../../../src/kernel/clock.ts";
import { watchedClock } from "../../../support/clocks.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEach, describeInEither } from "../../../support/isolations.ts";
import { itInRows } from "../../../support/rows.ts";
import { SOAK } from "../../../support/soak.ts";
import { turn } from "../../../support/turns.ts";
import { until } from "../../../support/until.ts";
import { hanging, ownRoot, rig } from "../rig.ts";
import { startTraffic } from "../traffic.ts";

const outcomes = (steps: readonly { readonly name: string; readonly outcome: string }[]): string =>
  steps.map(({ name, outcome }) => `${name} ${outcome}`).join(", ");

describeInEach("a swap in a %s", (isolation) => {
  it("fails and loses no call under 32 callers", async () => {
    const { modules, load } = await rig();
    await load("echo_v1", { isolation }, "echo");
    let sent = 0;
    const traffic = startTraffic(async () => {
      sent += 1;
      const number = sent;
      const { output, version } = await modules.invoke("echo", "echo", { json: number });
      return { same: "json" in output && output.json === number, version };
    }, 32);
    for (const path of ["echo_v2", "echo_v1", "echo_v2"]) {
      await traffic.more(100);
      expect(await modules.swap("echo", { newVersionPath: path })).toMatchObject({ swapped: true });
    }
    await traffic.more(100);
    const { answers, failed } = await traffic.stop();
    expect(failed).toEqual([]);
    expect(answers.length).toBe(sent);
    expect(answers.filter((answer) => !(answer as { same: boolean }).same)).toEqual([]);
    const versions = new Set(answers.map((answer) => (answer as { version: string }).version));
    expect([...versions].sort()).toEqual(["1.0.0", "2.0.0"]);
    expect(modules.get("echo").record).toMatchObject({
      generation: 4,
      registration: { modulePath: "echo_v2", version: "2.0.0" },
      lifecycle: { state: "ACTIVE", running: { version: "2.0.0", modulePath: "echo_v2" } },
    });
  });

  it("hands over state: under 32 callers no count is lost or duplicated", async () => {
    const { modules, load, call } = await rig();
    await load("counter_v1", { isolation, concurrency: 8 }, "counter");
    const traffic = startTraffic(() => call("counter", "increment"), 32);
    for (const path of ["counter_v2", "counter_v1", "counter_v2"]) {
      await traffic.more(100);
      const { swapped, steps } = await modules.swap("counter", { newVersionPath: path });
      expect(swapped).toBe(true);
      expect(steps.find(({ name }) => name === "hand_over")?.outcome).toBe("done");
    }
    await traffic.more(100);
    const { answers, failed } = await traffic.stop();
    expect(failed).toEqual([]);
    const counts = (answers as number[]).sort((a, b) => a - b);
    expect(counts).toEqual(Array.from({ length: counts.length }, (_, index) => index + 1));
  });
});

describeInEither("a swap", () => {
  it("reports its steps in order with times, and records the same", async () => {
    const { modules, load } = await rig();
    await load("echo_v1", { reloadHooks: [{ method: "echo", input: 1 }] }, "echo");
    modules.addReloadHook("echo", () => {});
    const { steps, module, ...report } = await modules.swap("echo", { newVersionPath: "echo_v2" });
    expect(outcomes(steps)).toBe(
      "verify done, start done, health skipped, gate skipped, warm_up done, hand_over skipped, commit done, drain done, stop done",
    );
    for (const { durationMs } of steps) expect(durationMs).toBeGreaterThanOrEqual(0);
    expect(report).toEqual({
      swapId: "id-1",
      swapped: true,
      unchanged: false,
      stateLost: false,
      fromVersion: "1.0.0",
      toVersion: "2.0.0",
      time: expect.any(Number),
    });
    expect(module.record.lastSwap).toEqual({ ...report, steps });
    expect(modules.get("echo")).toEqual(module);
  });

  it("a swap without a path starts the present content of the same file", async () => {
    const { path, write } = await ownRoot({ "a.js": "export default class A { one() { return 1; } }" });
    const { modules, load, call } = await rig({ root: path });
    await load("a", { version: "1" });
    await write("a.js", "export default class A { static version = '3'; one() { return 2; } }");
    expect(await modules.swap("a")).toMatchObject({ swapped: true, fromVersion: "1", toVersion: "3" });
    expect(await call("a", "one")).toBe(2);
    expect(modules.get("a").record.registration).toMatchObject({ modulePath: "a", version: "3" });
  });

  it("takes the requested version, else that of the class, else the previous one", async () => {
    const { modules, load } = await rig();
    await load("echo_v1", { version: "1" }, "echo");
    const swap = async (options: SwapOptions): Promise<string> => (await modules.swap("echo", options)).toVersion;
    expect(await swap({ newVersionPath: "echo_v2", version: "9" })).toBe("9");
    expect(await swap({ newVersionPath: "echo_v2", force: true })).toBe("2.0.0");
    expect(await swap({ newVersionPath: "caller" })).toBe("2.0.0");
  });

  it("lets the calls under way end in the old version, while new ones go to the new one", async () => {
    const { modules, load, call, reaches } = await rig();
    await load("echo_v1", {}, "echo");
    const old = modules.activeInstance("echo").instance;
    const held = modules.invoke("echo", "hold", { json: null });
    const swapped = modules.swap("echo", { newVersionPath: "echo_v2" });
    await until(() => modules.get("echo").record.generation === 2);
    expect(await call("echo", "who_am_i")).toMatchObject({ version: "2.0.0" });
    expect(modules.inFlight("echo")).toBe(1);
    await old.invoke("release", { json: null }, { timeoutMs: 5000 });
    expect(await held).toMatchObject({ output: { json: "released" }, version: "1.0.0", generation: 1 });
    expect(await swapped).toMatchObject({ swapped: true });
    expect(await old.ended).toMatchObject({ expected: true });
    await reaches("echo", "ACTIVE");
  });

  it("runs the registered hooks, then those of the library, on the new instance", async () => {
    const { modules, load } = await rig();
    await load("counter_v1", { reloadHooks: [{ method: "increment", input: null }] }, "counter");
    const seen: unknown[] = [];
    const takeOff = modules.addReloadHook("counter", async ({ name, version, methods, invoke }) => {
      seen.push({ name, version, methods, count: await invoke("increment") });
    });
    await modules.swap("counter", { newVersionPath: "counter_v2" });
    expect(seen).toEqual([{ name: "counter", version: "2.0.0", methods: ["increment"], count: 2 }]);
    takeOff();
    await modules.swap("counter", { newVersionPath: "counter_v1" });
    expect(seen.length).toBe(1);
  });

  it("runs the module's suite, or the requested one, on the new instance", async () => {
    const { modules, load } = await rig();
    await load("echo_v1", { testSuite: "own" }, "echo");
    const runs: unknown[] = [];
    modules.useGate(async ({ suite }, subject) => {
      const { name, version, sha256 } = subject;
      const { instance } = await subject.start(() => BARE_TEST);
      const output = await instance.invoke("who_am_i", { json: null }, { timeoutMs: 5000 });
      runs.push({ suite, name, version, sha256, of: "json" in output && (output.json as { version: string }).version });
      return { passed: true, detail: "3 of 3 passed" };
    });
    const { steps } = await modules.swap("echo", { newVersionPath: "echo_v2" });
    const { sha256 } = modules.activeInstance("echo");
    expect(runs).toEqual([{ suite: "own", name: "echo", version: "2.0.0", sha256, of: "2.0.0" }]);
    expect(steps.find(({ name }) => name === "gate")).toMatchObject({
      outcome: "done",
      detail: "suite own: 3 of 3 passed",
    });
    await modules.swap("echo", { newVersionPath: "echo_v1", testSuite: "other" });
    expect(runs.at(-1)).toMatchObject({ suite: "other", version: "1.0.0" });
  });

  it("forgets the pinned digest of another file, and pins the requested one", async () => {
    const { modules, load } = await rig();
    await load("echo_v1", {}, "echo");
    await modules.swap("echo", { newVersionPath: "echo_v2" });
    const { sha256 } = modules.activeInstance("echo");
    await modules.swap("echo", { newVersionPath: "echo_v2", sha256 });
    expect(modules.get("echo").record.registration.sha256).toBe(sha256);
    await modules.swap("echo", { newVersionPath: "echo_v1" });
    expect(modules.get("echo").record.registration.sha256).toBe("");
  });
});

describeInEither("a swap that fails", () => {
  itInRows(1, [["ends"], ["becomes unhealthy"]])(
    "ends the tests if the new version %s while it is tested",
    async (what) => {
      const turnsIll = `export default class A {
      static version = "2";
      #asked = 0;
      start({ log }) { this.log = log; }
      health() {
        this.#asked += 1;
        if (this.#asked === 1) return;
        ${what === "ends" ? "process.exit(3);" : ""}
        this.log.info("ill");
        throw new Error("no feed");
      }
    }`;
      const { path } = await ownRoot({
        "v1.js": 'export default class A { static version = "1"; }',
        "v2.js": turnsIll,
      });
      let ill = 0;
      const log: Log = (_area, _level, message) => {
        if (message === "ill") ill += 1;
      };
      const { modules, load } = await rig({ root: path, log });
      await load("v1", { healthIntervalMs: 100 }, "a");
      modules.useGate(async (_request, _subject, signal) => {
        await until(() => signal.aborted || ill >= 3);
        return { passed: true, detail: "1 of 1 passed" };
      });
      const result = await modules.swap("a", { newVersionPath: "v2", testSuite: "any" });
      expect(result).toMatchObject({ swapped: false, failedStep: "gate" });
      expect(result.failure).toBe(what === "ends" ? "it ended: exit code 3" : "it is unhealthy: no feed");
    },
  );

  const wrong = "0".repeat(64);

  itInRows<[string, string, SwapOptions, string]>(5, [
    ["has another digest than expected", "verify", { newVersionPath: "echo_v2", sha256: wrong }, wrong],
    ["throws in start", "start", { newVersionPath: "throws_on_start" }, "the model file is missing"],
    ["is unhealthy", "health", { newVersionPath: "sick" }, "no connection"],
    ["fails its tests", "gate", { newVersionPath: "echo_v2", testSuite: "strict" }, "1 of 3 passed"],
    ["ends in its warm-up", "warm_up", { newVersionPath: "ends_when_warm" }, "exit code 7"],
    ["throws when it is imported", "start", { newVersionPath: "throws_on_import" }, "no such thing"],
    ["is not a module", "start", { newVersionPath: "not_a_module" }, "default-exports"],
    ["has no method that a hook calls", "warm_up", { newVersionPath: "counter_v2" }, "no method warmUp"],
  ])("leaves the old version serving unchanged if the new version %s", async (...row) => {
    const [, failedStep, options, failure] = row;
    const needsHook = failedStep === "warm_up";
    const { modules, load, call } = await rig();
    await load("echo_v1", { reloadHooks: needsHook ? [{ method: "warmUp", input: null }] : [] }, "echo");
    modules.useGate(async () => ({ passed: false, detail: "1 of 3 passed" }));
    const before = modules.get("echo").record;
    const traffic = startTraffic(() => call("echo", "echo", 1), 8);
    const result = await modules.swap("echo", options);
    const { failed } = await traffic.stop();
    expect(result).toMatchObject({ swapped: false, failedStep, fromVersion: "1.0.0" });
    expect(result.failure).toContain(failure);
    expect(failed).toEqual([]);
    expect(await call("echo", "who_am_i")).toMatchObject({ version: "1.0.0" });
    const { lastSwap, starts: _, generations, ...after } = modules.get("echo").record;
    expect({ ...before, ...after }).toEqual(before);
    expect(generations.filter(({ served }) => served).map(({ number }) => number)).toEqual([1]);
    expect(lastSwap).toMatchObject({ swapped: false, failedStep, failure: result.failure, steps: result.steps });
    expect(await modules.swap("echo", { newVersionPath: "echo_v1", force: true })).toMatchObject({
      swapped: !needsHook,
    });
  });

  it("leaves the old version serving if the new one hangs in start", async () => {
    const { hostClock, log, hangs } = hanging();
    const { modules, load, call, state } = await rig({ hostClock, log });
    await load("echo_v1", {}, "echo");
    const swapped = modules.swap("echo", { newVersionPath: "hangs_on_start" });
    await hangs;
    expect(await call("echo", "echo", 1)).toBe(1);
    hostClock.advance(10_000);
    const result = await swapped;
    expect(result).toMatchObject({ swapped: false, failedStep: "start" });
    expect(result.failure).toContain("took longer than 10 s");
    expect(await call("echo", "echo", 2)).toBe(2);
    expect(state("echo")).toBe("ACTIVE");
  });

  it("lets the waiting calls continue in the old version if the new one refuses the state", async () => {
    const { modules, load, call } = await rig();
    await load("counter_v1", {}, "counter");
    const traffic = startTraffic(() => call("counter", "increment"), 16);
    await traffic.more(50);
    const result = await modules.swap("counter", { newVersionPath: "counter_refusing" });
    await traffic.more(50);
    const { answers, failed } = await traffic.stop();
    expect(result).toMatchObject({ swapped: false, failedStep: "hand_over" });
    expect(result.failure).toContain("cannot go on from");
    expect(failed).toEqual([]);
    const counts = (answers as number[]).sort((a, b) => a - b);
    expect(counts).toEqual(Array.from({ length: counts.length }, (_, index) => index + 1));
  });

  it("lets the waiting calls continue in the old version if a call under way does not end in time", async () => {
    const { clock, isSet } = watchedClock();
    const { path } = await ownRoot({
      "a.js": `export default class A {
        one() { return 1; }
        hold(_, { signal }) { return new Promise((resolve) => signal.addEventListener("abort", resolve)); }
        exportState() {}
        importState() {}
      }`,
    });
    const { modules, load, call } = await rig({ clock, root: path });
    await load("a");
    const caller = new AbortController();
    const held = modules.invoke("a", "hold", { json: null }, { signal: caller.signal });
    await call("a", "one");
    const swapped = modules.swap("a", { force: true });
    await isSet(PAUSE_LIMIT_MS);
    const waiting = call("a", "one");
    await turn();
    clock.advance(PAUSE_LIMIT_MS);
    expect(await swapped).toMatchObject({
      swapped: false,
      failedStep: "hand_over",
      failure: "1 calls were still under way in version 0.0.0 after 5000 ms",
    });
    expect(await waiting).toBe(1);
    caller.abort("enough");
    await expect(held).rejects.toBe("enough");
  });

  it("holds calls for at most half of their time if the new version hangs in importState", async () => {
    const { clock, isSet } = watchedClock();
    const source = (importState: string): string => `export default class A {
      one() { return 1; }
      exportState() {}
      importState() { ${importState} }
    }`;
    const { path } = await ownRoot({ "a.js": source(""), "b.js": source("return new Promise(() => {});") });
    const { modules, breakers, load, call } = await rig({ clock, hostClock: clock, root: path });
    await load("a", { callTimeoutMs: 2400 });
    const swapped = modules.swap("a", { newVersionPath: "b" });
    // The deadlines of exportState and then of importState.
    await isSet(1200, 2);
    const waiting = call("a", "one");
    const impatient = errorOf(modules.invoke("a", "one", { json: null }, { timeoutMs: 500 }));
    await turn();
    clock.advance(500);
    expect(await impatient).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED", metadata: { timeout: "0.5 s" } });
    expect(breakers.get("module:a").counts.failures).toBe(0);
    clock.advance(700);
    expect(await swapped).toMatchObject({
      swapped: false,
      failedStep: "hand_over",
      failure: "importState of module a did not answer within the pause of 1.2 s",
    });
    expect(await waiting).toBe(1);
  });

  it("lets the waiting calls continue in the old version if its commit cannot be stored", async () => {
    const store = createMemoryStore({ clock: createManualClock(), incarnation: "incarnation" });
    let isFull = false;
    const failing: Store = {
      incarnation: store.incarnation,
      reincarnate: () => store.reincarnate(),
      writable: store.writable,
      answers: store.answers,
      daily: store.daily,
      get: (key) => store.get(key),
      list: (prefix) => store.list(prefix),
      scan: (visit) => store.scan(visit),
      put: (key, value, options) => (isFull ? Promise.reject(new Error("disk full")) : store.put(key, value, options)),
      delete: (key, options) => store.delete(key, options),
      batch: (writes, cause) => store.batch(writes, cause),
      changes: (prefix, after, limit) => store.changes(prefix, after, limit),
      history: (key, limit, before) => store.history(key, limit, before),
      oldest: (key) => store.oldest(key),
      watch: (after, listener) => store.watch(after, listener),
      compact: (through) => store.compact(through),
      close: () => store.close(),
    };
    const { modules, load, call } = await rig({ store: failing });
    await load("counter_v1", {}, "counter");
    const traffic = startTraffic(() => call("counter", "increment"), 16);
    await traffic.more(50);
    modules.addReloadHook("counter", () => {
      isFull = true;
    });
    const result = await modules.swap("counter", { newVersionPath: "counter_v2" });
    isFull = false;
    await traffic.more(50);
    const { answers, failed } = await traffic.stop();
    expect(result).toMatchObject({ swapped: false, failedStep: "commit" });
    expect(result.failure).toContain("disk full");
    expect(failed).toEqual([]);
    expect(modules.get("counter").record).toMatchObject({ generation: 1, lifecycle: { state: "ACTIVE" } });
    const counts = (answers as number[]).sort((a, b) => a - b);
    expect(counts).toEqual(Array.from({ length: counts.length }, (_, index) => index + 1));
  });

  it("is an error for an unknown module, or for one that is not ACTIVE", async () => {
    const { modules, register, load } = await rig();
    expect(await errorOf(modules.swap("a"))).toMatchObject({ reason: "MODULE_NOT_FOUND" });
    await register("echo_v1");
    expect(await errorOf(modules.swap("echo_v1"))).toMatchObject({
      reason: "MODULE_STATE_CONFLICT",
      metadata: { name: "echo_v1", state: "UNLOADED", operation: "SwapModule", expected: "ACTIVE" },
    });
    await load("echo_v1", { hotReloadable: false }, "fixed");
    expect(await errorOf(modules.swap("fixed"))).toMatchObject({ reason: "MODULE_NOT_HOT_RELOADABLE" });
  });

  it("is an error without a record if its path is wrong", async () => {
    const { modules, load } = await rig();
    await load("echo_v1", {}, "echo");
    const swap = (newVersionPath: string) => errorOf(modules.swap("echo", { newVersionPath }));
    expect(await swap("../rig.ts")).toMatchObject({ reason: "MODULE_PATH_OUTSIDE_ROOT" });
    expect(await swap("nothing")).toMatchObject({ reason: "MODULE_FILE_NOT_FOUND" });
    expect(await errorOf(modules.swap("echo", { sha256: "x" }))).toMatchObject({ reason: "ARGUMENT_INVALID" });
    expect(modules.get("echo").record.lastSwap).toBeUndefined();
  });
});

describeInEither("a swap of a module that crashes during it", () => {
  it("ends with the new version serving", async () => {
    const { modules, load, call, reaches } = await rig({ clock: createManualClock() });
    await load("echo_v1", {}, "echo");
    modules.addReloadHook("echo", async () => {
      const crash = errorOf(call("echo", "exit"));
      await reaches("echo", "FAILED");
      expect(await crash).toMatchObject({ reason: "MODULE_CRASHED" });
    });
    expect(await modules.swap("echo", { newVersionPath: "echo_v2" })).toMatchObject({ swapped: true });
    expect(await call("echo", "who_am_i")).toMatchObject({ version: "2.0.0" });
    expect(modules.get("echo").record).toMatchObject({ restarts: 0, generation: 2, lifecycle: { state: "ACTIVE" } });
  });
});

describeInEither("swaps of modules that call each other", () => {
  const swapBothUnderLoad = async (times: number): Promise<void> => {
    const { modules, load, call } = await rig();
    await load("counter_v1", {}, "inner");
    await load("stateful_caller", { dependencies: ["inner"] }, "outer");
    const traffic = startTraffic(() => call("outer", "ask", { of: "inner", method: "increment" }), 16);
    for (let round = 0; round < times; round += 1) {
      await traffic.more(50);
      const results = await Promise.all([
        modules.swap("outer", { force: true }),
        modules.swap("inner", { force: true }),
      ]);
      expect(results.map(({ swapped }) => swapped)).toEqual([true, true]);
    }
    await traffic.more(50);
    const { answers, failed } = await traffic.stop();
    expect(failed).toEqual([]);
    const counts = (answers as { answer: number }[]).map(({ answer }) => answer).sort((a, b) => a - b);
    expect(counts).toEqual(Array.from({ length: counts.length }, (_, index) => index + 1));
  };

  it("hand over both states at the same time under load, and fail no call", () => swapBothUnderLoad(1));

  it("hand over both states under load again and again, and fail no call", SOAK, () => swapBothUnderLoad(3));
});
