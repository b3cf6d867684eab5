import { expect, it, onTestFinished } from "vitest";
import type { Engine, TrialCallOptions, TrialInstance, TrialOptions } from "../../../../src/core/index.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEither, usualIsolation } from "../../../support/isolations.ts";
import { until } from "../../../support/until.ts";
import { childrenOf } from "../../modules/processes.ts";
import { sharedEngine } from "../engine-rig.ts";
import { GATEWAY } from "../gateway.ts";

/** The ids of trials whose end was logged. */
const ended = new Set<unknown>();
const shared = sharedEngine({
  log: (_area, _level, message, fields) => {
    if (message === "trial ended") ended.add(fields?.id);
  },
});

const trader = (version: string): string => `export default class Trader {
  static version = "${version}";
  #ctx;
  #count = 0;
  async start(ctx) {
    this.#ctx = ctx;
    while (ctx.config.hang) await new Promise((resolve) => setTimeout(resolve, 5));
    if (ctx.config.fail) throw new Error("no desk today");
  }
  place_order(order) { return this.#ctx.call("gateway", "place_order", order); }
  quote() { return this.#ctx.call("gateway", "quote"); }
  config() { return this.#ctx.config; }
  count() { return ++this.#count; }
  pid() { return process.pid; }
  fail() { throw new Error("no"); }
  hang() { return new Promise(() => {}); }
  exit() { process.exit(3); }
  exit_soon() { setTimeout(() => process.exit(3), 1); }
}`;

const FILES = { "gateway.js": GATEWAY, "trader.js": trader("1.0.0"), "trader_v2.js": trader("2.0.0") };

async function desk(fields: Readonly<Record<string, unknown>> = {}): Promise<Engine> {
  shared.write(FILES);
  const engine = shared.engine();
  const isolation = usualIsolation();
  await engine.modules.register("gateway", { modulePath: "gateway", isolation });
  const of = { modulePath: "trader", isolation, dependencies: ["gateway"], config: { desk: "registered" } };
  // A start that hangs ends only if it is cancelled.
  const startTimeoutMs = 600_000;
  await engine.modules.register("trader", { ...of, startTimeoutMs, ...fields });
  return engine;
}

/** Opens a trial, which is closed at the end of the test. */
async function open(name: string, options?: TrialOptions): Promise<TrialInstance> {
  const { testing } = shared.engine();
  const trial = await testing.openTrial(name, options);
  onTestFinished(() => void testing.closeTrial(trial.id).catch(() => {}));
  return trial;
}

async function call({ id }: TrialInstance, method: string, input: unknown = null, options?: TrialCallOptions) {
  const { output } = await shared.engine().testing.invokeTrial(id, method, { json: input }, options);
  return "json" in output ? output.json : output.binary;
}

const refused = async (calling: Promise<unknown>) => {
  const { reason, metadata } = await errorOf(calling);
  return [reason, metadata];
};

