import { expect, it } from "vitest";
import { errorOf } from "../../../support/errors.ts";
import { describeInEach, describeInEither } from "../../../support/isolations.ts";
import { itInRows } from "../../../support/rows.ts";
import { hanging, ownRoot, rig, statesOf } from "../rig.ts";

describeInEach("a module in a %s", (isolation) => {
  it("goes from UNLOADED through LOADING to ACTIVE, answers, and goes back", async () => {
    const engine = await rig();
    const { modules, call } = engine;
    await engine.load("echo_v1", { isolation, config: { a: [1] }, env: { SECRET: "s" } }, "echo");
    expect(modules.get("echo").record).toMatchObject({
      desired: "ACTIVE",
      generation: 1,
      restarts: 0,
      lifecycle: {
        state: "ACTIVE",
        running: { generation: 1, version: "1.0.0", modulePath: "echo_v1", sha256: expect.stringMatching(/^\w{64}$/) },
      },
    });
    expect(await call("echo", "echo", { deep: [1, "two", null] })).toEqual({ deep: [1, "two", null] });
    expect(await call("echo", "who_am_i")).toMatchObject({ name: "echo", config: { a: [1] }, env: { SECRET: "s" } });
    const { module, unloaded } = await modules.unload("echo");
    expect(unloaded).toEqual(["echo"]);
    expect(module.record).toMatchObject({ desired: "UNLOADED", lifecycle: { state: "UNLOADED" } });
    expect(await statesOf(engine, "echo")).toEqual(["UNLOADED", "LOADING", "ACTIVE", "UNLOADING", "UNLOADED"]);
    expect(await errorOf(call("echo", "echo"))).toMatchObject({ reason: "MODULE_NOT_LOADED" });
  });

  itInRows(2, [
    ["throws_on_import", "import", "TypeError: no such thing"],
    ["throws_on_start", "start", "the model file is missing"],
    ["sick", "health", "no connection"],
  ])("a module that %s is FAILED at %s with a reason, and is not desired", async (path, step, error) => {
    const { modules, register, state } = await rig();
    await register(path, { isolation });
    const refused = await errorOf(modules.load(path));
    expect(refused).toMatchObject({ reason: "MODULE_LOAD_FAILED", metadata: { name: path, step, error } });
    expect(modules.get(path).record).toMatchObject({
      desired: "UNLOADED",
      lifecycle: { state: "FAILED", failure: { step, message: error } },
    });
    await modules.unload(path);
    expect(state(path)).toBe("UNLOADED");
  });
});

