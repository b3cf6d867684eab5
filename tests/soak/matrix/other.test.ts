// @module-tag soak

import { describe, expect, it } from "vitest";
import type { Isolation } from "../../../src/core/modules/host/types/host.ts";
import { refusing } from "../../core/modules/refusing.ts";
import { rig } from "../../core/modules/rig.ts";
import { errorOf } from "../../support/errors.ts";
import { until } from "../../support/until.ts";
import { type Cell, cell, counter, goesOn, MISBEHAVIOURS } from "./cell.ts";

const isolation = "THREAD" satisfies Isolation;

describe("a store that refuses a write", () => {
  it("if the store refuses the commit, the old version serves on, and loses nothing", async () => {
    const { store, refuse, refused } = refusing();
    const one = await cell({ isolation, store });
    const result = await one.swap({}, (event) => {
      // The next write of the swap is its commit.
      if (event.type === "ended" && event.step.name === "hand_over") refuse("swap/", 1);
    });
    expect(refused()).toBe(1);
    expect(result).toMatchObject({ swapped: false, failedStep: "commit", fromVersion: "1" });
    expect(result.failure).toContain("disk full");
    await goesOn(one, "1");
  });

  it("after the commit: the new version serves, and the write is repeated until it succeeds", async () => {
    const { store, refuse, refused } = refusing();
    const one = await cell({ isolation, store });
    const result = await one.swap({}, (event) => {
      if (event.type === "started" && event.name === "commit") refuse("module/", 2);
    });
    expect(refused()).toBe(2);
    expect(result).toMatchObject({ swapped: true, toVersion: "2" });
    expect(one.modules.get("counter").record).toMatchObject({ generation: 2, lastSwap: { swapped: true } });
    await goesOn(one, "2");
  });

  it("after the commit until a restart: the new version serves, even if the old one was restarted during the swap", async () => {
    const { store, refuse, refused } = refusing();
    const one = await cell({
      isolation,
      store,
      fields: { testSuite: "long", breaker: { failureThreshold: 100_000 } },
      v1: counter(1, {}, "exit() { process.exit(7); }"),
    });
    one.modules.useGate(async () => {
      await errorOf(one.patiently("exit"));
      await one.reaches("counter", "ACTIVE");
      return { passed: true, detail: "" };
    });
    const swapped = one.swap({}, (event) => {
      if (event.type === "started" && event.name === "commit") refuse("module/", Number.POSITIVE_INFINITY);
    });
    swapped.catch(() => {});
    await until(() => refused() > 0);
    await one.traffic.stop();
    await one.close();
    refuse("", 0);
    const next = await rig({ store, root: one.root.path });
    await next.modules.settled;
    expect(await next.call("counter", "which")).toBe("2");
    expect(next.modules.get("counter").record).toMatchObject({
      starts: 4,
      lastSwap: { swapped: true, toVersion: "2" },
    });
  });

  it("if the store refuses the end of a trial, the new version serves on", async () => {
    const { store, refuse, refused } = refusing();
    const one = await cell({ isolation, store });
    const result = await one.swap({ bakeMs: 20 }, (event) => {
      if (event.type === "ended" && event.step.name === "bake") refuse("swap/", 1);
    });
    expect(refused()).toBe(1);
    expect(result).toMatchObject({ swapped: true, toVersion: "2" });
    expect(one.modules.get("counter").record.bake).toBeUndefined();
    await goesOn(one, "2");
  });

  it("if the store refuses the end of a swap, a restart serves the version of the next swap", async () => {
    const { store, refuse, refused } = refusing();
    const one = await cell({ isolation, store });
    const result = await one.swap({}, (event) => {
      if (event.type === "ended" && event.step.name === "stop") refuse("swap/", 1);
    });
    expect(refused()).toBe(1);
    expect(result).toMatchObject({ swapped: true, toVersion: "2" });
    await one.traffic.stop();
    expect(await one.modules.swap("counter", { newVersionPath: "v3" })).toMatchObject({ swapped: true });
    await one.close();
    const next = await rig({ store, root: one.root.path });
    await next.modules.settled;
    expect(await next.call("counter", "which")).toBe("3");
    expect(next.modules.get("counter").record.lastSwap).toMatchObject({ swapped: true, toVersion: "3" });
  });

  it("if the store refuses the failure of a swap, a repeated request gets the same outcome, and nothing happens again", async () => {
    const { store, refuse, refused } = refusing();
    const one = await cell({ isolation, store, v2: counter(2, { health: MISBEHAVIOURS.throws }) });
    const result = await one.swap({ swapId: "release" }, (event) => {
      if (event.type === "ended" && event.step.name === "health") refuse("swap/", 1);
    });
    expect(refused()).toBe(1);
    const { starts } = one.modules.get("counter").record;
    expect(await one.swap({ swapId: "release" })).toMatchObject({ ...result, module: expect.anything() });
    expect(one.modules.get("counter").record.starts).toBe(starts);
    await goesOn(one, "1");
  });

  it("if the store refuses the failure of a swap, a restart serves the version of the next swap", async () => {
    const { store, refuse, refused } = refusing();
    const one = await cell({ isolation, store, v2: counter(2, { health: MISBEHAVIOURS.throws }) });
    const result = await one.swap({}, (event) => {
      if (event.type === "ended" && event.step.name === "health") refuse("swap/", 1);
    });
    expect(refused()).toBe(1);
    expect(result).toMatchObject({ swapped: false, failedStep: "health" });
    await one.traffic.stop();
    expect(await one.modules.swap("counter", { newVersionPath: "v3" })).toMatchObject({ swapped: true });
    await one.close();
    const next = await rig({ store, root: one.root.path });
    await next.modules.settled;
    expect(await next.call("counter", "which")).toBe("3");
    expect(next.modules.get("counter").record.lastSwap).toMatchObject({ swapped: true, toVersion: "3" });
  });
});

