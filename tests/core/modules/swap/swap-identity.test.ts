import { expect, it } from "vitest";
import type { SwapEvent } from "../../../../src/core/modules/swap/state/events.ts";
import type { SwapOptions } from "../../../../src/core/modules/swap/state/swap-options.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEither } from "../../../support/isolations.ts";
import { itInRows } from "../../../support/rows.ts";
import { ownRoot, rig } from "../rig.ts";

const source = (version: string, more = ""): string =>
  `export default class A { static version = "${version}"; which() { return "${version}"; } ${more} }`;

describeInEither("a swap to the version that serves", () => {
  it("changes nothing, and says so", async () => {
    const { modules, load } = await rig();
    await load("echo_v1", {}, "echo");
    const before = modules.get("echo");
    const result = await modules.swap("echo");
    expect(result).toMatchObject({ swapped: true, unchanged: true, fromVersion: "1.0.0", toVersion: "1.0.0" });
    expect(result.steps.map(({ name }) => name)).toEqual(["verify"]);
    expect(modules.get("echo")).toEqual(before);
  });

  it("happens nevertheless if it is forced, or if anything about it is new", async () => {
    const { path, write } = await ownRoot({ "a.js": source("1"), "b.js": source("1") });
    const { modules, load, call } = await rig({ root: path });
    await load("a");
    const generation = (): number => modules.get("a").record.generation;
    await modules.swap("a", { force: true });
    expect(generation()).toBe(2);
    await modules.swap("a", { version: "9" });
    expect(generation()).toBe(3);
    await modules.swap("a", { version: "9", config: { depth: 5 } });
    expect([generation(), modules.get("a").record.configVersion]).toEqual([4, 2]);
    await modules.swap("a", { version: "9", config: { depth: 5 } });
    expect(generation()).toBe(4);
    await modules.swap("a", { newVersionPath: "b" });
    expect(generation()).toBe(5);
    await write("b.js", source("2"));
    expect(await modules.swap("a")).toMatchObject({ unchanged: false, toVersion: "2" });
    expect(await call("a", "which")).toBe("2");
  });
});

describeInEither("a swap with an id", () => {
  it("gives the same outcome when it is sent again, and happens once", async () => {
    const { modules, load } = await rig();
    await load("echo_v1", {}, "echo");
    const once = () => modules.swap("echo", { newVersionPath: "echo_v2", swapId: "deploy-1" });
    const [first, joined] = await Promise.all([once(), once()]);
    const late = await once();
    const { module: _, ...report } = first;
    expect(joined).toMatchObject(report);
    expect(late).toMatchObject(report);
    expect(report).toMatchObject({ swapId: "deploy-1", swapped: true });
    expect(modules.get("echo").record.generation).toBe(2);
  });

  it("gives the same outcome after a restart, also if it failed", async () => {
    const engine = await rig();
    await engine.load("echo_v1", {}, "echo");
    const failing = { newVersionPath: "throws_on_start", swapId: "deploy-2" };
    const { module: _, ...report } = await engine.modules.swap("echo", failing);
    await engine.close();
    const next = await rig({ store: engine.store });
    await next.modules.settled;
    expect(await next.modules.swap("echo", failing)).toMatchObject(report);
    expect(report).toMatchObject({ swapped: false, failedStep: "start" });
  });

  it("is refused with other content", async () => {
    const { modules, load } = await rig();
    await load("echo_v1", {}, "echo");
    await modules.swap("echo", { newVersionPath: "echo_v2", swapId: "deploy-3" });
    const reused = modules.swap("echo", { newVersionPath: "echo_v1", swapId: "deploy-3" });
    expect(await errorOf(reused)).toMatchObject({ reason: "SWAP_ID_REUSED", metadata: { swap_id: "deploy-3" } });
  });

  it("does not count if its path was wrong", async () => {
    const { path, write } = await ownRoot({ "a.js": source("1") });
    const { modules, load } = await rig({ root: path });
    await load("a");
    const swap = () => modules.swap("a", { newVersionPath: "b", swapId: "deploy-4" });
    expect(await errorOf(swap())).toMatchObject({ reason: "MODULE_FILE_NOT_FOUND" });
    await write("b.js", source("2"));
    expect(await swap()).toMatchObject({ swapped: true, toVersion: "2" });
  });

  it("is remembered among the last 20", async () => {
    const { modules, load, store } = await rig();
    await load("echo_v1", {}, "echo");
    for (let count = 0; count < 25; count += 1) await modules.swap("echo", { swapId: `deploy-${count}` });
    expect((await store.list("swap/")).entries.length).toBe(20);
  });
});