describeInEither("a trial", () => {
  it("runs the registered code, keeps its state between calls, and changes nothing that is stored", async () => {
    const { testing, modules, revision } = await desk();
    const before = revision();
    const trial = await open("trader");
    expect(trial).toMatchObject({ name: "trader", modulePath: "trader", version: "1.0.0" });
    expect(trial.methods).toEqual(expect.arrayContaining(["count", "place_order"]));
    expect(trial.expireTime - trial.createTime).toBe(300_000);
    expect([await call(trial, "count"), await call(trial, "count")]).toEqual([1, 2]);
    expect(await errorOf(call(trial, "fail"))).toMatchObject({ reason: "MODULE_METHOD_FAILED" });
    const answer = await testing.invokeTrial(trial.id, "count", { json: null }, { name: "trader" });
    expect(answer).toMatchObject({ output: { json: 3 }, version: "1.0.0", generation: 0, answeredBy: "trader" });
    expect(await testing.closeTrial(trial.id)).toEqual(trial);
    expect(modules.get("trader").record.lifecycle.state).toBe("UNLOADED");
    expect(revision()).toBe(before);
  });

  it("has an instance of its own beside the one that serves", async () => {
    const { modules, breakers } = await desk();
    await modules.load("gateway");
    await modules.load("trader");
    const trial = await open("trader");
    for (let index = 0; index < 20; index += 1) await errorOf(call(trial, "fail"));
    expect(breakers.get("module:trader")).toMatchObject({ state: "CLOSED", counts: { failures: 0 } });
    expect(await call(trial, "count")).toBe(1);
    expect((await modules.invoke("trader", "count", { json: null })).output).toEqual({ json: 1 });
    expect((await modules.invoke("trader", "count", { json: null })).output).toEqual({ json: 2 });
    expect(await call(trial, "count")).toBe(2);
  });

  it("runs other code with everything else as registered, or with another configuration", async () => {
    const { modules } = await desk();
    const trial = await open("trader", { modulePath: "trader_v2" });
    expect(trial).toMatchObject({ name: "trader", modulePath: "trader_v2", version: "2.0.0" });
    expect(await call(trial, "config")).toEqual({ desk: "registered" });
    expect(trial.artifact).toBe((await modules.resolveFresh("trader", { modulePath: "trader_v2" })).artifact);
    expect(await call(await open("trader", { config: { desk: "mine" } }), "config")).toEqual({ desk: "mine" });
  });

  it("runs code that is not registered, which depends on what its stubs name", async () => {
    const { modules } = await desk();
    await modules.load("gateway");
    const plain = await open("", { modulePath: "trader_v2" });
    expect(plain).toMatchObject({ name: "", modulePath: "trader_v2", version: "2.0.0" });
    expect(await call(plain, "config")).toEqual({});
    expect(await errorOf(call(plain, "quote"))).toMatchObject({ reason: "MODULE_METHOD_FAILED" });
    const stubs = { gateway: { place_order: { id: "stubbed" } } };
    const stubbed = await open("", { modulePath: "trader_v2", stubs });
    expect(await call(stubbed, "place_order", {})).toEqual({ id: "stubbed" });
    expect(await call(stubbed, "quote")).toEqual({ bid: 7 });
    const allowed = await open("", { modulePath: "trader_v2", allowDependencies: ["gateway"] });
    expect(await call(allowed, "place_order", { from: "allowed" })).toEqual({ id: 1 });
  });

  it("reaches only stubs, allowed dependencies and pure methods", async () => {
    const { modules } = await desk({ testStubs: { gateway: { place_order: { id: "registered" } } } });
    await modules.load("gateway");
    const stubs = { gateway: { quote: { bid: 8 } } };
    const trial = await open("trader", { stubs });
    expect(await call(trial, "quote")).toEqual({ bid: 8 });
    expect((await errorOf(call(trial, "place_order", {}))).metadata.error).toContain("neither stubbed nor allowed");
    expect(await call(await open("trader"), "place_order", {})).toEqual({ id: "registered" });
    expect((await modules.invoke("gateway", "orders", { json: null })).output).toEqual({ json: [] });
  });

  it("ends with closeTrial, which cuts off the calls in progress", async () => {
    const { testing } = await desk();
    const trial = await open("trader");
    const calling = refused(call(trial, "hang"));
    await testing.closeTrial(trial.id);
    const cut = { name: "trader", error: "it was closed", delivered: "true" };
    expect(await calling).toEqual(["MODULE_CRASHED", cut]);
    const gone = ["TRIAL_NOT_FOUND", { id: trial.id, why: "it was closed" }];
    expect(await refused(call(trial, "count"))).toEqual(gone);
    expect(await refused(testing.closeTrial(trial.id))).toEqual(gone);
    const never = ["TRIAL_NOT_FOUND", { id: "x", why: "it never was, or ended long ago" }];
    expect(await refused(testing.closeTrial("x"))).toEqual(never);
  });

  it("answers the first call after a crash with MODULE_CRASHED, and later ones with TRIAL_NOT_FOUND", async () => {
    await desk();
    const [during, before] = [await open("trader"), await open("trader")];
    expect((await refused(call(during, "exit")))[0]).toBe("MODULE_CRASHED");
    expect((await refused(call(during, "count")))[0]).toBe("TRIAL_NOT_FOUND");
    await call(before, "exit_soon");
    await until(() => ended.has(before.id));
    const [reason, metadata] = await refused(call(before, "count"));
    expect([reason, metadata]).toEqual(["MODULE_CRASHED", expect.objectContaining({ delivered: "false" })]);
    expect((await refused(call(before, "count")))[0]).toBe("TRIAL_NOT_FOUND");
  });

  it("ends when its module is deleted, also while it starts", async () => {
    const { modules, testing } = await desk();
    const trial = await open("trader");
    const calling = refused(call(trial, "hang"));
    const starting = refused(testing.openTrial("trader", { config: { hang: true } }));
    await modules.delete("trader");
    expect((await calling)[1]).toMatchObject({ error: "its module was deleted" });
    expect((await starting)[0]).toBe("MODULE_NOT_FOUND");
    const tests = [{ name: "t", outcome: "PASSED" as const, required: true, durationMs: 1, message: "" }];
    expect((await refused(testing.recordRun(trial.id, { tests })))[0]).toBe("TRIAL_NOT_FOUND");
  });

  it("is not opened if its caller leaves while it starts", async () => {
    const { testing } = await desk();
    const caller = new AbortController();
    const starting = testing.openTrial("trader", { config: { hang: true }, signal: caller.signal });
    caller.abort(new Error("left"));
    await expect(starting).rejects.toThrow("left");
    // All places are free again.
    for (let index = 0; index < 8; index += 1) await until(() => open("trader").then(() => true));
    expect((await errorOf(testing.openTrial("trader"))).reason).toBe("TRIALS_OVERLOADED");
  });

  it("leaves no place taken when it does not start", async () => {
    const { testing } = await desk({ config: { fail: true } });
    for (let index = 0; index < 10; index += 1) {
      expect((await errorOf(testing.openTrial("trader"))).reason).toBe("MODULE_LOAD_FAILED");
    }
  });

  it("is one of at most eight, also if a thousand are asked for at once", async () => {
    const { testing } = await desk();
    const asked = Array.from({ length: 1000 }, () => open("trader").catch((error: unknown) => error));
    const outcomes = await Promise.all(asked);
    const opened = outcomes.filter((one) => !(one instanceof Error)) as TrialInstance[];
    expect(opened).toHaveLength(8);
    const [refusal] = outcomes.filter((one) => one instanceof Error);
    expect(refusal).toMatchObject({ reason: "TRIALS_OVERLOADED", metadata: { open: "8" } });
    expect(new Set(opened.map(({ id }) => id)).size).toBe(8);
    await Promise.all(opened.map(({ id }) => testing.closeTrial(id)));
    expect(await call(await open("trader"), "count")).toBe(1);
  });

  it("may have modules as stand-ins, each with an instance of its own", async () => {
    const { testing } = await desk();
    const trial = await open("trader", { stubs: { gateway: "gateway" } });
    expect(await call(trial, "place_order", {})).toEqual({ id: 1 });
    expect(await call(trial, "place_order", {})).toEqual({ id: 2 });
    await testing.closeTrial(trial.id);
    expect((await errorOf(call(trial, "place_order", {}))).reason).toBe("TRIAL_NOT_FOUND");
  });

  it.each<[string, string, TrialOptions, string]>([
    ["neither name nor path", "", {}, "name"],
    ["a ttl below 0", "trader", { ttlMs: -1 }, "ttl"],
    ["a ttl of 0", "trader", { ttlMs: 0 }, "ttl"],
    ["a ttl above 1 h", "trader", { ttlMs: 3_600_001 }, "ttl"],
    ["a ttl that is no number", "trader", { ttlMs: Number.NaN }, "ttl"],
    ["a stub for a stranger", "trader", { stubs: { risk: {} } }, "stubs"],
    ["an allowed stranger", "trader", { allowDependencies: ["risk"] }, "allow_dependencies[0]"],
    ["a stub that is none", "", { modulePath: "trader", stubs: { gateway: 3 as never } }, "stubs.gateway"],
    [
      "a dependency with a strange name",
      "",
      { modulePath: "trader", allowDependencies: ["../x"] },
      "allow_dependencies[0]",
    ],
    ["a configuration that is none", "trader", { config: [] as never }, "config"],
  ])("is refused with %s", async (_, name, options, field) => {
    const { testing } = await desk();
    expect(await refused(testing.openTrial(name, options))).toEqual([
      "ARGUMENT_INVALID",
      expect.objectContaining({ field }),
    ]);
  });

  it.each<[string, string, TrialOptions, string]>([
    ["an unknown name", "nobody", {}, "MODULE_NOT_FOUND"],
    ["a name from an object's prototype", "__proto__", {}, "MODULE_NOT_FOUND"],
    ["a path out of the root", "", { modulePath: "../../etc/passwd" }, "MODULE_PATH_OUTSIDE_ROOT"],
    ["a path to nothing", "trader", { modulePath: "none" }, "MODULE_FILE_NOT_FOUND"],
    ["stubs of 10 MB", "trader", { stubs: { gateway: { quote: "x".repeat(1e7) } } }, "RESOURCE_TOO_LARGE"],
    ["a configuration of 10 MB", "", { modulePath: "trader", config: { text: "x".repeat(1e7) } }, "RESOURCE_TOO_LARGE"],
  ])("is refused with %s", async (_, name, options, reason) => {
    const { testing } = await desk();
    expect((await errorOf(testing.openTrial(name, options))).reason).toBe(reason);
  });

  it("takes no key that only calls of a module can have, and no other name", async () => {
    const { testing } = await desk();
    const trial = await open("trader");
    const invoke = (options: TrialCallOptions) =>
      refused(testing.invokeTrial(trial.id, "count", { json: null }, options));
    const invalid = (field: string) => ["ARGUMENT_INVALID", expect.objectContaining({ field })];
    expect(await invoke({ idempotencyKey: "k" })).toEqual(invalid("idempotency_key"));
    expect(await invoke({ routingKey: "k" })).toEqual(invalid("routing_key"));
    expect(await invoke({ name: "gateway" })).toEqual(invalid("name"));
    expect((await invoke({ timeoutMs: 0 }))[0]).toBe("MODULE_DEADLINE_EXCEEDED");
    expect(await call(trial, "count")).toBe(1);
  });
});

