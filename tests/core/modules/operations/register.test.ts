import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { RegistrationFields } from "../../../../src/core/modules/record/record.ts";
import { DEFAULT_CONFIG } from "../../../../src/kernel/breakers/policy/defaults.ts";
import { errorOf } from "../../../support/errors.ts";
import { hostOf } from "../artifact-rig.ts";
import { ownRoot, rig } from "../rig.ts";

describe("register", () => {
  it("records the module with every default, and starts nothing", async () => {
    const { modules } = await rig();
    const module = await modules.register("echo", { modulePath: "echo_v1" }, {}, { actor: "ana" });
    expect(module).toMatchObject({ name: "echo", revision: expect.any(Number), etag: expect.any(String) });
    expect(module.record).toEqual({
      registration: {
        modulePath: "echo_v1",
        version: "",
        dependencies: [],
        hotReloadable: true,
        isolation: "PROCESS",
        config: {},
        env: {},
        sha256: "",
        grants: { fsRead: [], fsWrite: [], net: false, childProcess: false },
        startTimeoutMs: 10_000,
        callTimeoutMs: 30_000,
        blockTimeoutMs: 5000,
        healthIntervalMs: 10_000,
        maxHeapMb: 256,
        concurrency: 64,
        testSuite: "",
        reloadHooks: [],
        pureMethods: [],
        breaker: DEFAULT_CONFIG,
        fallbackModule: "",
        assets: [],
      },
      code: expect.objectContaining({
        modulePath: "echo_v1",
        sha256: expect.any(String),
        artifact: expect.any(String),
      }),
      configVersion: 1,
      desired: "UNLOADED",
      lifecycle: { state: "UNLOADED" },
      generation: 0,
      starts: 0,
      generations: [],
      restarts: 0,
    });
    expect(modules.get("echo")).toEqual(module);
    expect(modules.list()).toEqual([module]);
  });

  it("changes nothing if the content is the same, in whatever form it is written", async () => {
    const { modules, register } = await rig();
    const fields: RegistrationFields = {
      modulePath: "caller",
      dependencies: ["b", "a"],
      config: { x: 1, y: { p: 1, q: 2 } },
      hotReloadable: undefined,
    };
    const first = await modules.register("m", fields);
    const again = { ...fields, dependencies: ["a", "b"], config: { y: { q: 2, p: 1 }, x: 1 }, hotReloadable: true };
    expect(await modules.register("m", again)).toEqual(first);
    await register("echo_v1", {}, "a");
    await register("echo_v1", {}, "b");
    await modules.load("m", { loadDependencies: true });
    expect((await modules.register("m", fields)).record.lifecycle.state).toBe("ACTIVE");
  });

  it("changes nothing if the content is the same as before an update of Helios that added settings", async () => {
    const first = await rig();
    const { record } = await first.modules.register("m", { modulePath: "echo_v1" });
    await first.close();
    const { failureThreshold, timeoutMs } = record.registration.breaker;
    const registration = { ...record.registration, breaker: { failureThreshold, timeoutMs }, pureMethods: undefined };
    const cause = { action: "RegisterModule" };
    await first.store.put("module/m", JSON.stringify({ ...record, registration }), { cause });
    const second = await rig({ store: first.store });
    const known = second.modules.get("m");
    expect(await second.modules.register("m", { modulePath: "echo_v1" })).toEqual(known);
  });

  it("names the fields that differ, without their values, if the module is registered with other content", async () => {
    const { modules, register } = await rig();
    await register("echo_v1", { env: { KEY: "secret-1" } }, "m");
    const other = { modulePath: "echo_v2", env: { KEY: "secret-2" }, callTimeoutMs: 1, maxHeapMb: 64 };
    const error = await errorOf(modules.register("m", other));
    expect(error).toMatchObject({
      reason: "MODULE_ALREADY_EXISTS",
      metadata: { name: "m", differences: "call_timeout, env, max_heap_mb, module_path", state: "UNLOADED" },
    });
    expect(JSON.stringify([error.message, error.metadata])).not.toContain("secret");
  });

  it("replaces an UNLOADED or FAILED module on request, and no other", async () => {
    const { modules, load, register, state } = await rig();
    await load("echo_v1", {}, "m");
    const replace = { replace: true };
    expect(await errorOf(modules.register("m", { modulePath: "echo_v2" }, replace))).toMatchObject({
      reason: "MODULE_ALREADY_EXISTS",
      metadata: { state: "ACTIVE" },
    });
    await modules.unload("m");
    const replaced = await modules.register("m", { modulePath: "echo_v2" }, replace);
    expect(replaced.record).toMatchObject({ registration: { modulePath: "echo_v2" }, generation: 1 });
    await register("sick", {}, "ill");
    await errorOf(modules.load("ill"));
    await modules.register("ill", { modulePath: "echo_v2" }, replace);
    expect(state("ill")).toBe("UNLOADED");
    await modules.load("ill");
    expect(modules.get("ill").record).toMatchObject({ generation: 2, lifecycle: { state: "ACTIVE" } });
  });

  it("resolves the path at once", async () => {
    const { path } = await ownRoot({ "a.js": "export default class A {}" });
    await symlink(join(path, "..", "passwd"), join(path, "dangling.js"));
    await symlink("/etc/passwd", join(path, "outside.js"));
    const { modules } = await rig({ root: path });
    const reason = async (modulePath: string) => (await errorOf(modules.register("m", { modulePath }))).reason;
    expect(await reason("../a.js")).toBe("MODULE_PATH_OUTSIDE_ROOT");
    expect(await reason("outside.js")).toBe("MODULE_PATH_OUTSIDE_ROOT");
    expect(await reason("nothing")).toBe("MODULE_FILE_NOT_FOUND");
    expect(await reason("dangling.js")).toBe("MODULE_FILE_NOT_FOUND");
    expect(await errorOf(modules.register("m", { modulePath: "a", sha256: "0".repeat(64) }))).toMatchObject({
      reason: "MODULE_DIGEST_MISMATCH",
      metadata: { module_path: "a", expected: "0".repeat(64) },
    });
    expect(modules.list()).toEqual([]);
  });

  it("computes the digest of the file or of all its code, and only the latter changes with an import", async () => {
    const { path, write } = await ownRoot({ "a.mjs": 'import "./b.mjs"; export default class A {}', "b.mjs": "1;" });
    const { modules } = await rig({ root: path });
    const { sha256, artifact } = await hostOf(path).resolve("a");
    await modules.register("by_file", { modulePath: "a", sha256 });
    await modules.register("by_artifact", { modulePath: "a", sha256: artifact });
    await write("b.mjs", "2;");
    await modules.load("by_file");
    expect(await errorOf(modules.load("by_artifact"))).toMatchObject({ reason: "MODULE_DIGEST_MISMATCH" });
  });

  it("refuses a dependency that would close a cycle, with its path, in any order of registration", async () => {
    const { modules, register } = await rig();
    await register("caller", { dependencies: ["b"] }, "a");
    await register("caller", { dependencies: ["c"] }, "b");
    expect(await errorOf(register("caller", { dependencies: ["a"] }, "c"))).toMatchObject({
      reason: "MODULE_DEPENDENCY_CYCLE",
      metadata: { name: "c", cycle: "c -> a -> b -> c" },
    });
    expect(modules.list().map(({ name }) => name)).toEqual(["a", "b"]);
  });

  it("refuses a cycle that two simultaneous registrations would close", async () => {
    const { register } = await rig();
    const both = await Promise.allSettled([
      register("caller", { dependencies: ["b"] }, "a"),
      register("caller", { dependencies: ["a"] }, "b"),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  it("refuses a fallback that calls the module that it replaces", async () => {
    const { register } = await rig();
    await register("caller", { dependencies: ["quotes"] }, "trader");
    expect(await errorOf(register("echo_v1", { fallbackModule: "trader" }, "quotes"))).toMatchObject({
      reason: "MODULE_DEPENDENCY_CYCLE",
      metadata: { cycle: "quotes -> trader -> quotes" },
    });
  });

  it("refuses a stale etag", async () => {
    const { modules, register } = await rig();
    await register("echo_v1", {}, "m");
    const { etag } = modules.get("m");
    const change = (given: string) =>
      modules.register("m", { modulePath: "echo_v2" }, { replace: true }, { etag: given });
    expect(await errorOf(change("other"))).toMatchObject({ reason: "ETAG_MISMATCH" });
    expect((await change(etag)).record.registration.modulePath).toBe("echo_v2");
  });

  const wrong = (fields: unknown): RegistrationFields => ({ modulePath: "echo_v1", ...(fields as object) });

  it.each<[string, unknown, string]>([
    ["module_path", { modulePath: "" }, '"" is not allowed; expected a path below the modules root'],
    ["module_path", { modulePath: 5 }, "5 is not allowed; expected a string"],
    ["version", { version: "x".repeat(65) }, "65 characters; expected at most 64"],
    ["dependencies", { dependencies: "b" }, '"b" is not allowed; expected a list'],
    ["dependencies[0]", { dependencies: ["m"] }, "the module itself; expected another module"],
    ["dependencies[1]", { dependencies: ["a", "a"] }, "a comes twice; expected each name once"],
    ["dependencies[0]", { dependencies: ["-"] }, '"-" is not allowed; expected 1 to 120 letters'],
    ["hot_reloadable", { hotReloadable: "yes" }, '"yes" is not allowed; expected true or false'],
    ["isolation", { isolation: "WASM" }, '"WASM" is not allowed; expected PROCESS or THREAD'],
    ["config", { config: [1] }, "a list is not allowed; expected an object"],
    ["config.a[1]", { config: { a: [1, Number.NaN] } }, "NaN is not allowed; expected a finite number"],
    ["config.id", { config: { id: 2 ** 60 } }, "expected a number from -9007199254740991"],
    ["config.a", { config: { a: "\ud83d" } }, "half a character"],
    ["config.when", { config: { when: new Date(0) } }, "an object is not allowed; expected a JSON value"],
    ["env.KEY", { env: { KEY: 5 } }, "not allowed; expected a text of at most 32768 characters"],
    ["env.1A", { env: { "1A": "x" } }, "no name for a variable; expected letters"],
    ["sha256", { sha256: "ABC" }, '"ABC" is not allowed; expected 64 hex digits'],
    ["grants.fs_read[0]", { grants: { fsRead: ["etc"] } }, '"etc" is not allowed; expected an absolute path'],
    ["grants.net", { grants: { net: 1 } }, "1 is not allowed; expected true or false"],
    ["start_timeout", { startTimeoutMs: Number.NaN }, "NaN ms is not allowed; expected 1 ms to 600 s"],
    ["call_timeout", { callTimeoutMs: 0 }, "0 ms is not allowed; expected 1 ms to 3600 s"],
    [
      "health_interval",
      { healthIntervalMs: 99 },
      "99 ms is not allowed; expected 100 ms to 3600 s, or 0: it is not asked",
    ],
    ["health_interval", { healthIntervalMs: "1s" as never }, '"1s" is not allowed; expected 100 ms to 3600 s, or 0'],
    ["max_heap_mb", { maxHeapMb: 15 }, "15 is not allowed; expected a whole number from 16 to 65536"],
    ["concurrency", { concurrency: 1.5 }, "1.5 is not allowed; expected a whole number from 1 to 10000"],
    ["reload_hooks[0].method", { reloadHooks: [{ input: 1 }] }, "missing; expected a string"],
    ["breaker.failure_threshold", { breaker: { failureThreshold: 0 } }, "must be a whole number from 1"],
    ["fallback_module", { fallbackModule: "m" }, "the module itself; expected another module"],
  ])("refuses a wrong %s (%j)", async (field, fields, problem) => {
    const { modules } = await rig();
    const error = await errorOf(modules.register("m", wrong(fields)));
    expect(error).toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field } });
    expect(error.metadata.problem).toContain(problem);
    expect(modules.list()).toEqual([]);
  });

  it.each([
    "NODE_OPTIONS",
    "NODE_PATH",
    "NODE_REPL_EXTERNAL_MODULE",
    "NODE_CHANNEL_FD",
    "NODE_V8_COVERAGE",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "DYLD_INSERT_LIBRARIES",
    "OPENSSL_CONF",
  ])("refuses the variable %s, and does not reveal its value", async (variable) => {
    const { modules } = await rig();
    const error = await errorOf(
      modules.register("m", { modulePath: "echo_v1", env: { OWN: "1", [variable]: "secret" } }),
    );
    expect(error).toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field: `env.${variable}` } });
    expect(error.message).toContain(`${variable} would change which code runs`);
    expect(error.message).not.toContain("secret");
  });

  it("accepts variables with similar names", async () => {
    const { modules } = await rig();
    const env = { NODE_ENV: "production", NODE_EXTRA_CA_CERTS: "/etc/ca.pem", LD: "1", MY_LD_PRELOAD: "1" };
    await modules.register("m", { modulePath: "echo_v1", env });
    expect(modules.get("m").record.registration.env).toEqual(env);
  });

  it.each(["", "-a", "a b", "x".repeat(121)])("refuses the name %j", async (name) => {
    const { modules } = await rig();
    const error = await errorOf(modules.register(name, { modulePath: "echo_v1" }));
    expect(error).toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field: "name" } });
  });
});

