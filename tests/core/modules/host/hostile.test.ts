import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { HeliosError } from "../../../../src/core/index.ts";
import type { Instance, InstanceSpec } from "../../../../src/core/modules/host/types/host.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEach } from "../../../support/isolations.ts";
import { SOAK } from "../../../support/soak.ts";
import { until } from "../../../support/until.ts";
import { call, type HostRig, hostRig, NO_GRANTS } from "../host-rig.ts";

/** The most processor time that one turn of the service's event loop may take. */
const LONGEST_TURN_MS = 1500;

/** Measures the processor time of the turns of the service's event loop, which does not depend on how busy the machine is. */
function watchTurns(): () => number {
  const spent = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  let longest = 0;
  let last = spent();
  const timer = setInterval(() => {
    const now = spent();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  onTestFinished(() => clearInterval(timer));
  return () => longest;
}

const output = (content: string): object => ({ kind: 2, id: 1, content });
/** A message in the form that has no kind of its own. */
const other = (message: object): object => ({ kind: 7, id: 0, content: JSON.stringify(message) });
/** A call of another module, with an input that no module ever gets. */
const asked = (input: object): object =>
  other({ type: "call", id: 900, dependency: "d", method: "echo", within: 0, input });

/** The name of the message, the module's method, its input, and whether it ends a process. A thread survives any single one. */
const MESSAGES: readonly (readonly [string, string, object, boolean])[] = [
  ["an endless list", "send_sparse", {}, true],
  ["a value that is not JSON", "send", output("{"), true],
  ["an answer to an unknown call", "send", { ...output("1"), id: 77 }, false],
  ["an answer that is too large for a caller", "send_long", { kind: 2, id: 1, what: "text" }, true],
  ["an answer with endless nesting", "send_long", { kind: 2, id: 1, what: "depth" }, true],
  ["a state that was not requested", "send_long", { kind: 5, id: 1, what: "text" }, true],
  ["a message of an unknown kind", "send", { kind: 99, id: 1, content: "1" }, true],
  ["a long message of an unknown kind", "send_head", { kind: 99, length: 200_000_000 }, true],
  ["a long batch of messages", "send_head", { kind: 9, length: 200_000_000 }, true],
  ["a call in the wrong form", "send", asked({ json: 0 }), true],
  ["a state in the wrong form", "send", other({ type: "state", id: 1, state: {} }), true],
  ["bytes in place of a log entry", "send", { kind: 8, id: 0, content: "1", form: 1 }, true],
  ["an invalid log entry", "send", { kind: 8, id: 0, content: '{"type":"dropped","id":1}' }, true],
  ["a clone that is text", "send", { ...output("[1,[[[0],0,[]]]]"), form: 2 }, true],
  ["a clone of an endless list", "send_sparse_clone", {}, true],
];
/** Each goes a way that one of the others goes, too. */
const MORE_MESSAGES: typeof MESSAGES = [
  ["a call whose input has endless nesting", "send_long", { kind: 4, id: 1, what: "depth" }, true],
  ["an answer whose clone is nested deeply", "send_long", { kind: 2, id: 1, what: "clone" }, true],
  ["an endless log entry", "send_long", { kind: 8, id: 1, what: "text" }, true],
  ["an endless error", "send_long", { kind: 7, id: 1, what: "text" }, true],
  ["a message that only the service sends", "send", { kind: 1, id: 1, content: "1" }, true],
  ["a long message that only the service sends", "send_head", { kind: 1, length: 200_000_000 }, true],
  ["an answer in the wrong form", "send", other({ type: "output", id: 1, output: { json: 0 } }), true],
  ["the late end of a call in the wrong form", "send", other({ type: "late", id: 1 }), true],
  ["a long log entry in the wrong form", "send_entry", { kind: 7, length: 900_000 }, true],
];

const USAGE = { heapUsedBytes: 1, externalBytes: 1, eventLoopUtilization: 0 };

const FLOODS: readonly (readonly [string, object])[] = [["answers to unknown calls", { kind: 2, content: "1" }]];
const MORE_FLOODS: typeof FLOODS = [
  ["pongs", { kind: 7, content: JSON.stringify({ type: "pong", usage: USAGE }) }],
  ["log entries", { kind: 8, content: JSON.stringify({ type: "log", level: "info", message: "m", fields: {} }) }],
  ["meaningless messages", { kind: 7, content: "{}" }],
];

describeInEach("a hostile module in a %s", (isolation) => {
  let honest: Instance;
  beforeAll(async () => {
    honest = await hostRig().startForAll(isolation, "echo");
  });
  afterAll(() => honest.kill());

  async function sides(spec: Partial<InstanceSpec> = {}): Promise<{
    rig: HostRig;
    hostile: Instance;
    other: () => Promise<unknown>;
  }> {
    const rig = hostRig();
    return { rig, hostile: await rig.start(isolation, "hostile", spec), other: () => call(honest, "echo", 1) };
  }

  const sends = async (method: string, input: object, ends: boolean): Promise<void> => {
    const { rig, hostile, other } = await sides();
    const longest = watchTurns();
    const sent = call(hostile, method, input).catch(String);
    expect(await other()).toBe(1);
    await sent;
    if (ends && isolation === "PROCESS") {
      expect(await hostile.ended).toMatchObject({ expected: false });
      expect(rig.logged.join("\n")).toMatch(
        /the module is killed because it wrote invalid data to the service's pipe: ./,
      );
    } else {
      expect(await call(hostile, "echo", 2)).toBe(2);
      const isLogged = !("id" in input && input.id === 77);
      if (isLogged) expect(rig.logged).toContain("the module sent a message that does not follow the protocol");
    }
    expect(await other()).toBe(1);
    expect(longest()).toBeLessThan(LONGEST_TURN_MS);
  };

  it.each(MESSAGES)("delays no one by sending %s, and the log says so", (_, method, input, ends) =>
    sends(method, input, ends),
  );

  it.each(MORE_MESSAGES)("delays no one by sending %s, and the log says so", SOAK, (_, method, input, ends) =>
    sends(method, input, ends),
  );

  it("delays no one by handing over text in place of its state, and the log says so", async () => {
    const { rig, hostile, other } = await sides({ maxHeapMb: 512 });
    const longest = watchTurns();
    await call(hostile, "send_text_for_state", 32 * 1024 * 1024);
    const exported = hostile.exportState(60_000).then(
      () => "a state",
      ({ reason }: { reason: string }) => reason,
    );
    expect(await other()).toBe(1);
    expect(await exported).toBe(isolation === "PROCESS" ? "MODULE_CRASHED" : "a state");
    const reported =
      isolation === "PROCESS" ? "must not have content of form" : "a message that does not follow the protocol";
    expect(rig.logged.join("\n")).toContain(reported);
    expect(longest()).toBeLessThan(LONGEST_TURN_MS);
  });

  it.each([
    ["a text in place of bytes", "x"],
    ["endless bytes", { length: 2e8 }],
    ["a number in place of bytes", 5e8],
  ])("delays no one by calling another with %s, and the other lives on", async (_, binary) => {
    const longest = watchTurns();
    const rig = hostRig({ call: (_dependency, method, input) => callee.invoke(method, input, { timeoutMs: 60_000 }) });
    const [hostile, callee] = await Promise.all([rig.start(isolation, "hostile"), rig.start(isolation, "echo")]);
    const over = isolation === "PROCESS" ? hostile.ended : undefined;
    await call(hostile, "send", asked({ json: 0, binary })).catch(String);
    await over;
    expect(await call(callee, "echo", 1)).toBe(1);
    expect(longest()).toBeLessThan(LONGEST_TURN_MS);
  });

  const floods = async (flood: object): Promise<void> => {
    const { hostile, other } = await sides();
    const longest = watchTurns();
    const flooding = errorOf(call(hostile, "flood", flood));
    let isOver = false;
    void hostile.ended.then(() => {
      isOver = true;
    });
    while (!isOver) expect(await other()).toBe(1);
    const { description } = await hostile.ended;
    expect(["it flooded the service with messages", "it sent more than the service can take"]).toContain(description);
    expect(await flooding).toMatchObject({ reason: "MODULE_CRASHED" });
    expect(longest()).toBeLessThan(LONGEST_TURN_MS);
  };

  it.each(FLOODS)("is ended if it floods the service with %s, and others are answered meanwhile", (_, flood) =>
    floods(flood),
  );

  it.each(MORE_FLOODS)(
    "is ended if it floods the service with %s, and others are answered meanwhile",
    SOAK,
    (_, flood) => floods(flood),
  );

  it(
    "is read no further, or ended, if it calls without end and never reads, and others are answered meanwhile",
    SOAK,
    async () => {
      const { hostile, other } = await sides();
      const longest = watchTurns();
      const asking = errorOf(call(hostile, "ask_without_end"));
      let isOver = false;
      void hostile.ended.then(() => {
        isOver = true;
      });
      if (isolation === "PROCESS") {
        for (let count = 0; count < 200; count += 1) expect(await other()).toBe(1);
        expect(isOver).toBe(false);
        hostile.kill();
      } else {
        while (!isOver) expect(await other()).toBe(1);
        const { description } = await hostile.ended;
        expect(["it did not read what it was sent", "it sent more than the service can take"]).toContain(description);
      }
      expect(await asking).toMatchObject({ reason: "MODULE_CRASHED" });
      expect(longest()).toBeLessThan(LONGEST_TURN_MS);
    },
  );
});

describeInEach("an honest module in a %s", (isolation) => {
  it("is not ended for logging far too much, and the dropped entries are counted", async () => {
    const rig = hostRig();
    const instance = await rig.start(isolation, "hostile");
    await call(instance, "log_much", 100_000);
    expect(await call(instance, "echo", 1)).toBe(1);
    const kept = rig.logged.filter((message) => message === "much").length;
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThan(50_000);
  });

  it("gets a shortened copy of a long method name in its error, and its call fails in the module if the name is too long", async () => {
    const refuse = async (dependency: string): Promise<never> => {
      throw HeliosError.of("ARGUMENT_INVALID", { field: "dependency", problem: `there is no ${dependency}` });
    };
    const instance = await hostRig({ call: refuse }).start(isolation, "hostile");
    const reported = (await call(instance, "call_by_name", 65_535)) as { message: string; problem: string };
    expect(reported.message).toMatch(/^dependency: there is no d+…$/);
    expect([reported.message.length, reported.problem.length]).toEqual([8192, 8192]);
    expect(await call(instance, "call_by_name", 65_536)).toEqual({
      message: "the name has 65536 bytes, more than 65535",
    });
  });

  it("gets only as many calls as may wait while it is blocked: one more is MODULE_OVERLOADED, and never runs", async () => {
    const directory = realpathSync(mkdtempSync(join(tmpdir(), "helios-backlog-")));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const grants = { ...NO_GRANTS, fsRead: [directory] };
    const rig = hostRig();
    const instance = await rig.start(isolation, "blocking", { grants, maxHeapMb: 512 });
    const file = join(directory, "release");
    const blocked = call(instance, "block_until", file);
    // Until then it would read further calls.
    await until(() => rig.logged.includes("blocking"));
    // The bytes are shared: the service keeps one copy for all waiting calls.
    const large = { binary: new Uint8Array(4 * 1024 * 1024) };
    const answers = Array.from({ length: 40 }, () =>
      instance.invoke("size", large, { timeoutMs: 60_000 }).then(
        () => "ran",
        (error: { reason: string }) => error.reason,
      ),
    );
    const small = Array.from({ length: 20_000 }, () =>
      instance.invoke("size", { json: 1 }, { timeoutMs: 60_000 }).then(
        () => "ran",
        (error: { reason: string }) => error.reason,
      ),
    );
    // These are sent however much waits: a cancellation, for example.
    const caller = new AbortController();
    expect(await errorOf(instance.checkHealth(1))).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED" });
    caller.abort();
    writeFileSync(file, "");
    await blocked;
    const outcomes = await Promise.all(answers);
    const many = await Promise.all(small);
    const ran = outcomes.filter((outcome) => outcome === "ran").length;
    expect(new Set(outcomes)).toEqual(new Set(["ran", "MODULE_OVERLOADED"]));
    expect(ran).toBeGreaterThanOrEqual(14);
    expect(ran).toBeLessThanOrEqual(16);
    expect(new Set(many)).toEqual(new Set(["ran", "MODULE_OVERLOADED"]));
    expect(await call(instance, "sized")).toBe(ran + many.filter((outcome) => outcome === "ran").length);
    expect(instance.busy).toBe(0);
  });
});