it.each<[string, TrialOptions]>([
  ["fails to start", { config: { fail: true }, stubs: { gateway: "gateway" } }],
  ["has a stand-in that fails to start", { stubs: { gateway: "broken" } }],
  ["is cancelled while it starts", { config: { hang: true }, signal: AbortSignal.abort() }],
  ["is cancelled while its stand-in starts", { stubs: { gateway: "hanging" }, signal: AbortSignal.abort() }],
])("a trial that %s leaves no process", async (_, options) => {
  const { testing } = await desk();
  shared.write({
    "broken.js": `export default class { start() { throw new Error("no"); } }`,
    "hanging.js": `export default class { start() { return new Promise(() => {}); } }`,
  });
  // From the first instance on, a process looks after all of them.
  const other = await open("trader");
  const before = childrenOf(process.pid);
  await expect(testing.openTrial("trader", options)).rejects.toThrow();
  await until(() => childrenOf(process.pid).every((pid) => before.includes(pid)));
  expect(await call(other, "count")).toBe(1);
});

it("a trial whose process is killed answers MODULE_CRASHED, and leaves no process", async () => {
  const { testing } = await desk();
  const before = childrenOf(process.pid);
  const trial = await open("trader", { stubs: { gateway: "gateway" } });
  const pid = Number(await call(trial, "pid"));
  expect(childrenOf(process.pid)).toContain(pid);
  const calling = refused(call(trial, "hang"));
  process.kill(pid, "SIGKILL");
  expect((await calling)[0]).toBe("MODULE_CRASHED");
  expect((await refused(call(trial, "count")))[0]).toBe("TRIAL_NOT_FOUND");
  // Its stand-in ends with it, and its place is free.
  await until(() => childrenOf(process.pid).every((one) => before.includes(one)));
  expect((await errorOf(testing.closeTrial(trial.id))).metadata.why).toContain("SIGKILL");
});
