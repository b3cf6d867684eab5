import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, realpathSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { HeliosError, systemClock } from "../../../../src/core/index.ts";
import { createModuleHost } from "../../../../src/core/modules/host/index.ts";
import type { Instance, InstanceServices } from "../../../../src/core/modules/host/types/host.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEach } from "../../../support/isolations.ts";
import { SOAK } from "../../../support/soak.ts";
import { turns } from "../../../support/turns.ts";
import { until } from "../../../support/until.ts";
import { hostRig, NO_GRANTS, ROOT } from "../host-rig.ts";
import { hanging } from "../rig.ts";
import { sharedReaper } from "../shared-reaper.ts";

let logged: { level: string; message: string; fields: Record<string, unknown> }[];
let entry: () => void;

beforeEach(() => {
  logged = [];
  entry = () => {};
});

const services: InstanceServices = {
  log: (level, message, fields) => {
    logged.push({ level, message, fields });
    entry();
  },
  isFlagEnabled: (name, context) => name === "on" || context.session_id === "s1",
  call: async (dependency, method, input) => {
    if (dependency === "missing") throw HeliosError.of("MODULE_NOT_LOADED", { name: dependency, state: "UNLOADED" });
    return { json: { dependency, method, input } };
  },
};
const { host, start, share } = hostRig(services);

const json = async (
  instance: Instance,
  method: string,
  input: unknown = null,
  timeoutMs = 10_000,
): Promise<unknown> => {
  const output = await instance.invoke(method, { json: input }, { timeoutMs });
  return "json" in output ? output.json : output.binary;
};

