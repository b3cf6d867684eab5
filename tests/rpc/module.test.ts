import { randomUUID } from "node:crypto";
import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { enumName } from "../../clients/typescript/src/index.ts";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { Isolation, ModuleState, ModuleStateSchema } from "../../gen/helios/v1/module_pb.ts";
import type { WatchModulesResponse } from "../../gen/helios/v1/module_service_pb.ts";
import { createManualClock } from "../../src/core/index.ts";
import { turn } from "../support/turns.ts";
import { until } from "../support/until.ts";
import { failure, serve } from "./module-rig.ts";

const echo = { name: "echo", modulePath: "echo_v1" };
const who = { actor: "ana", reason: "because" };

describe("ModuleService", () => {
  it("registers a module with every field, returns it, and hides the values of its environment", async () => {
    const { client } = await serve();
    const { module } = await client.registerModule({
      ...echo,
      version: "1.2.3",
      dependencies: ["b", "a"],
      hotReloadable: false,
      isolation: Isolation.THREAD,
      config: { deep: [1, { x: "y" }] },
      env: { B_KEY: "secret", A_KEY: "secret" },
      grants: { fsRead: ["/data"], fsWrite: ["/tmp"], net: true, childProcess: true },
      startTimeout: { seconds: 20n },
      callTimeout: { nanos: 250_000_000 },
      blockTimeout: { seconds: 2n },
      healthInterval: { seconds: 3n },
      pureMethods: ["echo"],
      maxHeapMb: 64,
      concurrency: 2,
      testSuite: "trading",
      testStubs: { a: { place_order: { id: 1 } }, b: "fakes.b" },
      testAllowDependencies: ["b"],
      reloadHooks: [{ method: "echo", input: { kind: { case: "numberValue", value: 5 } } }, { method: "echo" }],
      breaker: { failureThreshold: 2, timeout: { seconds: 3n } },
      fallbackModule: "spare",
      ...who,
    });
    expect(module).toMatchObject({
      name: "echo",
      modulePath: "echo_v1",
      version: "1.2.3",
      dependencies: ["a", "b"],
      hotReloadable: false,
      isolation: Isolation.THREAD,
      config: { deep: [1, { x: "y" }] },
      envNames: ["A_KEY", "B_KEY"],
      grants: { fsRead: ["/data"], fsWrite: ["/tmp"], net: true, childProcess: true },
      startTimeout: { seconds: 20n },
      callTimeout: { seconds: 0n, nanos: 250_000_000 },
      maxHeapMb: 64,
      concurrency: 2,
      testSuite: "trading",
      testStubs: { a: { place_order: { id: 1 } }, b: "fakes.b" },
      testAllowDependencies: ["b"],
      reloadHooks: [
        { method: "echo", input: { kind: { case: "numberValue", value: 5 } } },
        { method: "echo", input: { kind: { case: "nullValue" } } },
      ],
      breaker: { failureThreshold: 2, timeout: { seconds: 3n }, successThreshold: 2, probeConcurrency: 1 },
      fallbackModule: "spare",
      state: ModuleState.UNLOADED,
      generation: 0,
      methods: [],
      restarts: 0,
      inFlight: 0,
    });
    expect(module?.etag).not.toBe("");
    expect(module?.revision).toBeGreaterThan(0n);
    expect(await client.getModule({ name: "echo" })).toMatchObject({ module });
    const received = JSON.stringify(module, (_, value) => (typeof value === "bigint" ? String(value) : value));
    expect(received).not.toContain("secret");
  });

  it("fills in defaults for missing fields", async () => {
    const { client } = await serve();
    const { module } = await client.registerModule(echo);
    expect(module).toMatchObject({
      version: "",
      hotReloadable: true,
      isolation: Isolation.PROCESS,
      config: {},
      grants: { fsRead: [], fsWrite: [], net: false, childProcess: false },
      startTimeout: { seconds: 10n },
      callTimeout: { seconds: 30n },
      blockTimeout: { seconds: 5n },
      healthInterval: { seconds: 10n },
      pureMethods: [],
      configVersion: 1,
      maxHeapMb: 256,
      concurrency: 64,
      breaker: { failureThreshold: 5, timeout: { seconds: 60n } },
    });
    expect(module?.failure).toBeUndefined();
    expect(module?.lastSwap).toBeUndefined();
    expect(module?.loadTime).toBeUndefined();
  });

  it("loads, calls, unloads and deletes a module", async () => {
    const { client, engine } = await serve();
    await client.registerModule(echo);
    const { module } = await client.loadModule({ name: "echo", ...who });
    expect(module).toMatchObject({ state: ModuleState.ACTIVE, version: "1.0.0", generation: 1 });
    expect(module?.runningSha256).toMatch(/^[0-9a-f]{64}$/);
    expect(module?.methods).toContain("echo");
    expect(module?.loadTime && timestampMs(module.loadTime)).toBeGreaterThan(0);
    const [change] = await engine.store.history("module/echo", 1);
    expect(change?.cause).toEqual({ action: "LoadModule", ...who });
    const json = { kind: { case: "stringValue" as const, value: "hello" } };
    const answer = await client.invokeModule({ name: "echo", method: "echo", input: { case: "json", value: json } });
    expect(answer).toMatchObject({
      output: { case: "json", value: json },
      version: "1.0.0",
      generation: 1,
      answeredBy: "echo",
    });
    expect(answer.duration && durationMs(answer.duration)).toBeGreaterThan(0);
    const unloaded = await client.unloadModule({ name: "echo" });
    expect(unloaded).toMatchObject({ module: { state: ModuleState.UNLOADED, methods: [] }, unloaded: ["echo"] });
    const deleted = await client.deleteModule({ name: "echo" });
    expect(deleted.module).toEqual(unloaded.module);
    expect(deleted.revision).toBeGreaterThan(unloaded.module?.revision ?? 0n);
    expect(await failure(client.getModule({ name: "echo" }))).toMatchObject({
      code: "NotFound",
      reason: "MODULE_NOT_FOUND",
      metadata: { name: "echo" },
    });
  });

  it("carries bytes, and null if there is no input", async () => {
    const { client } = await serve();
    await client.registerModule(echo);
    await client.loadModule({ name: "echo" });
    const value = Uint8Array.from([0, 255, 128]);
    const { output } = await client.invokeModule({ name: "echo", method: "echo", input: { case: "binary", value } });
    expect(output).toEqual({ case: "binary", value });
    const nothing = await client.invokeModule({ name: "echo", method: "echo" });
    expect(nothing.output).toMatchObject({ case: "json", value: { kind: { case: "nullValue" } } });
  });

  it("loads without traffic, and with dependencies", async () => {
    const { client } = await serve();
    await client.registerModule(echo);
    await client.registerModule({ name: "caller", modulePath: "caller", dependencies: ["echo"] });
    expect(await failure(client.loadModule({ name: "caller" }))).toMatchObject({
      code: "FailedPrecondition",
      reason: "MODULE_DEPENDENCY_NOT_LOADED",
      metadata: { name: "caller", dependencies: "echo" },
    });
    const loaded = await client.loadModule({ name: "caller", loadDependencies: true, activate: false });
    expect(loaded.module?.state).toBe(ModuleState.LOADED);
    expect((await client.getModule({ name: "echo" })).module?.state).toBe(ModuleState.ACTIVE);
    expect(await failure(client.unloadModule({ name: "echo" }))).toMatchObject({
      code: "FailedPrecondition",
      reason: "MODULE_HAS_DEPENDENTS",
      metadata: { name: "echo", dependents: "caller" },
    });
    const { unloaded } = await client.unloadModule({ name: "echo", cascade: true });
    expect(unloaded).toEqual(["caller", "echo"]);
  });

  it("swaps and reports the steps; a failed swap is an answer, not an error", async () => {
    const { client } = await serve();
    await client.registerModule(echo);
    await client.loadModule({ name: "echo" });
    const swap = await client.swapModule({ name: "echo", newVersionPath: "echo_v2" });
    expect(swap).toMatchObject({ swapped: true, failedStep: "", failure: "" });
    expect(swap.module).toMatchObject({ version: "2.0.0", modulePath: "echo_v2", generation: 2 });
    expect(swap.module?.lastSwap).toMatchObject({ swapped: true, fromVersion: "1.0.0", toVersion: "2.0.0" });
    expect(swap.module?.lastSwap?.steps).toEqual(swap.steps);
    expect(swap.steps.map(({ name, outcome }) => `${name} ${outcome}`)).toEqual([
      "verify done",
      "start done",
      "health skipped",
      "gate skipped",
      "warm_up skipped",
      "hand_over skipped",
      "commit done",
      "drain done",
      "stop done",
    ]);
    const failed = await client.swapModule({ name: "echo", newVersionPath: "throws_on_start" });
    expect(failed).toMatchObject({ swapped: false, failedStep: "start", module: { state: ModuleState.ACTIVE } });
    expect(failed.failure).toContain("the model file is missing");
    const { version } = await client.invokeModule({ name: "echo", method: "echo" });
    expect(version).toBe("2.0.0");
    const reloaded = await client.loadModule({ name: "echo", forceReload: true });
    expect(reloaded.module?.generation).toBe(4);
  });

  it("pages its list, by name", async () => {
    const { client } = await serve();
    for (const name of ["c", "a", "b"]) await client.registerModule({ ...echo, name });
    const first = await client.listModules({ pageSize: 2 });
    expect(first.modules.map(({ name }) => name)).toEqual(["a", "b"]);
    const second = await client.listModules({ pageSize: 2, pageToken: first.nextPageToken });
    expect(second.modules.map(({ name }) => name)).toEqual(["c"]);
    expect(second.nextPageToken).toBe("");
    expect(await failure(client.listModules({ pageToken: "nonsense" }))).toMatchObject({
      reason: "PAGE_TOKEN_INVALID",
    });
  });

  it("repeats the first answer to a repeated request, and runs it once", async () => {
    const { client } = await serve();
    const requestId = randomUUID();
    const first = await client.registerModule({ ...echo, requestId });
    await client.loadModule({ name: "echo" });
    expect(await client.registerModule({ ...echo, requestId })).toEqual(first);
    expect(await failure(client.registerModule({ ...echo, name: "other", requestId }))).toMatchObject({
      code: "InvalidArgument",
      reason: "REQUEST_ID_REUSED",
    });
    await client.registerModule({ name: "counter", modulePath: "counter_v1" });
    await client.loadModule({ name: "counter" });
    const increment = { name: "counter", method: "increment", idempotencyKey: "one" };
    const counts = await Promise.all([client.invokeModule(increment), client.invokeModule(increment)]);
    counts.push(await client.invokeModule(increment), await client.invokeModule({ ...increment, idempotencyKey: "" }));
    expect(counts.map(({ output }) => output.case === "json" && output.value.kind.value)).toEqual([1, 1, 1, 2]);
  });
});

