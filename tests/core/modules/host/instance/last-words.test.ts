import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { errorOf } from "../../../../support/errors.ts";
import { describeInEach } from "../../../../support/isolations.ts";
import { until } from "../../../../support/until.ts";
import { call, hostRig } from "../../host-rig.ts";

/** Long enough for a process that waits for nothing. */
const MOST_MS = 200;

/** A slow service: the process may have ended before the service has read all its output. */
function beBehind(message: string): void {
  const [, pid] = /^process (\d+)$/.exec(message) ?? [];
  if (pid === undefined) spend(6, () => true);
  else if (Number(pid) !== process.pid) spend(MOST_MS, () => isAlive(pid));
}

function spend(ms: number, isNeeded: () => boolean): void {
  const start = performance.now();
  while (performance.now() - start < ms && isNeeded()) {
    // Blocks the event loop.
  }
}

function isAlive(pid: string): boolean {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return process.platform !== "linux";
  }
}

describeInEach("a module in a %s with an uncaught error", (isolation) => {
  it.each([
    ["no log entries", 0, () => {}],
    ["more log entries than its pipe holds", 100, () => {}],
    ["log entries that a slow service reads after the end", 14, beBehind],
  ])("has answered before, and its error is logged, after %s", async (_, entries, listen) => {
    const rig = hostRig({ log: (_level, message) => listen(message) });
    const instance = await rig.start(isolation, "misbehaving");
    const hanging = errorOf(call(instance, "hang"));
    expect(await call(instance, "log_then_throw", entries)).toBe("answered");
    const description = "uncaught: TypeError: the feed is gone";
    expect(await instance.ended).toEqual({ expected: false, description });
    expect(await hanging).toMatchObject({ reason: "MODULE_CRASHED", metadata: { error: description } });
    expect(rig.logged.filter((message) => message.startsWith("xxx"))).toHaveLength(entries);
    await until(() => rig.logged.includes("TypeError: the feed is gone"));
    await until(() => rig.logged.some((message) => /^\s+at .*misbehaving\.ts:\d+:\d+/.test(message)));
  });
});

describe("a module in a PROCESS", () => {
  it("is ended if it closes the pipe to the service", async () => {
    const instance = await hostRig().start("PROCESS", "misbehaving", { blockTimeoutMs: 0 });
    const closing = errorOf(call(instance, "close_pipe"));
    const description = "it closed the pipe to the service";
    expect(await instance.ended).toEqual({ expected: false, description });
    expect(await closing).toMatchObject({ reason: "MODULE_CRASHED", metadata: { error: description } });
  });
});