describe("delete", () => {
  it("deletes an UNLOADED module with its breaker, and returns it as it was", async () => {
    const { modules, breakers, load, register, feed } = await rig();
    await load("echo_v1");
    await modules.unload("echo_v1");
    const before = modules.get("echo_v1");
    expect(await modules.delete("echo_v1")).toEqual({ module: before, revision: feed.revision });
    expect(() => modules.get("echo_v1")).toThrow("module echo_v1 is not registered");
    expect(breakers.list()).toEqual([]);
    await register("echo_v2", {}, "echo_v1");
    await modules.load("echo_v1");
  });

  it("refuses a module that runs, one with dependents, a stale etag, and an unknown module", async () => {
    const { modules, load, register } = await rig();
    await load("echo_v1", {}, "b");
    await register("caller", { dependencies: ["b"] }, "a");
    expect(await errorOf(modules.delete("b"))).toMatchObject({
      reason: "MODULE_HAS_DEPENDENTS",
      metadata: { name: "b", dependents: "a" },
    });
    expect(await errorOf(modules.delete("a", { etag: "x" }))).toMatchObject({ reason: "ETAG_MISMATCH" });
    await modules.delete("a");
    expect(await errorOf(modules.delete("b"))).toMatchObject({
      reason: "MODULE_STATE_CONFLICT",
      metadata: { state: "ACTIVE", operation: "DeleteModule", expected: "UNLOADED or FAILED" },
    });
    expect(await errorOf(modules.delete("a"))).toMatchObject({ reason: "MODULE_NOT_FOUND" });
  });
});