describe("the errors of ModuleService", () => {
  it("describe registrations that are not possible", async () => {
    const { client } = await serve();
    await client.registerModule(echo);
    const register = (fields: object) => failure(client.registerModule({ ...echo, ...fields }));
    expect(await register({ version: "2" })).toMatchObject({
      code: "AlreadyExists",
      reason: "MODULE_ALREADY_EXISTS",
      metadata: { name: "echo", differences: "version", state: "UNLOADED" },
    });
    expect(await register({ name: "a", modulePath: "../a" })).toMatchObject({
      code: "InvalidArgument",
      reason: "MODULE_PATH_OUTSIDE_ROOT",
      metadata: { module_path: "../a" },
    });
    expect(await register({ name: "a", modulePath: "nothing" })).toMatchObject({
      code: "InvalidArgument",
      reason: "MODULE_FILE_NOT_FOUND",
      metadata: { module_path: "nothing" },
    });
    expect(await register({ name: "a", sha256: "0".repeat(64) })).toMatchObject({
      code: "FailedPrecondition",
      reason: "MODULE_DIGEST_MISMATCH",
    });
    await client.registerModule({ name: "a", modulePath: "caller", dependencies: ["b"] });
    expect(await register({ name: "b", dependencies: ["a"] })).toMatchObject({
      code: "FailedPrecondition",
      reason: "MODULE_DEPENDENCY_CYCLE",
      metadata: { name: "b", cycle: "b -> a -> b" },
    });
    const replaced = await client.registerModule({ ...echo, version: "2", replace: true });
    expect(replaced.module?.version).toBe("2");
  });

  it.each<[string, object]>([
    ["name", { name: "" }],
    ["module_path", { modulePath: "" }],
    ["dependencies", { dependencies: ["a", "a"] }],
    ["dependencies[0]", { dependencies: ["a/b"] }],
    ["sha256", { sha256: "xyz" }],
    ["call_timeout", { callTimeout: { seconds: -1n } }],
    ["concurrency", { concurrency: 0 }],
    ["breaker.failure_threshold", { breaker: { failureThreshold: 0 } }],
  ])("name the field %s that is wrong", async (field, fields) => {
    const { client } = await serve();
    expect(await failure(client.registerModule({ ...echo, ...fields }))).toMatchObject({
      code: "InvalidArgument",
      reason: "ARGUMENT_INVALID",
      metadata: { field },
    });
  });

  it("describe failed loads, with the module's own error and stack", async () => {
    const { client } = await serve();
    await client.registerModule({ name: "m", modulePath: "throws_on_start" });
    const error = await failure(client.loadModule({ name: "m" }));
    expect(error).toMatchObject({
      code: "FailedPrecondition",
      reason: "MODULE_LOAD_FAILED",
      metadata: { name: "m", step: "start", error: "the model file is missing" },
    });
    expect(error.metadata.stack).toContain("throws_on_start.ts");
    const { module } = await client.getModule({ name: "m" });
    expect(module).toMatchObject({
      state: ModuleState.FAILED,
      failure: { step: "start", message: "the model file is missing" },
    });
    await client.registerModule({ name: "five", modulePath: "not_a_module" });
    expect(await failure(client.loadModule({ name: "five" }))).toMatchObject({
      code: "InvalidArgument",
      reason: "MODULE_INVALID",
    });
  });

  it("describe operations that the state does not allow", async () => {
    const { client } = await serve();
    await client.registerModule(echo);
    expect(await failure(client.swapModule({ name: "echo" }))).toMatchObject({
      code: "FailedPrecondition",
      reason: "MODULE_STATE_CONFLICT",
      metadata: { name: "echo", state: "UNLOADED", expected: "ACTIVE" },
    });
    expect(await failure(client.invokeModule({ name: "echo", method: "echo" }))).toMatchObject({
      code: "FailedPrecondition",
      reason: "MODULE_NOT_LOADED",
      metadata: { name: "echo", state: "UNLOADED" },
    });
    const loading = client.loadModule({ name: "echo" });
    const busy = failure(client.unloadModule({ name: "echo" }));
    await loading;
    expect(await busy).toMatchObject({ code: "Aborted", reason: "MODULE_BUSY", metadata: { operation: "LoadModule" } });
    expect(await failure(client.deleteModule({ name: "echo" }))).toMatchObject({ reason: "MODULE_STATE_CONFLICT" });
    expect(await failure(client.unloadModule({ name: "echo", etag: "old" }))).toMatchObject({
      code: "Aborted",
      reason: "ETAG_MISMATCH",
    });
    await client.registerModule({ ...echo, name: "fixed", hotReloadable: false });
    await client.loadModule({ name: "fixed" });
    expect(await failure(client.swapModule({ name: "fixed" }))).toMatchObject({
      code: "FailedPrecondition",
      reason: "MODULE_NOT_HOT_RELOADABLE",
    });
  });

  it.each(["loadModule", "unloadModule", "swapModule", "deleteModule", "getModule"] as const)(
    "describe %s of an unknown module",
    async (rpc) => {
      const { client } = await serve();
      expect(await failure(client[rpc]({ name: "unknown" }))).toMatchObject({
        code: "NotFound",
        reason: "MODULE_NOT_FOUND",
      });
    },
  );

  it("describe failed calls, by kind", async () => {
    const { client } = await serve();
    await client.registerModule(echo);
    await client.registerModule({ ...echo, name: "hasty", callTimeout: { nanos: 50_000_000 } });
    for (const name of ["echo", "hasty"]) await client.loadModule({ name });
    const call = (method: string, message = "no", name = "echo") => {
      const value = { kind: { case: "structValue" as const, value: { fields: { message: text(message) } } } };
      return failure(client.invokeModule({ name, method, input: { case: "json", value } }));
    };
    expect(await call("fly")).toMatchObject({
      code: "Unimplemented",
      reason: "MODULE_METHOD_NOT_FOUND",
      metadata: { name: "echo", method: "fly" },
    });
    expect(await call("fail", "no such order")).toMatchObject({
      code: "Internal",
      reason: "MODULE_METHOD_FAILED",
      metadata: { name: "echo", method: "fail", error: "no such order" },
    });
    expect(await call("hold", "", "hasty")).toMatchObject({
      code: "DeadlineExceeded",
      reason: "MODULE_DEADLINE_EXCEEDED",
    });
    expect(await call("exit")).toMatchObject({ code: "Unavailable", reason: "MODULE_CRASHED" });
    expect(await failure(client.invokeModule({ name: "unknown", method: "echo" }))).toMatchObject({
      reason: "MODULE_NOT_FOUND",
    });
  });

  it("say whose fault a failure is by the code, and show what the module threw in the metadata", async () => {
    const { client, engine } = await serve();
    await client.registerModule({ name: "refusing", modulePath: "refusing", breaker: { failureThreshold: 1 } });
    await client.loadModule({ name: "refusing" });
    const place = (how: string) => {
      const value = { kind: { case: "structValue" as const, value: { fields: { how: text(how) } } } };
      return failure(client.invokeModule({ name: "refusing", method: "place", input: { case: "json", value } }));
    };
    const reason = "MODULE_METHOD_FAILED";
    expect(await place("argument")).toMatchObject({
      code: "InvalidArgument",
      reason,
      metadata: { error_name: "RangeError", error: "quantity is -1", caller_fault: "true" },
    });
    expect(await place("state")).toMatchObject({
      code: "FailedPrecondition",
      reason,
      metadata: { error_code: "insufficient_margin", error_fields: '{"required":1200.5}', caller_fault: "true" },
    });
    expect(engine.breakers.get("module:refusing").counts).toMatchObject({ failures: 0, ignored: 2 });
    const { code, metadata } = await place("");
    expect(code).toBe("Internal");
    expect(JSON.parse(metadata.error_cause ?? "")).toMatchObject({ name: "Error", code: "SHORT" });
  });

  it("say how long a breaker stays open", async () => {
    const { client, engine } = await serve(createManualClock());
    await client.registerModule({ ...echo, breaker: { failureThreshold: 1, timeout: { seconds: 7n } } });
    await client.loadModule({ name: "echo" });
    const value = { kind: { case: "structValue" as const, value: { fields: { message: text("no") } } } };
    await failure(client.invokeModule({ name: "echo", method: "fail", input: { case: "json", value } }));
    const open = await failure(client.invokeModule({ name: "echo", method: "echo" }));
    expect(open).toMatchObject({ code: "Unavailable", reason: "BREAKER_OPEN", metadata: { name: "module:echo" } });
    expect(open.error.findDetails(RetryInfoSchema)[0]).toMatchObject({ retryDelay: { seconds: 7n } });
    expect(engine.breakers.get("module:echo").counts.rejected).toBe(1);
  });

  it("say that too many calls wait", async () => {
    const { client, engine } = await serve();
    await client.registerModule({ ...echo, concurrency: 1 });
    await client.loadModule({ name: "echo" });
    const callers = new AbortController();
    const { signal } = callers;
    const calls = [1, 2, 3, 4, 5].map(() => failure(client.invokeModule({ name: "echo", method: "hold" }, { signal })));
    await until(() => engine.modules.inFlight("echo") !== 0);
    await turn();
    expect(await failure(client.invokeModule({ name: "echo", method: "echo" }))).toMatchObject({
      code: "ResourceExhausted",
      reason: "MODULE_OVERLOADED",
      metadata: { name: "echo", in_flight: "1", queued: "4" },
    });
    callers.abort();
    for (const call of calls) expect(await call).toMatchObject({ code: "Canceled" });
  });
});