describeInEach("an instance in a %s", (isolation) => {
  /** For tests that leave it as it was. */
  const echo = share(isolation, "echo");
  const misbehaving = share(isolation, "misbehaving");

  it("offers its public methods, its version and its implemented interfaces", async () => {
    const { shape } = await echo();
    expect(shape).toEqual({
      methods: ["askFlag", "callOther", "echo", "print", "surroundings", "takeYourTime"],
      version: "1.2.3",
      hasHealth: false,
      hasState: false,
    });
    expect((await start(isolation, "stateful")).shape).toMatchObject({ hasState: true });
  });

  it("answers JSON with JSON and bytes with the same bytes", async () => {
    const instance = await echo();
    const value = { text: "ä\u{1f600}", list: [1, 2.5, null, true], nested: { a: {} } };
    expect(await json(instance, "echo", value)).toEqual(value);
    const binary = new Uint8Array([0, 255, 1, 254]);
    const output = await instance.invoke("echo", { binary }, { timeoutMs: 1000 });
    expect(output).toEqual({ binary: expect.any(Uint8Array) });
    expect([...(output as { binary: Uint8Array }).binary]).toEqual([...binary]);
  });

  it("can be called in snake_case too, and never by a private name, an accessor or a lifecycle method", async () => {
    const instance = await echo();
    expect(await json(instance, "ask_flag", { name: "on" })).toBe(true);
    for (const method of ["_private", "accessor", "start", "constructor", "toString", "__proto__", "Echo"]) {
      expect((await errorOf(json(instance, method))).reason).toBe("MODULE_METHOD_NOT_FOUND");
    }
  });

  it("takes many calls at once, and each gets its own answer", async () => {
    const instance = await echo();
    const answers = await Promise.all(Array.from({ length: 500 }, (_, index) => json(instance, "echo", index)));
    expect(answers).toEqual(Array.from({ length: 500 }, (_, index) => index));
  });

  it("sees its configuration and exactly the environment of its registration", async () => {
    const instance = await start(isolation, "echo", { config: { limit: 5 }, env: { KEY: "value" } });
    expect(await json(instance, "surroundings")).toMatchObject({ env: { KEY: "value" }, config: { limit: 5 } });
    expect(Object.keys(((await json(instance, "surroundings")) as { env: object }).env)).toEqual(["KEY"]);
  });

  it("sees its version: the registered one, else that of the class, else the default", async () => {
    const versionOf = async (path: string, version: string): Promise<unknown> => {
      const instance = await start(isolation, path, { version, defaultVersion: "0.1.0" });
      return ((await json(instance, "surroundings")) as { version: string }).version;
    };
    expect(await versionOf("echo", "")).toBe("1.2.3");
    expect(await versionOf("echo", "9.9.9")).toBe("9.9.9");
    expect(await versionOf("unversioned", "")).toBe("0.1.0");
  });

  it("evaluates flags and calls others, and sees the reason of a refusal as the error's code", async () => {
    const instance = await echo();
    expect(await json(instance, "askFlag", { name: "off" })).toBe(false);
    expect(await json(instance, "askFlag", { name: "off", context: { session_id: "s1" } })).toBe(true);
    const call = { module: "other", method: "m", input: 1 };
    expect(await json(instance, "callOther", call)).toEqual({ dependency: "other", method: "m", input: { json: 1 } });
    expect(await json(instance, "callOther", { ...call, module: "missing" })).toMatchObject({
      code: "MODULE_NOT_LOADED",
    });
  });

  it("has each of its calls attributed to the call that it is answering", async () => {
    const origins: unknown[] = [];
    const recording = hostRig({
      async call(_to, _method, input, { origin }) {
        origins.push({ input, origin });
        return input;
      },
    });
    const instance = await recording.start(isolation, "echo");
    const call = (input: unknown, origin: unknown): Promise<unknown> =>
      instance.invoke("callOther", { json: { module: "other", method: "m", input } }, { timeoutMs: 5000, origin });
    await Promise.all([call(1, "first"), call(2, "second"), call(3, undefined)]);
    expect(origins).toEqual([
      { input: { json: 1 }, origin: "first" },
      { input: { json: 2 }, origin: "second" },
      { input: { json: 3 }, origin: undefined },
    ]);
  });

  it("reports its usage: a heap that grows with the kept data, and the share of time that it is busy", async () => {
    const instance = await echo();
    const { heapUsedBytes, externalBytes, eventLoopUtilization } = await instance.usage({ collect: true }, 5000);
    expect(heapUsedBytes).toBeGreaterThan(1_000_000);
    expect(externalBytes).toBeGreaterThan(0);
    expect(eventLoopUtilization).toBeGreaterThanOrEqual(0);
    expect(eventLoopUtilization).toBeLessThanOrEqual(1);
  });

  it("logs through the service, including its printed output", async () => {
    const instance = await start(isolation, "echo");
    const printed = new Promise<void>((resolve) => {
      entry = () => logged.filter(({ message }) => message.startsWith("to the")).length === 2 && resolve();
    });
    await json(instance, "print");
    await printed;
    expect(logged).toContainEqual({ level: "info", message: "started", fields: { name: "under_test" } });
    expect(logged).toContainEqual({ level: "info", message: "to the output", fields: { stream: "stdout" } });
    expect(logged).toContainEqual({ level: "warn", message: "to the error output", fields: { stream: "stderr" } });
  });

  it("may be an object from a factory, and may import files below the root", async () => {
    const instance = await start(isolation, "factory");
    expect(await json(instance, "hello", "you")).toBe("under_test greets you");
  });

  it("exports its state", async () => {
    const [old, next] = await Promise.all([start(isolation, "stateful"), start(isolation, "stateful")]);
    await json(old, "add", 41);
    await next.importState(await old.exportState(1000), { fromVersion: "1", schema: undefined }, 1000);
    expect(await json(next, "add", 1)).toBe(42);
  });

  it.each([
    ["fail", "out of range", "RangeError"],
    ["reject", "rejected", "TypeError"],
    ["throw_text", "just a text", "Error"],
    ["throw_trap", "the module threw a value that cannot be read", "Error"],
    ["nan", "output.prices[1] is NaN, which JSON does not have", "TypeError"],
    ["bigint", "output is a bigint, which JSON does not have; String() converts it to text", "TypeError"],
    ["circular", "output.self contains itself", "TypeError"],
    ["return_function", "output.call is a function, which JSON does not have", "TypeError"],
  ])("reports its error if it goes wrong in %s, and goes on", async (method, error, error_name) => {
    const instance = await misbehaving();
    const thrown = await errorOf(json(instance, method));
    expect(thrown).toMatchObject({ reason: "MODULE_METHOD_FAILED", metadata: { error, error_name } });
    expect(await json(instance, "nothing")).toBeNull();
  });

  it("reports the first lines of its stack where the caller was wrong, and only the part of a long message that fits", async () => {
    const instance = await misbehaving();
    const thrown = await errorOf(json(instance, "fail"));
    expect(thrown.metadata.stack).toContain("misbehaving.ts");
    expect(thrown.metadata.caller_fault).toBeUndefined();
    expect((await errorOf(json(instance, "blame_caller"))).metadata.caller_fault).toBe("true");
    expect((await errorOf(json(instance, "throw_long"))).message.length).toBeLessThan(5000);
  });

  it("answers dates as text and omits undefined values, as JSON does", async () => {
    const instance = await misbehaving();
    expect(await json(instance, "date")).toEqual({ at: "1970-01-01T00:00:00.000Z" });
  });

  it("gives up a call that does not end in time, and answers others", async () => {
    const instance = await misbehaving();
    expect((await errorOf(json(instance, "hang", null, 20))).reason).toBe("MODULE_DEADLINE_EXCEEDED");
    expect(await json(instance, "nothing")).toBeNull();
  });

  it("sees that its caller has left", async () => {
    const instance = await echo();
    const caller = new AbortController();
    const call = instance.invoke("takeYourTime", { json: null }, { timeoutMs: 10_000, signal: caller.signal });
    caller.abort(new Error("left"));
    await expect(call).rejects.toThrow("left");
    const late = instance.invoke(
      "echo",
      { json: 1 },
      { timeoutMs: 1000, signal: AbortSignal.abort(new Error("gone")) },
    );
    await expect(late).rejects.toThrow("gone");
  });

  it("is given up at the deadline in an endless loop, and is killed", async () => {
    const instance = await start(isolation, "misbehaving");
    expect((await errorOf(json(instance, "loop", null, 50))).reason).toBe("MODULE_DEADLINE_EXCEEDED");
    await instance.stop(50);
    expect(await instance.ended).toMatchObject({ expected: true });
  });

  it.each([
    ["exit", 3, "exit code 3"],
    ["later", null, "uncaught: thrown later"],
    ["reject_later", null, "uncaught: rejected later"],
  ])("fails the calls under way at once with the cause if it ends by %s", async (method, input, description) => {
    const instance = await start(isolation, "misbehaving");
    const hanging = errorOf(json(instance, "hang"));
    void json(instance, method, input).catch(() => {});
    expect(await instance.ended).toEqual({ expected: false, description });
    expect(await hanging).toMatchObject({ reason: "MODULE_CRASHED", metadata: { error: description } });
    expect((await errorOf(json(instance, "nothing"))).reason).toBe("MODULE_CRASHED");
  });

  it("harms no one by messages outside the protocol", async () => {
    const instance = await misbehaving();
    await json(instance, "forge");
    expect(await json(instance, "nothing")).toBeNull();
  });

  it("is unhealthy if its health method throws, and its state is refused if it cannot be sent", async () => {
    const instance = await start(isolation, "misbehaving");
    expect((await errorOf(instance.checkHealth(1000))).metadata.error).toBe("not well");
    expect((await errorOf(instance.exportState(1000))).reason).toBe("MODULE_METHOD_FAILED");
    await (await echo()).checkHealth(1000);
  });

  it("may not write, read elsewhere, start processes, use the network or import from outside", async () => {
    const instance = await misbehaving();
    const file = join(mkdtempSync(join(tmpdir(), "helios-host-")), "touched");
    expect((await errorOf(json(instance, "touch", file))).message).toMatch(/restricted|denied/i);
    expect(existsSync(file)).toBe(false);
    expect((await errorOf(json(instance, "read", "/etc/hostname"))).message).toMatch(/restricted|denied/i);
    expect((await errorOf(json(instance, "run"))).message).toMatch(/restricted|denied/i);
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    expect((await errorOf(json(instance, "connect", port))).message).toMatch(/restricted|denied/i);
    server.close();
    expect((await errorOf(json(instance, "importFile", join(ROOT, "../../../package.json")))).message).toContain(
      "below the modules root",
    );
  });

  it("may do what its grants allow", async () => {
    const directory = realpathSync(mkdtempSync(join(tmpdir(), "helios-host-")));
    const grants = { ...NO_GRANTS, fsWrite: [directory], fsRead: [directory] };
    const instance = await start(isolation, "misbehaving", { grants });
    await json(instance, "touch", join(directory, "touched"));
    expect(await json(instance, "read", join(directory, "touched"))).toBe("touched");
  });

  const startFails = async (file: string, step: string, error: string): Promise<void> => {
    const thrown = await errorOf(start(isolation, `broken/${file}`));
    expect(thrown).toMatchObject({ reason: "MODULE_LOAD_FAILED", metadata: { step } });
    expect(thrown.metadata.error).toContain(error);
  };

  it.each<[string, string, string]>([
    ["throws_at_import", "import", "broken at import"],
    ["imports_outside", "import", "outside of the modules root, and no fs_read covers it"],
    ["throws_at_construct", "construct", "broken at construct"],
    ["throws_at_start", "start", "broken at start"],
    ["exits_at_start", "start", "exit code 7"],
    ...(isolation === "PROCESS"
      ? [["eats_memory_at_start", "start", "out of memory"] as [string, string, string]]
      : []),
  ])("an instance of %s fails at %s with the reason", startFails);

  it.runIf(isolation === "PROCESS")("an instance of eats_memory_at_import fails at import with the reason", SOAK, () =>
    startFails("eats_memory_at_import", "import", "out of memory"),
  );

  it.each([
    ["hangs_at_import", "import"],
    ["hangs_at_start", "start"],
    ["loops_at_start", "start"],
  ])("an instance of %s is given up at its timeout, in the step %s", async (file, step) => {
    const { hostClock: clock, log, hangs } = hanging();
    const manual = createModuleHost({ root: ROOT, clock, reaper: sharedReaper });
    onTestFinished(() => manual.close());
    const rig = hostRig({ log: (level, message) => log("modules", level, message) }, manual);
    const thrown = errorOf(rig.start(isolation, `broken/${file}`, { startTimeoutMs: 700 }));
    await hangs;
    // The name of the step was sent before, through another pipe.
    await turns(3);
    clock.advance(700);
    expect(await thrown).toMatchObject({
      reason: "MODULE_LOAD_FAILED",
      metadata: { step, error: "it took longer than 0.7 s" },
    });
  });

  const isNoModule = async (file: string): Promise<void> => {
    expect((await errorOf(start(isolation, `broken/${file}`))).reason).toBe("MODULE_INVALID");
  };

  it("an instance of wrong_shape is not a module", () => isNoModule("wrong_shape"));

  it.each(["no_default", "factory_of_nothing"])("an instance of %s is not a module", SOAK, isNoModule);

  it("is killed if its stop hangs", async () => {
    const instance = await start(isolation, "broken/hangs_at_stop");
    await instance.stop(50);
    expect(await instance.ended).toMatchObject({ expected: true });
  });

  it("ends when it is stopped, and may be stopped again", async () => {
    const instance = await start(isolation, "echo");
    await Promise.all([instance.stop(5000), instance.stop(5000)]);
    await instance.stop(5000);
    expect(await instance.ended).toEqual({ expected: true, description: "exit code 0" });
  });
});

