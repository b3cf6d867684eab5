import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createMemoryStore } from "../../../../src/core/store/memory/store.ts";
import type { Store } from "../../../../src/core/store/store.ts";
import { createManualClock } from "../../../../src/kernel/clock.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEither } from "../../../support/isolations.ts";
import { itInRows } from "../../../support/rows.ts";
import { SOAK } from "../../../support/soak.ts";
import { refusing } from "../refusing.ts";
import { ownRoot, type Rig, rig, statesOf } from "../rig.ts";

/** Ends the service, and starts another one on the same store. */
async function restarted(before: Rig, options: Parameters<typeof rig>[0] = {}): Promise<Rig> {
  await before.close();
  return rig({ ...options, store: before.store });
}

const emptyStore = (): Store => createMemoryStore({ clock: createManualClock(), incarnation: "incarnation" });

describeInEither("a restart of the service", () => {
  it("restores the desired state of each module: swapped, LOADED or unloaded", async () => {
    const first = await rig();
    await first.load("counter_v1", {}, "counter");
    await first.modules.swap("counter", { newVersionPath: "counter_v2" });
    await first.register("echo_v1", {}, "loaded");
    await first.modules.load("loaded", { activate: false });
    await first.load("echo_v1", {}, "unloaded");
    await first.modules.unload("unloaded");
    const second = await restarted(first);
    await second.modules.settled;
    expect(second.modules.isSettled).toBe(true);
    expect(["counter", "loaded", "unloaded"].map(second.state)).toEqual(["ACTIVE", "LOADED", "UNLOADED"]);
    expect(second.modules.get("counter").record).toMatchObject({
      generation: 3,
      registration: { modulePath: "counter_v2", version: "2.0.0" },
      lifecycle: { running: { version: "2.0.0" } },
    });
    expect(await second.call("counter", "increment")).toBe(1);
  });

  it("shows watchers that no module ran, and then each module that returns", async () => {
    const first = await rig();
    await first.load("echo_v1");
    const { revision } = first.feed;
    const second = await restarted(first);
    await second.modules.settled;
    expect((await statesOf(second, "echo_v1")).slice(-4)).toEqual(["ACTIVE", "UNLOADED", "LOADING", "ACTIVE"]);
    const { changes } = await second.store.changes("module/", revision, 100);
    expect(changes.map(({ cause }) => cause.action)).toEqual(["Restore", "Restore", "Restore"]);
  });

  it("starts dependencies first, and independent modules at the same time", async () => {
    const first = await rig();
    await first.load("echo_v1", {}, "base");
    await first.load("caller", { dependencies: ["base"] }, "left");
    await first.load("caller", { dependencies: ["base"] }, "right");
    await first.load("caller", { dependencies: ["left", "right"] }, "top");
    const { revision } = first.feed;
    const second = await restarted(first);
    await second.modules.settled;
    const { changes } = await second.store.changes("module/", revision, 100);
    const order = changes
      .map(({ key, value = "" }) => `${key.slice("module/".length)} ${JSON.parse(value).lifecycle.state}`)
      .filter((line) => !line.endsWith("UNLOADED"));
    const at = (line: string): number => order.indexOf(line);
    expect(at("base ACTIVE")).toBeLessThan(at("left LOADING"));
    expect(at("base ACTIVE")).toBeLessThan(at("right LOADING"));
    const bothStart = Math.max(at("left LOADING"), at("right LOADING"));
    expect(bothStart).toBeLessThan(Math.min(at("left ACTIVE"), at("right ACTIVE")));
    expect(Math.max(at("left ACTIVE"), at("right ACTIVE"))).toBeLessThan(at("top LOADING"));
    expect(at("top ACTIVE")).toBe(order.length - 1);
  });

  itInRows<[string, string, number]>(1, [
    ["the record of its start", "breaker/module:echo_v1", 0],
    ["the beginning of its start", "module/echo_v1", 1],
    ["the end of its start", "module/echo_v1", 2],
  ])(
    "gives callers a retry time for a module that will start again, even if the store refused %s",
    async (_, key, taken) => {
      const { store, refuse, refused } = refusing();
      const first = await rig({ store });
      await first.load("echo_v1");
      await first.breakers.delete("module:echo_v1");
      await first.close();
      refuse(key, 1, taken);
      const clock = createManualClock();
      const second = await rig({ store, clock });
      await second.modules.settled;
      expect(refused()).toBe(1);
      const refusal = await errorOf(second.call("echo_v1", "echo"));
      expect(refusal).toMatchObject({ code: "UNAVAILABLE", retryAfterMs: expect.any(Number) });
      expect(refusal.retryAfterMs).toBeGreaterThanOrEqual(2000);
      clock.advance(2000);
      await second.reaches("echo_v1", "ACTIVE");
      expect(await second.call("echo_v1", "echo", 1)).toBe(1);
    },
  );

  it("is not delayed by a module that fails, or by its dependents", async () => {
    const source = `import { existsSync } from "node:fs";
      export default class A {
        start({ config }) { if (config.disk && !existsSync(config.disk)) throw new Error("no disk"); }
        one() { return 1; }
      }`;
    const { path, write } = await ownRoot({ "a.js": source, "b.js": source, disk: "" });
    const first = await rig({ root: path });
    const disk = join(path, "disk");
    await first.load("a", { config: { disk }, grants: { fsRead: [path] } });
    await first.load("b");
    await first.load("b", { dependencies: ["a"] }, "needs_a");
    await rm(disk);
    const second = await restarted(first, { root: path });
    await second.modules.settled;
    expect(["a", "b", "needs_a"].map(second.state)).toEqual(["FAILED", "ACTIVE", "FAILED"]);
    expect(second.modules.get("a").record.lifecycle).toMatchObject({ failure: { step: "start", message: "no disk" } });
    expect(second.modules.get("needs_a").record).toMatchObject({
      desired: "ACTIVE",
      lifecycle: {
        failure: { step: "dependencies", message: "module needs_a depends on modules that are not loaded: a" },
      },
    });
    // No caller gets a retry time for a module that is not started.
    for (const name of ["a", "needs_a"]) {
      expect(await errorOf(second.call(name, "one"))).toMatchObject({ reason: "MODULE_NOT_LOADED" });
    }
    await write("disk", "");
    const third = await restarted(second, { root: path });
    await third.modules.settled;
    expect(["a", "b", "needs_a"].map(third.state)).toEqual(["ACTIVE", "ACTIVE", "ACTIVE"]);
  });

  it("does not change the desired state, and refuses operations and calls from its beginning on", async () => {
    const engine = await rig();
    await engine.load("echo_v1");
    const before = engine.modules.get("echo_v1");
    await engine.modules.close();
    expect(engine.modules.get("echo_v1")).toEqual(before);
    expect(await errorOf(engine.modules.load("echo_v1"))).toMatchObject({ reason: "SERVER_DRAINING" });
    expect(await errorOf(engine.call("echo_v1", "echo"))).toMatchObject({ reason: "SERVER_DRAINING" });
    expect(await errorOf(engine.modules.startFresh("echo_v1"))).toMatchObject({ reason: "SERVER_DRAINING" });
  });

  it("a restart in the middle of a swap and a load restores both modules as desired", async () => {
    const first = await rig();
    await first.load("echo_v1", {}, "swapped");
    await first.register("hangs_on_start", {}, "loading");
    const swap = first.modules.swap("swapped", { newVersionPath: "hangs_on_start" });
    const load = errorOf(first.modules.load("loading"));
    await first.reaches("loading", "LOADING");
    const second = await restarted(first);
    expect(await swap).toMatchObject({ swapped: false });
    expect(await load).toMatchObject({ reason: "SERVER_DRAINING" });
    await second.modules.settled;
    expect(["swapped", "loading"].map(second.state)).toEqual(["ACTIVE", "UNLOADED"]);
    expect(await second.call("swapped", "who_am_i")).toMatchObject({ version: "1.0.0" });
  });
});