describeInEither("a swap", () => {
  it("is refused if the serving generation is not the expected one", async () => {
    const { modules, load } = await rig();
    await load("echo_v1", {}, "echo");
    const swap = (expectedGeneration: number) =>
      modules.swap("echo", { newVersionPath: "echo_v2", expectedGeneration });
    expect(await errorOf(swap(7))).toMatchObject({
      reason: "MODULE_GENERATION_MISMATCH",
      metadata: { name: "echo", expected: "7", actual: "1" },
    });
    expect(await swap(1)).toMatchObject({ swapped: true });
  });

  it("reports each step as it starts and ends, also to those who join late", async () => {
    const { modules, load } = await rig();
    await load("echo_v1", {}, "echo");
    const events: SwapEvent[] = [];
    const late: SwapEvent[] = [];
    let second: Promise<unknown> | undefined;
    const options = { newVersionPath: "echo_v2", swapId: "deploy" };
    await modules.swap("echo", options, {}, (event) => {
      events.push(event);
      if (event.type === "started" && event.name === "commit") {
        second = modules.swap("echo", options, {}, (same) => late.push(same));
      }
    });
    await second;
    expect(late).toEqual(events);
    const lines = events.map((event) => {
      if (event.type === "begun") return `begun ${event.swapId}`;
      return event.type === "started" ? `${event.name}` : `${event.step.name} ${event.step.outcome}`;
    });
    expect(lines).toEqual([
      "begun deploy",
      ...["verify", "verify done", "start", "start done", "health skipped", "gate skipped", "warm_up skipped"],
      ...["hand_over skipped", "commit", "commit done", "drain", "drain done", "stop", "stop done"],
    ]);
    const deadlines = events.flatMap((event) => (event.type === "started" ? [event.deadlineMs ?? 0] : []));
    expect(deadlines).toEqual([15_000, 10_000, 0, 31_000, 5000]);
  });

  it("leaves the old version serving, and nothing behind, if it is cancelled before the switch", async () => {
    const { modules, load, call } = await rig();
    await load("echo_v1", { callTimeoutMs: 60_000 }, "echo");
    const warming = Promise.withResolvers<void>();
    modules.addReloadHook("echo", async (instance) => {
      warming.resolve();
      await instance.invoke("hold");
    });
    const swapped = modules.swap("echo", { newVersionPath: "echo_v2", swapId: "deploy" });
    await warming.promise;
    expect(modules.swapUnderWay("echo")).toBe("deploy");
    expect(modules.generations("echo").map(({ state }) => state)).toEqual(["CANDIDATE", "CURRENT"]);
    expect(await errorOf(modules.cancelSwap("echo", "another"))).toMatchObject({ reason: "SWAP_NOT_FOUND" });
    const cancelled = await modules.cancelSwap("echo", "deploy", { actor: "ana", reason: "wrong file" });
    const failure = "it was cancelled by ana: wrong file";
    expect(cancelled).toMatchObject({ swapped: false, failedStep: "warm_up", failure });
    expect(await swapped).toMatchObject({ swapped: false, failure });
    expect(await call("echo", "who_am_i")).toMatchObject({ version: "1.0.0" });
    expect(modules.generations("echo").map(({ state }) => state)).toEqual(["FAILED", "CURRENT"]);
    expect(await errorOf(modules.cancelSwap("echo"))).toMatchObject({ reason: "SWAP_NOT_FOUND" });
  });

  it("happens without the old version's state on request", async () => {
    const { modules, load, call } = await rig();
    await load("counter_v1", {}, "counter");
    await call("counter", "increment");
    const { steps } = await modules.swap("counter", { newVersionPath: "counter_v2", discardState: true });
    expect(steps.find(({ name }) => name === "hand_over")).toMatchObject({
      outcome: "skipped",
      detail: "its state is discarded, as requested",
    });
    expect(await call("counter", "increment")).toBe(1);
  });

  it("passes the schema of the state to the new version", async () => {
    const states = (schema: number): string => `export default class A {
      static version = "${schema}";
      static stateSchema = ${schema};
      #from = null;
      from() { return this.#from; }
      exportState() { return new Uint8Array([1, 2, 3]); }
      importState(state, from) { this.#from = { ...from, bytes: [...state] }; }
    }`;
    const { path } = await ownRoot({ "v1.js": states(1), "v2.js": states(2) });
    const { modules, load, call } = await rig({ root: path });
    await load("v1", {}, "a");
    expect(await modules.swap("a", { newVersionPath: "v2" })).toMatchObject({ swapped: true });
    expect(await call("a", "from")).toEqual({ fromVersion: "1", schema: 1, bytes: [1, 2, 3] });
  });

  itInRows<[SwapOptions, string]>(4, [
    [{ bakeMs: -1 }, "bake_duration"],
    [{ bakeMaxErrorRate: 2 }, "bake_max_error_rate"],
    [{ bakeMinCalls: Number.NaN }, "bake_min_calls"],
    [{ maxPauseMs: 0 }, "max_pause"],
    [{ gateTimeoutMs: 0 }, "gate_timeout"],
    [{ swapId: "x".repeat(129) }, "swap_id"],
    [{ shadow: {} }, "shadow"],
    [{ shadow: { percentage: 0 } }, "shadow.percentage"],
    [{ canary: { percentage: 101 } }, "canary.percentage"],
    [{ canary: { maxLatencyRatio: 0.5 } }, "canary.max_latency_ratio"],
    [{ config: { at: () => {} } }, "config.at"],
  ])("a swap with %o is refused, and the error names the field", async (options, field) => {
    const { modules, load } = await rig();
    await load("echo_v1", {}, "echo");
    const error = await errorOf(modules.swap("echo", options));
    expect(error).toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field } });
    expect(await modules.swap("echo", { newVersionPath: "echo_v2" })).toMatchObject({ swapped: true });
  });
});
