// @module-tag soak

import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { call, hostRig, NO_GRANTS, ownHost } from "../../core/modules/host-rig.ts";
import { errorOf } from "../../support/errors.ts";
import { describeInEach } from "../../support/isolations.ts";
import { until } from "../../support/until.ts";

const BLOCKED = { blockTimeoutMs: 500 };

/** A pipe without a writer, so that opening it blocks. */
function fifo(): { path: string; grants: typeof NO_GRANTS; release(): void } {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "helios-fifo-")));
  const path = join(directory, "fifo");
  execFileSync("mkfifo", [path]);
  return { path, grants: { ...NO_GRANTS, fsRead: [directory] }, release: () => closeSync(openSync(path, "r+")) };
}

describeInEach("an instance in a %s", (isolation) => {
  it.each([
    ["loop", "an endless loop"],
    ["loop_of_promises", "a loop of promises"],
    ["wait", "Atomics.wait"],
  ])("is ended during %s, and its calls fail with the reason", async (method) => {
    const instance = await hostRig({}, ownHost()).start(isolation, "blocking", BLOCKED);
    const hanging = errorOf(call(instance, "hang"));
    const blocking = errorOf(call(instance, method));
    const description = "event loop blocked for 0.5 s";
    expect(await instance.ended).toEqual({ expected: false, description });
    for (const thrown of [await hanging, await blocking]) {
      expect(thrown).toMatchObject({ reason: "MODULE_CRASHED", metadata: { error: description } });
    }
  });

  it("is ended if it only sends messages and answers nothing", async () => {
    const instance = await hostRig({}, ownHost()).start(isolation, "blocking", BLOCKED);
    void call(instance, "talk").catch(() => {});
    expect(await instance.ended).toEqual({ expected: false, description: "event loop blocked for 1.5 s" });
  });

  it("lives on while it waits for something, and reports its usage", async () => {
    const instance = await hostRig({}, ownHost()).start(isolation, "blocking", { blockTimeoutMs: 2000 });
    expect(instance.lastUsage).toBeUndefined();
    void call(instance, "hang").catch(() => {});
    const readings = new Set<unknown>();
    await until(() => readings.add(instance.lastUsage).size > 6);
    expect(await call(instance, "echo", 1)).toBe(1);
    const { heapUsedBytes = 0, externalBytes, eventLoopUtilization } = instance.lastUsage ?? {};
    expect(heapUsedBytes).toBeGreaterThan(1_000_000);
    expect(externalBytes).toBeGreaterThan(0);
    expect(eventLoopUtilization).toBeLessThan(1);
  });

  it("an instance with a timeout of 0 may block until its caller gives up", async () => {
    const instance = await hostRig({}, ownHost()).start(isolation, "blocking", { blockTimeoutMs: 0 });
    const looping = errorOf(instance.invoke("loop", { json: null }, { timeoutMs: 1500 }));
    expect((await looping).reason).toBe("MODULE_DEADLINE_EXCEEDED");
    instance.kill();
    expect(await instance.ended).toMatchObject({ expected: true });
  });
});

describe("an instance in a process", () => {
  it("is ended during a system call", async () => {
    const { path, grants } = fifo();
    const rig = hostRig({}, ownHost());
    const reading = await rig.start("PROCESS", "blocking", { ...BLOCKED, grants });
    const deriving = await rig.start("PROCESS", "blocking", BLOCKED);
    void call(reading, "read_fifo", path).catch(() => {});
    void call(deriving, "derive").catch(() => {});
    for (const instance of [reading, deriving]) {
      expect(await instance.ended).toEqual({ expected: false, description: "event loop blocked for 0.5 s" });
    }
  });
});

describe("an instance in a thread", () => {
  it("ends during a system call without its thread, which counts as stranded until it ends", async () => {
    const { path, grants, release } = fifo();
    const { host, start } = hostRig({}, ownHost());
    const instance = await start("THREAD", "blocking", { ...BLOCKED, grants });
    const reading = errorOf(call(instance, "read_fifo", path));
    expect(await instance.ended).toEqual({
      expected: false,
      description: "event loop blocked for 0.5 s; its thread cannot be ended and is left behind",
    });
    expect((await reading).reason).toBe("MODULE_CRASHED");
    expect((await errorOf(call(instance, "echo"))).reason).toBe("MODULE_CRASHED");
    expect(host.strandedThreads).toBe(1);
    release();
    await until(() => host.strandedThreads === 0);
  });

  it("does not keep the host from closing if it is killed during a system call", async () => {
    const { path, grants, release } = fifo();
    const { host, start, logged } = hostRig({}, ownHost());
    const instance = await start("THREAD", "blocking", { grants });
    void call(instance, "read_fifo", path).catch(() => {});
    await until(() => logged.includes("blocking"));
    await host.close();
    expect(await instance.ended).toMatchObject({ expected: false });
    expect(host.strandedThreads).toBe(1);
    release();
    await until(() => host.strandedThreads === 0);
  });
});
