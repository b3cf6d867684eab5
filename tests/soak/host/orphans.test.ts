// @module-tag soak

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { call, hostRig, NO_GRANTS, ownHost } from "../../core/modules/host-rig.ts";
import { allGone, childrenOf, marked, newMarker } from "../../core/modules/processes.ts";
import { describeInEach } from "../../support/isolations.ts";
import { until } from "../../support/until.ts";

const GRANTED = { grants: { ...NO_GRANTS, childProcess: true }, env: { PATH: process.env.PATH ?? "" } };

const reapers = (): number[] =>
  childrenOf(process.pid).filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("reaper/main"));

/** Ways to start processes. A thread's daemon cannot be attributed to the thread. */
const WAYS = { PROCESS: ["plain", "detached", "daemon", "stubborn"], THREAD: ["plain", "detached", "stubborn"] };

describeInEach("a process that a module in a %s has started", (isolation) => {
  it.each(WAYS[isolation])("as %s ends when the module stops", async (method) => {
    const marker = newMarker();
    const { start } = hostRig({}, ownHost());
    const instance = await start(isolation, "spawning", GRANTED);
    await call(instance, method, marker);
    await until(() => marked(marker).length > 0);
    await instance.stop(5000);
    await allGone(marker);
  });

  it.each(WAYS[isolation])("as %s ends when the module is killed", async (method) => {
    const marker = newMarker();
    const { start } = hostRig({}, ownHost());
    const instance = await start(isolation, "spawning", GRANTED);
    await call(instance, method, marker);
    await until(() => marked(marker).length > 0);
    instance.kill();
    await allGone(marker);
  });

  it.each(["throw_later", "leave"])("ends when the module ends by %s", async (method) => {
    const marker = newMarker();
    const { start } = hostRig({}, ownHost());
    const instance = await start(isolation, "spawning", GRANTED);
    void call(instance, method, marker).catch(() => {});
    await instance.ended;
    await allGone(marker);
  });

  it("ends when the module is blocked", async () => {
    const marker = newMarker();
    const { start } = hostRig({}, ownHost());
    const instance = await start(isolation, "spawning", { ...GRANTED, blockTimeoutMs: 500 });
    await call(instance, "detached", marker);
    void call(instance, "loop").catch(() => {});
    expect(await instance.ended).toMatchObject({ description: "event loop blocked for 0.5 s" });
    await allGone(marker);
  });

  it("ends with the module that waits for it, so that the module can end too", async () => {
    const marker = newMarker();
    const { host, start } = hostRig({}, ownHost());
    const instance = await start(isolation, "spawning", { ...GRANTED, blockTimeoutMs: 500 });
    void call(instance, "run_and_wait", marker).catch(() => {});
    expect(await instance.ended).toEqual({ expected: false, description: "event loop blocked for 0.5 s" });
    await allGone(marker);
    expect(host.strandedThreads).toBe(0);
  });

  it("ends when the host closes", async () => {
    const marker = newMarker();
    const { host, start } = hostRig({}, ownHost());
    const instance = await start(isolation, "spawning", GRANTED);
    await call(instance, "detached", marker);
    await until(() => marked(marker).length > 0);
    await host.close();
    await allGone(marker);
  });
});

it("a host has one reaper, from its first process on, and ends it when it closes", async () => {
  const { host, start } = hostRig({}, ownHost());
  expect(reapers()).toEqual([]);
  await Promise.all([start("PROCESS", "echo"), start("PROCESS", "echo")]);
  expect(reapers()).toHaveLength(1);
  await host.close();
  expect(reapers()).toEqual([]);
});

it("processes that end while there is no reaper are left to the next reaper", async () => {
  const marker = newMarker();
  const { start } = hostRig({}, ownHost());
  const instance = await start("PROCESS", "spawning", GRANTED);
  await call(instance, "daemon", marker);
  await until(() => marked(marker).length > 0);
  const [first = Number.NaN] = reapers();
  process.kill(first, "SIGKILL");
  await until(() => reapers().length === 0);
  instance.kill();
  await allGone(marker);
});

it("a killed reaper is replaced, and the next one knows all processes", async () => {
  const marker = newMarker();
  const { start } = hostRig({}, ownHost());
  const instance = await start("PROCESS", "spawning", GRANTED);
  const [first = Number.NaN] = reapers();
  process.kill(first, "SIGKILL");
  await until(() => reapers().some((pid) => pid !== first));
  await call(instance, "daemon", marker);
  await until(() => marked(marker).length > 0);
  instance.kill();
  await allGone(marker);
});
