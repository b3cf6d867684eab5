import { beforeEach, describe, expect, it } from "vitest";
import type { ManualClock } from "../../../../../src/core/index.ts";
import { LiveInstance } from "../../../../../src/core/modules/host/instance/instance.ts";
import type { ToInstance } from "../../../../../src/core/modules/host/wire/protocol.ts";
import { watchedClock } from "../../../../support/clocks.ts";
import { errorOf } from "../../../../support/errors.ts";
import { spec } from "../../launch.ts";

let clock: ManualClock;
let timers: () => number;
let sent: ToInstance[];
let instance: LiveInstance;

beforeEach(() => {
  ({ clock, timers } = watchedClock());
  sent = [];
  const channel = {
    send: (message: ToInstance) => sent.push(message) > 0,
    kill: () => {},
    cutOff: () => {},
    unread: 0,
    isFull: false,
  };
  const shape = { methods: ["m"], version: undefined, hasHealth: false, hasState: false, stateSchema: undefined };
  instance = new LiveInstance(spec, channel, shape, clock);
});

const invoke = (timeoutMs: number, signal?: AbortSignal): Promise<unknown> =>
  instance.invoke("m", { json: null }, { timeoutMs, signal });
const answer = (id: number): boolean => instance.receive({ type: "output", id, output: { json: id } });
const cancelled = (): number[] => sent.flatMap((message) => (message.type === "cancel" ? [message.id] : []));

describe("the deadlines of an instance's calls", () => {
  it("pass each at its time, in whatever order the calls came", async () => {
    const outcomes: string[] = [];
    const calls = [300, 100, 200].map((timeoutMs) =>
      errorOf(invoke(timeoutMs)).then(({ reason, metadata }) => outcomes.push(`${reason} ${metadata.timeout}`)),
    );
    clock.advance(99);
    expect(cancelled()).toEqual([]);
    clock.advance(1);
    expect(cancelled()).toEqual([2]);
    clock.advance(200);
    expect(cancelled()).toEqual([2, 3, 1]);
    await Promise.all(calls);
    expect(outcomes).toEqual(["0.1 s", "0.2 s", "0.3 s"].map((time) => `MODULE_DEADLINE_EXCEEDED ${time}`));
  });

  it("pass for a call that arrived after an earlier deadline was withdrawn", async () => {
    const first = invoke(100);
    answer(1);
    clock.advance(50);
    const second = errorOf(invoke(100));
    clock.advance(99);
    expect(cancelled()).toEqual([]);
    clock.advance(1);
    expect(await second).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED" });
    expect(await first).toEqual({ json: 1 });
  });

  it("need one timer for any number of calls, and no timer after it has run and no call waits", async () => {
    const calls = Array.from({ length: 100 }, (_, index) => invoke(1000 - index));
    expect(timers()).toBe(1);
    for (let id = 1; id <= 100; id += 1) answer(id);
    expect(await Promise.all(calls)).toHaveLength(100);
    clock.advance(1000);
    expect(timers()).toBe(0);
    expect(cancelled()).toEqual([]);
  });

  it("leave no timer when the instance ends", async () => {
    const call = errorOf(invoke(1000));
    instance.end("exit code 1");
    expect(timers()).toBe(0);
    expect(await call).toMatchObject({ reason: "MODULE_CRASHED" });
  });

  it("do not pass for a cancelled call", async () => {
    const caller = new AbortController();
    const call = invoke(100, caller.signal);
    caller.abort(new Error("left"));
    await expect(call).rejects.toThrow("left");
    clock.advance(100);
    expect(cancelled()).toEqual([1]);
    expect(timers()).toBe(0);
  });
});