describe("a caller of InvokeModule that leaves", () => {
  it("ends the call in the module, and the call does not count for the module", async () => {
    const { client, engine } = await serve();
    await client.registerModule(echo);
    await client.loadModule({ name: "echo" });
    const caller = new AbortController();
    const held = failure(client.invokeModule({ name: "echo", method: "hold" }, { signal: caller.signal }));
    await until(() => engine.modules.inFlight("echo") !== 0);
    // The module answered this call after the held one arrived, so the held one runs by now.
    await engine.call("echo", "echo");
    caller.abort();
    expect(await held).toMatchObject({ code: "Canceled" });
    await until(() => engine.modules.inFlight("echo") === 0);
    expect(await engine.call("echo", "aborted")).toBe(1);
    expect(engine.breakers.get("module:echo").counts).toMatchObject({ failures: 0, ignored: 1 });
  });

  it("a call whose caller leaves at its own deadline, before call_timeout, does not count for the module either", async () => {
    const { client, engine } = await serve();
    await client.registerModule(echo);
    await client.loadModule({ name: "echo" });
    const held = failure(client.invokeModule({ name: "echo", method: "hold" }, { timeoutMs: 500 }));
    expect(await held).toMatchObject({ code: "DeadlineExceeded" });
    await until(() => engine.modules.inFlight("echo") === 0);
    expect(engine.breakers.get("module:echo").counts).toMatchObject({ failures: 0, ignored: 1 });
  });
});