describe("a swap", () => {
  it("leaves the old version serving if its tests take too long, and ends them", async () => {
    const one = await cell({ isolation });
    const over = Promise.withResolvers<void>();
    one.modules.useGate((_request, _candidate, signal) => {
      signal.addEventListener("abort", () => over.resolve());
      return new Promise(() => {});
    });
    const result = await one.swap({ testSuite: "own", gateTimeoutMs: 50 });
    expect(result).toMatchObject({ swapped: false, failedStep: "gate", failure: "it took longer than 0.05 s" });
    await over.promise;
    await goesOn(one, "1");
  });

  it("excludes every other operation on its module", async () => {
    const one = await cell({ isolation });
    const { modules } = one;
    const refused = await whileSwapping(one, () =>
      Promise.all([
        errorOf(modules.swap("counter", { newVersionPath: "v3" })),
        errorOf(modules.swapAll([{ name: "counter", newVersionPath: "v3" }])),
        errorOf(modules.rollBack("counter")),
        errorOf(modules.load("counter", { forceReload: true })),
        errorOf(modules.unload("counter")),
      ]),
    );
    expect(refused.map(({ reason }) => reason)).toEqual(Array(5).fill("MODULE_BUSY"));
    expect(modules.get("counter").record).toMatchObject({ generation: 2, lifecycle: { running: { version: "2" } } });
    await goesOn(one, "2");
  });

  it("continues when another of the same module is refused, and when one of another module fails", async () => {
    const one = await cell({ isolation });
    await one.root.write("v4.js", counter(4, { start: MISBEHAVIOURS.throws }));
    await one.load("v3", { isolation }, "other");
    const failing = await whileSwapping(one, () => one.modules.swap("other", { newVersionPath: "v4" }));
    expect(failing).toMatchObject({ swapped: false, failedStep: "start" });
    await one.modules.unload("other");
    await goesOn(one, "2");
  });
});

/** Runs a function during the warm-up of a successful swap of `counter`. */
async function whileSwapping<T>(one: Cell, work: () => Promise<T>): Promise<T> {
  const done = Promise.withResolvers<T>();
  const takeOff = one.modules.addReloadHook("counter", async () => {
    done.resolve(await work());
  });
  expect(await one.swap()).toMatchObject({ swapped: true, toVersion: "2" });
  takeOff();
  return done.promise;
}