describeInEither("load", () => {
  it("a load of a module that hangs ends at its start_timeout", async () => {
    const { hostClock, log, hangs } = hanging();
    const { modules, register } = await rig({ hostClock, log });
    await register("hangs_on_start", { startTimeoutMs: 300 });
    const refused = errorOf(modules.load("hangs_on_start"));
    await hangs;
    hostClock.advance(300);
    expect(await refused).toMatchObject({
      reason: "MODULE_LOAD_FAILED",
      metadata: { step: "start", error: "it took longer than 0.3 s" },
    });
    expect(modules.get("hangs_on_start").record.lifecycle.state).toBe("FAILED");
  });

  it("a load of an unknown module fails with MODULE_NOT_FOUND", async () => {
    const { modules } = await rig();
    expect(await errorOf(modules.load("a"))).toMatchObject({ reason: "MODULE_NOT_FOUND", metadata: { name: "a" } });
    expect(await errorOf(modules.unload("a"))).toMatchObject({ reason: "MODULE_NOT_FOUND" });
  });

  it("a load of an ACTIVE module changes nothing", async () => {
    const { modules, load } = await rig();
    await load("echo_v1");
    const before = modules.get("echo_v1");
    expect(await modules.load("echo_v1")).toEqual(before);
    expect(await modules.load("echo_v1", { activate: false })).toEqual(before);
  });

  it("a load with activate = false starts a module that takes no traffic, until it is loaded again", async () => {
    const { modules, register, call, state } = await rig();
    await register("echo_v1");
    const loaded = await modules.load("echo_v1", { activate: false });
    expect(loaded.record).toMatchObject({ desired: "LOADED", lifecycle: { state: "LOADED" } });
    expect(await errorOf(call("echo_v1", "echo"))).toMatchObject({ metadata: { state: "LOADED" } });
    expect(() => modules.activeInstance("echo_v1")).toThrow("is LOADED, not ACTIVE");
    const active = await modules.load("echo_v1");
    expect(active.record).toMatchObject({ desired: "ACTIVE", generation: 1, lifecycle: { state: "ACTIVE" } });
    expect(await call("echo_v1", "echo", 1)).toBe(1);
    expect(state("echo_v1")).toBe("ACTIVE");
  });

  it("a load of a file without a module fails with MODULE_INVALID", async () => {
    const { modules, register } = await rig();
    await register("not_a_module");
    expect(await errorOf(modules.load("not_a_module"))).toMatchObject({ reason: "MODULE_INVALID" });
    expect(modules.get("not_a_module").record.lifecycle).toMatchObject({
      state: "FAILED",
      failure: { step: "verify" },
    });
  });

  it("a load of a module whose pinned file has changed fails with MODULE_DIGEST_MISMATCH", async () => {
    const { path, write } = await ownRoot({ "a.js": "export default class A { one() { return 1; } }" });
    const { modules, register, call } = await rig({ root: path });
    await register("a");
    const { sha256 } = await modules.startFresh("a").then(async (fresh) => {
      await fresh.instance.stop(1000);
      return fresh;
    });
    await modules.register("a", { modulePath: "a", sha256 }, { replace: true });
    await modules.load("a");
    expect(await call("a", "one")).toBe(1);
    await write("a.js", "export default class A { one() { return 2; } }");
    const error = await errorOf(modules.load("a", { forceReload: true }));
    expect(error).toMatchObject({ reason: "MODULE_LOAD_FAILED", metadata: { step: "verify" } });
    expect(await call("a", "one")).toBe(1);
    await modules.unload("a");
    expect(await errorOf(modules.load("a"))).toMatchObject({
      reason: "MODULE_DIGEST_MISMATCH",
      metadata: { expected: sha256 },
    });
  });

  it("takes the version from the registration, else from the class, else 0.0.0", async () => {
    const { modules, load } = await rig();
    const version = async (name: string): Promise<string> => (await modules.invoke(name, "echo", { json: 1 })).version;
    expect(await version(await load("echo_v1", { version: "7" }, "a"))).toBe("7");
    expect(await version(await load("echo_v1", {}, "b"))).toBe("1.0.0");
    await load("caller");
    expect(modules.get("caller").record.lifecycle).toMatchObject({ running: { version: "0.0.0" } });
  });

  it("excludes other operations: they fail with MODULE_BUSY, which names the running one", async () => {
    const { modules, register } = await rig();
    await register("echo_v1");
    const first = modules.load("echo_v1");
    expect(await errorOf(modules.unload("echo_v1"))).toMatchObject({
      reason: "MODULE_BUSY",
      metadata: { name: "echo_v1", operation: "LoadModule" },
    });
    expect(await errorOf(modules.swap("echo_v1"))).toMatchObject({ reason: "MODULE_BUSY" });
    expect(await errorOf(modules.delete("echo_v1"))).toMatchObject({ reason: "MODULE_BUSY" });
    expect((await first).record.lifecycle.state).toBe("ACTIVE");
  });

  it("is refused with a stale etag, as are unload and swap, and nothing changes", async () => {
    const { modules, load, state } = await rig();
    await load("echo_v1");
    const { etag } = modules.get("echo_v1");
    const by = { etag: "other" };
    expect(await errorOf(modules.load("echo_v1", {}, by))).toMatchObject({
      reason: "ETAG_MISMATCH",
      metadata: { etag },
    });
    expect(await errorOf(modules.swap("echo_v1", {}, by))).toMatchObject({ reason: "ETAG_MISMATCH" });
    expect(await errorOf(modules.unload("echo_v1", {}, by))).toMatchObject({ reason: "ETAG_MISMATCH" });
    expect(modules.get("echo_v1").etag).toBe(etag);
    await modules.unload("echo_v1", {}, { etag });
    expect(state("echo_v1")).toBe("UNLOADED");
  });

  it("records the actor and the reason", async () => {
    const { modules, register, store } = await rig();
    await register("echo_v1");
    await modules.load("echo_v1", {}, { actor: "ana", reason: "monday" });
    const [last] = await store.history("module/echo_v1", 1);
    expect(last?.cause).toEqual({ action: "LoadModule", actor: "ana", reason: "monday" });
  });
});