describe("an instance in a process", () => {
  it.each(["leak", "leak_buffers"])("ends alone with the cause if it exhausts its memory by %s", async (method) => {
    const instance = await start("PROCESS", "misbehaving", { maxHeapMb: 32 });
    void json(instance, method).catch(() => {});
    expect(await instance.ended).toEqual({ expected: false, description: "out of memory" });
  });

  it.each([
    ["an invalid message", [0, 0, 0, 4, 1, 2, 3, 4]],
    ["a length beyond all limits", [255, 255, 255, 255]],
  ])("ends alone if it writes %s to the service's pipe", async (_, bytes) => {
    const instance = await start("PROCESS", "misbehaving");
    const thrown = await errorOf(json(instance, "write_to_pipe", bytes));
    expect(thrown).toMatchObject({ reason: "MODULE_CRASHED", metadata: { error: "killed by SIGKILL" } });
  });

  it("ends together with the processes that it was allowed to start", async () => {
    const instance = await start("PROCESS", "misbehaving", { grants: { ...NO_GRANTS, childProcess: true } });
    const pid = (await json(instance, "run")) as number;
    process.kill(pid, 0);
    instance.kill();
    await instance.ended;
    const lives = (): boolean => {
      try {
        // A process that has ended, and that nobody has waited for, still exists as a zombie.
        return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
      } catch {
        return false;
      }
    };
    await until(() => !lives());
  });
});

