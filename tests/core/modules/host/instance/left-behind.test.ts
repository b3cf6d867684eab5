import { beforeEach, describe, expect, it } from "vitest";
import { createManualClock, type ManualClock } from "../../../../../src/core/index.ts";
import { LiveInstance } from "../../../../../src/core/modules/host/instance/instance.ts";
import type { Instance } from "../../../../../src/core/modules/host/types/host.ts";
import type { Modules } from "../../../../../src/core/modules/types.ts";
import { errorOf } from "../../../../support/errors.ts";
import { describeInEach } from "../../../../support/isolations.ts";
import { turn } from "../../../../support/turns.ts";
import { hostRig } from "../../host-rig.ts";
import { spec } from "../../launch.ts";
import { rig } from "../../rig.ts";

describe("an instance whose callers have left", () => {
  const shape = { methods: ["m"], version: undefined, hasHealth: true, hasState: false, stateSchema: undefined };
  let clock: ManualClock;
  let instance: LiveInstance;

  beforeEach(() => {
    clock = createManualClock();
    instance = new LiveInstance(
      spec,
      { send: () => true, kill: () => {}, cutOff: () => {}, unread: 0, isFull: false },
      shape,
      clock,
    );
  });

  const invoke = (timeoutMs: number, origin?: unknown, signal?: AbortSignal): Promise<unknown> =>
    instance.invoke("m", { json: null }, { timeoutMs, signal, origin });
  const answer = (id: number): boolean => instance.receive({ type: "output", id, output: { json: id } });
  const fail = (id: number): boolean =>
    instance.receive({ type: "error", id, error: { name: "Error", message: "no", stack: "" } });

  it("is busy until the last of its methods has ended, with or without a caller", async () => {
    const idle: string[] = [];
    const caller = new AbortController();
    const late = errorOf(invoke(100));
    const left = invoke(1000, undefined, caller.signal).catch(String);
    const served = invoke(1000);
    void instance.whenIdle().then(() => idle.push("idle"));
    clock.advance(100);
    caller.abort("left");
    await Promise.all([late, left]);
    expect([instance.busy, instance.leftBehind]).toEqual([3, 2]);
    answer(3);
    await served;
    fail(2);
    await turn();
    expect([instance.busy, instance.leftBehind, idle]).toEqual([1, 1, []]);
    answer(1);
    await turn();
    expect([instance.busy, instance.leftBehind, idle]).toEqual([0, 0, ["idle"]]);
    await instance.whenIdle();
  });

  it("reports the outcome of a call that was given up, and of no other", async () => {
    const [first, second] = [{}, {}];
    const calls = [errorOf(invoke(100, first)), errorOf(invoke(100, second)), invoke(500, "third")];
    expect(instance.aftermath(first)).toBeUndefined();
    clock.advance(100);
    const outcomes = [instance.aftermath(first), instance.aftermath(first), instance.aftermath(second)];
    expect(instance.aftermath("third")).toBeUndefined();
    answer(1);
    answer(3);
    expect(instance.aftermath(first)).toBeUndefined();
    instance.end("exit code 1");
    expect(await Promise.all(outcomes)).toEqual(["ENDED", "ENDED", "UNKNOWN"]);
    await Promise.all(calls);
  });

  it("reports that a call was never begun if it was dropped before it was given up", async () => {
    const origin = {};
    const call = errorOf(invoke(100, origin));
    instance.receive({ type: "dropped", id: 1 });
    expect(await call).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED" });
    expect(await instance.aftermath(origin)).toBe("DROPPED");
    expect([instance.busy, instance.leftBehind]).toEqual([0, 0]);
  });

  it("keeps the origin of a call that was given up for the calls that its method still makes", async () => {
    const call = errorOf(invoke(100, "origin"));
    clock.advance(100);
    await call;
    expect(instance.originOf(1)).toBe("origin");
    answer(1);
    expect(instance.originOf(1)).toBeUndefined();
  });

  it("is busy only with methods, and not with a health check whose answer came too late", async () => {
    const check = errorOf(instance.checkHealth(100));
    expect(instance.busy).toBe(0);
    clock.advance(100);
    expect(await check).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED" });
    expect(instance.busy).toBe(0);
  });

  it("is idle when it has ended, whatever ran in it", async () => {
    const call = errorOf(invoke(100));
    const other = errorOf(invoke(1000));
    clock.advance(100);
    const idle = instance.whenIdle();
    instance.end("exit code 1");
    await Promise.all([idle, call, other]);
    expect(instance.busy).toBe(0);
  });
});

describeInEach("a method in a %s whose caller has left", (isolation) => {
  it("runs until it reports its end", async () => {
    const { start } = hostRig();
    const instance = await start(isolation, "registry/echo_v1");
    const json = (method: string): Promise<unknown> => instance.invoke(method, { json: null }, { timeoutMs: 60_000 });
    const caller = new AbortController();
    const left = instance.invoke("hold_on", { json: null }, { timeoutMs: 60_000, signal: caller.signal }).catch(String);
    await json("echo");
    expect([instance.busy, instance.leftBehind]).toEqual([1, 0]);
    caller.abort("left");
    await left;
    await json("echo");
    expect([instance.busy, instance.leftBehind]).toEqual([1, 1]);
    const idle = instance.whenIdle();
    await json("release");
    await idle;
    expect([instance.busy, instance.leftBehind]).toEqual([0, 0]);
  });
});

describe("the slot of a call whose caller has left", () => {
  /** Makes a caller leave once the method runs. */
  const leave = async (modules: Modules, instance: Instance): Promise<void> => {
    const caller = new AbortController();
    const left = modules.invoke("echo_v1", "hold_on", { json: null }, { signal: caller.signal }).catch(String);
    await instance.invoke("echo", { json: null }, { timeoutMs: 60_000 });
    caller.abort("left");
    expect(await left).toBe("left");
  };

  it("is occupied until its method has ended", async () => {
    const { modules, load, call } = await rig();
    await load("echo_v1", { concurrency: 1 });
    const { instance } = modules.activeInstance("echo_v1");
    await leave(modules, instance);
    expect(modules.inFlight("echo_v1")).toBe(0);
    let answered = false;
    const next = call("echo_v1", "echo", 1).then((output) => {
      answered = true;
      return output;
    });
    await instance.invoke("echo", { json: null }, { timeoutMs: 60_000 });
    expect(answered).toBe(false);
    await instance.invoke("release", { json: null }, { timeoutMs: 60_000 });
    expect(await next).toBe(1);
  });

  it("is free after call_timeout if the method never ends, as with a patient caller", async () => {
    const clock = createManualClock();
    const { modules, load, call } = await rig({ clock });
    await load("echo_v1", { concurrency: 1, callTimeoutMs: 1000 });
    const { instance } = modules.activeInstance("echo_v1");
    await leave(modules, instance);
    clock.advance(500);
    const next = call("echo_v1", "echo", 1);
    await turn();
    clock.advance(500);
    expect(await next).toBe(1);
    expect(instance.leftBehind).toBe(1);
  });
});