describeInEither("a forced reload", () => {
  it("starts the present file, and stops the old instance", async () => {
    const { path, write } = await ownRoot({ "a.js": "export default class A { one() { return 1; } }" });
    const { modules, load, call } = await rig({ root: path });
    await load("a", { version: "5" });
    await write("a.js", "export default class A { one() { return 2; } }");
    const { record } = await modules.load("a", { forceReload: true });
    expect(await call("a", "one")).toBe(2);
    expect(record).toMatchObject({ generation: 2, lastSwap: { swapped: true, fromVersion: "5", toVersion: "5" } });
    expect(record.registration.version).toBe("5");
  });

  it("a forced reload of a broken file fails with MODULE_LOAD_FAILED, and the old instance serves on", async () => {
    const { path, write } = await ownRoot({ "a.js": "export default class A { one() { return 1; } }" });
    const { modules, load, call, state } = await rig({ root: path });
    await load("a");
    await write("a.js", "export default class A { start() { throw new Error('boom'); } }");
    const error = await errorOf(modules.load("a", { forceReload: true }));
    expect(error).toMatchObject({ reason: "MODULE_LOAD_FAILED", metadata: { step: "start" } });
    expect(error.message).toContain("boom");
    expect(await call("a", "one")).toBe(1);
    expect(state("a")).toBe("ACTIVE");
    expect(modules.get("a").record.lastSwap).toMatchObject({ swapped: false, failedStep: "start" });
  });

  it("a forced reload of a LOADED module leaves it LOADED, unless the request activates it", async () => {
    const { modules, register } = await rig();
    await register("echo_v1");
    await modules.load("echo_v1", { activate: false });
    const again = await modules.load("echo_v1", { activate: false, forceReload: true });
    expect(again.record).toMatchObject({ desired: "LOADED", generation: 2, lifecycle: { state: "LOADED" } });
    const active = await modules.load("echo_v1", { forceReload: true });
    expect(active.record).toMatchObject({ desired: "ACTIVE", generation: 3, lifecycle: { state: "ACTIVE" } });
  });

  it("a forced reload of a module that is not hot-reloadable is refused", async () => {
    const { modules, load, call } = await rig();
    await load("echo_v1", { hotReloadable: false });
    const refused = await errorOf(modules.load("echo_v1", { forceReload: true }));
    expect(refused).toMatchObject({ reason: "MODULE_NOT_HOT_RELOADABLE" });
    expect(await call("echo_v1", "echo", 1)).toBe(1);
  });
});