describeInEither("the first start", () => {
  const modulesFile = JSON.stringify({
    caller: { module_path: "caller", dependencies: ["echo"], load: true },
    echo: { module_path: "echo_v1", load: true },
    spare: { module_path: "echo_v2" },
  });

  it("registers the modules of the modules file, and loads those that it marks", async () => {
    const engine = await rig({ modulesFile });
    await engine.modules.settled;
    expect(engine.modules.list().map(({ name }) => `${name} ${engine.state(name)}`)).toEqual([
      "caller ACTIVE",
      "echo ACTIVE",
      "spare UNLOADED",
    ]);
    const asked = { of: "echo", method: "echo", input: 7 };
    expect(await engine.call("caller", "ask", asked)).toEqual({ answer: 7 });
    await engine.modules.unload("caller");
    await engine.modules.delete("caller");
    const second = await restarted(engine, { modulesFile });
    expect(second.modules.list().map(({ name }) => name)).toEqual(["echo", "spare"]);
  });

  it("is completed by the next start if it was interrupted", SOAK, async () => {
    const store = emptyStore();
    const full = await rig({ modulesFile, store });
    const [echo] = await store.history("module/echo", 1);
    await full.close();
    const cut = emptyStore();
    await cut.put("module-setup/first-start", "{}", { cause: { action: "InstallModules" } });
    await cut.put("module/echo", echo?.value ?? "", { cause: { action: "InstallModules" } });
    const engine = await rig({ modulesFile, store: cut });
    expect(engine.modules.list().map(({ name }) => name)).toEqual(["caller", "echo", "spare"]);
    await engine.modules.settled;
  });

  it("a first start without a modules file registers nothing", async () => {
    const { modules } = await rig();
    await modules.settled;
    expect(modules.list()).toEqual([]);
  });

  it("refuses an unreadable modules file, and says so", async () => {
    const error = await errorOf(rig({ modulesFile: new Error("it is not a file") }));
    expect(error).toMatchObject({
      reason: "MODULES_FILE_INVALID",
      metadata: { file: "modules.json", line: "0", problem: "cannot be read: it is not a file" },
    });
  });

  it.each([
    [{ m: { module_path: "../rig.ts" } }, "m.module_path", "leads out of the modules root"],
    [{ m: { module_path: "nothing" } }, "m.module_path", "names no file"],
    [{ m: { module_path: "echo_v1", sha256: "0".repeat(64) } }, "m.sha256", "has sha256"],
    [
      { a: { module_path: "caller", dependencies: ["b"] }, b: { module_path: "caller", dependencies: ["a"] } },
      "b.dependencies",
      "b -> a -> b",
    ],
    [{ a: { module_path: "echo_v1" }, b: { module_path: "echo_v1", concurrency: 0 } }, "b.concurrency", "0 is not"],
  ])(
    "refuses a modules file with a mistake, with the place, and registers nothing of it: %j",
    async (file, key, problem) => {
      const store = emptyStore();
      const error = await errorOf(rig({ modulesFile: JSON.stringify(file), store }));
      expect(error).toMatchObject({
        reason: "MODULES_FILE_INVALID",
        metadata: { file: "modules.json", line: "1", key },
      });
      expect(error.metadata.problem).toContain(problem);
      expect((await store.list("module")).entries).toEqual([]);
    },
  );
});