describe("a module path", () => {
  it.each(["lib/helper", "lib/helper.mjs", "lib.helper"])("%s names the file", async (path) => {
    const bytes = readFileSync(join(ROOT, "lib/helper.mjs"));
    expect((await host.resolve(path)).sha256).toBe(createHash("sha256").update(bytes).digest("hex"));
  });

  it.each(["../modules/echo", "/etc/passwd", "lib/../../modules.ts", "..", "a\0b", "lib\\helper"])(
    "%j is refused because it leads outside",
    async (path) => {
      expect((await errorOf(host.resolve(path))).reason).toBe("MODULE_PATH_OUTSIDE_ROOT");
    },
  );

  it("may be a link, and is refused if the link leads outside", async () => {
    const root = mkdtempSync(join(tmpdir(), "helios-root-"));
    symlinkSync(join(ROOT, "echo.ts"), join(root, "outside.ts"));
    symlinkSync(ROOT, join(root, "directory"));
    const other = createModuleHost({ root, clock: systemClock });
    for (const path of ["outside", "directory/echo"]) {
      expect((await errorOf(other.resolve(path))).reason).toBe("MODULE_PATH_OUTSIDE_ROOT");
    }
  });

  it("a path without a file is refused with the paths that were tried, and a directory is not a module", async () => {
    const thrown = await errorOf(host.resolve("src.no.such"));
    expect(thrown.reason).toBe("MODULE_FILE_NOT_FOUND");
    expect(thrown.metadata.tried).toContain("src/no/such.ts");
    expect((await errorOf(host.resolve("broken/a_directory.ts"))).reason).toBe("MODULE_INVALID");
  });
});