describeInEither("dependencies", () => {
  it("must be ACTIVE: an error names those that are not, registered or not", async () => {
    const { modules, register, load, state } = await rig();
    await load("echo_v1", {}, "up");
    await register("echo_v1", {}, "down");
    await register("caller", { dependencies: ["up", "down", "unknown"] });
    expect(await errorOf(modules.load("caller"))).toMatchObject({
      reason: "MODULE_DEPENDENCY_NOT_LOADED",
      metadata: { name: "caller", dependencies: "down, unknown" },
    });
    expect(state("caller")).toBe("UNLOADED");
  });

  it("are loaded in order on request", async () => {
    const engine = await rig();
    const { modules, register, state } = engine;
    await register("echo_v1", {}, "c");
    await register("echo_v1", { dependencies: ["c"] }, "b");
    await register("caller", { dependencies: ["b", "c"] }, "a");
    const watcher = modules.hub.feed.revision;
    await modules.load("a", { loadDependencies: true });
    const { changes } = await engine.store.changes("module/", watcher, 100);
    const activated = changes.filter(({ value = "" }) => JSON.parse(value).lifecycle.state === "ACTIVE");
    expect(activated.map(({ key }) => key)).toEqual(["module/c", "module/b", "module/a"]);
    expect(["a", "b", "c"].map(state)).toEqual(["ACTIVE", "ACTIVE", "ACTIVE"]);
  });

  it("are loaded once if two loads need them at the same time", async () => {
    const { modules, register } = await rig();
    await register("echo_v1", {}, "c");
    await register("caller", { dependencies: ["c"] }, "a");
    await register("caller", { dependencies: ["c"] }, "b");
    await Promise.all(["a", "b"].map((name) => modules.load(name, { loadDependencies: true })));
    expect(modules.get("c").record).toMatchObject({ generation: 1, lifecycle: { state: "ACTIVE" } });
  });

  it("cannot be unloaded while dependents are loaded, unless the request unloads these first", async () => {
    const { modules, load, state } = await rig();
    await load("echo_v1", {}, "c");
    await load("echo_v1", { dependencies: ["c"] }, "b");
    await load("caller", { dependencies: ["b", "c"] }, "a");
    expect(await errorOf(modules.unload("c"))).toMatchObject({
      reason: "MODULE_HAS_DEPENDENTS",
      metadata: { name: "c", dependents: "a, b" },
    });
    expect(state("c")).toBe("ACTIVE");
    const { unloaded } = await modules.unload("c", { cascade: true });
    expect(unloaded).toEqual(["a", "b", "c"]);
    expect(["a", "b", "c"].map(state)).toEqual(["UNLOADED", "UNLOADED", "UNLOADED"]);
  });
});

describeInEither("unload", () => {
  it("lets the calls under way end, and refuses new ones", async () => {
    const { modules, load, call, reaches } = await rig();
    await load("echo_v1");
    const { instance } = modules.activeInstance("echo_v1");
    const held = call("echo_v1", "hold");
    const unloaded = modules.unload("echo_v1");
    await reaches("echo_v1", "UNLOADING");
    expect(await errorOf(call("echo_v1", "echo"))).toMatchObject({
      reason: "MODULE_NOT_LOADED",
      metadata: { state: "UNLOADING" },
    });
    await instance.invoke("release", { json: null }, { timeoutMs: 5000 });
    expect(await held).toBe("released");
    await unloaded;
  });

  it("changes nothing if the module is not loaded", async () => {
    const { modules, register } = await rig();
    await register("echo_v1");
    const before = modules.get("echo_v1");
    expect(await modules.unload("echo_v1")).toEqual({ module: before, unloaded: [] });
  });
});

describeInEither("a fresh instance", () => {
  it("is separate from the one that serves", async () => {
    const { modules, load, call } = await rig();
    await load("counter_v1");
    await call("counter_v1", "increment");
    const fresh = await modules.startFresh("counter_v1");
    const { sha256 } = modules.activeInstance("counter_v1");
    expect(fresh).toMatchObject({ name: "counter_v1", version: "1.0.0", sha256 });
    expect(await fresh.instance.invoke("increment", { json: null }, { timeoutMs: 5000 })).toEqual({ json: 1 });
    await fresh.instance.stop(1000);
    expect(await call("counter_v1", "increment")).toBe(2);
  });
});