describe("WatchModules", () => {
  it("sends the modules as they are, and then each change with its cause", async () => {
    const { client } = await serve();
    await client.registerModule(echo);
    await client.registerModule({ ...echo, name: "other" });
    const stop = new AbortController();
    const frames = client.watchModules({ names: ["echo"] }, { signal: stop.signal })[Symbol.asyncIterator]();
    const { frame, heartbeatInterval, resumeToken } = await next(frames);
    expect(frame).toMatchObject({ case: "snapshot", value: { complete: true, modules: [{ name: "echo" }] } });
    expect(heartbeatInterval?.seconds).toBe(15n);
    expect(resumeToken).not.toBe("");
    await client.loadModule({ name: "echo", ...who });
    await client.unloadModule({ name: "echo" });
    await client.deleteModule({ name: "echo" });
    const received: string[] = [];
    while (!received.some((line) => line.startsWith("deleted"))) {
      const { frame: changed } = await next(frames);
      if (changed.case !== "changes") continue;
      for (const { change, cause } of changed.value.changes) {
        const state = change.case === "put" ? enumName(ModuleStateSchema, change.value.state) : "";
        received.push(
          `${change.case === "put" ? state : `deleted ${change.value?.name}`} ${cause?.action} ${cause?.actor}`,
        );
      }
    }
    stop.abort();
    expect(received).toEqual([
      "LOADING LoadModule ana",
      "ACTIVE LoadModule ana",
      "UNLOADING UnloadModule ",
      "UNLOADED UnloadModule ",
      "deleted echo DeleteModule ",
    ]);
  });

  it("resumes after its token", async () => {
    const { client } = await serve();
    const first = client.watchModules({})[Symbol.asyncIterator]();
    const { resumeToken } = await next(first);
    await first.return?.(undefined);
    await client.registerModule(echo);
    const stop = new AbortController();
    const second = client.watchModules({ resumeToken }, { signal: stop.signal })[Symbol.asyncIterator]();
    const { frame } = await next(second);
    expect(frame).toMatchObject({ case: "changes", value: { changes: [{ change: { value: { name: "echo" } } }] } });
    stop.abort();
  });
});

const text = (value: string) => ({ kind: { case: "stringValue" as const, value } });

async function next(frames: AsyncIterator<WatchModulesResponse>): Promise<WatchModulesResponse> {
  const { done, value } = await frames.next();
  if (done) throw new Error("the watch ended");
  return value;
}
