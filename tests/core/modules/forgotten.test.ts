import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { createEngine, type Engine } from "../../../src/core/engine.ts";
import type { SwapRecord } from "../../../src/core/modules/swap/state/journal.ts";
import { Feed } from "../../../src/core/store/feed.ts";
import { createRuns } from "../../../src/core/testing/runs/runs.ts";
import type { TestInstance } from "../../../src/core/testing/suites/suite.ts";
import { createManualClock } from "../../../src/kernel/clock.ts";
import { SOAK } from "../../support/soak.ts";
import { until } from "../../support/until.ts";
import { refusing } from "./refusing.ts";
import { ROOT, rig } from "./rig.ts";

const run = promisify(execFile);

async function engine(): Promise<Engine> {
  const made = await createEngine({ modulesRoot: ROOT });
  onTestFinished(() => made.close());
  return made;
}

/** Creates modules, does everything with them, and deletes them. Nothing of them may be left. */
async function liveAndDelete(modules: number): Promise<void> {
  const script = fileURLToPath(new URL("../../fixtures/kept/deleted-modules.ts", import.meta.url));
  const { stdout } = await run(process.execPath, [script, ROOT, String(modules)]);
  const again = { generation: 1, starts: 1, swapped: true, version: "2.0.0" };
  expect(JSON.parse(stdout)).toEqual({ left: [], again, runs: 0 });
}

/** Swaps a module in every way, and then so many times more. No further object may be left: of these kinds, or of all. */
async function swapAgain(times: number, ...kinds: string[]): Promise<void> {
  const script = fileURLToPath(new URL("../../fixtures/kept/swaps.ts", import.meta.url));
  const { stdout } = await run(process.execPath, [script, ROOT, String(times), ...kinds]);
  const { few, many } = JSON.parse(stdout);
  expect(many).toEqual(few);
}

describe("a module that is deleted", () => {
  it("leaves nothing in the store or in memory, and starts afresh when it is registered again", async () => {
    await liveAndDelete(1);
  }, 120_000);

  it("leaves nothing in the store or in memory if several are deleted", { ...SOAK, timeout: 120_000 }, () =>
    liveAndDelete(2),
  );

  it("keeps its record and everything stored with it if the store refuses the deletion", async () => {
    const { store, refuse } = refusing();
    const { modules, register } = await rig({ store });
    await register("echo_v1", {}, "echo");
    modules.onForget(async () => {
      throw new Error("disk full");
    });
    await expect(modules.delete("echo")).rejects.toThrow("disk full");
    expect(modules.get("echo").record.lifecycle.state).toBe("UNLOADED");
    refuse("", 0);
  });

  it("loses its breaker as soon as the store has accepted the deletion", async () => {
    const { store, refuse } = refusing();
    const { modules, breakers, load } = await rig({ store });
    await load("echo_v1", { isolation: "THREAD" }, "echo");
    await modules.unload("echo");
    refuse("breaker/", 2);
    await modules.delete("echo");
    expect(breakers.list()).toHaveLength(1);
    await until(() => breakers.list().length === 0);
  });

  it("ends its test runs", async () => {
    const { modules, testing } = await engine();
    await modules.register("echo", { modulePath: "echo_v1", isolation: "THREAD" });
    const waits = async (instance: TestInstance) => (await instance.call("hold", null)) === "released";
    const running = testing.createTester("echo").addTest("waits", waits).runTests();
    await until(() => testing.listRuns("echo").length !== 0);
    await modules.delete("echo");
    expect(await running).toBe(false);
    expect(testing.allRuns()).toEqual([]);
  });
});

describe("leftovers of deleted modules from an earlier version of Helios", () => {
  it("are gone after the next start", async () => {
    const one = await rig();
    await one.register("echo_v1", {}, "echo");
    await one.close();
    const swapOf = (modules: readonly string[]): string => {
      const record: SwapRecord = { swapId: "1", digest: "", modules, phase: "ENDED", step: "stop", candidates: {} };
      return JSON.stringify(record);
    };
    const options = { cause: { action: "Test" } };
    for (const names of [["gone"], ["echo"], ["echo", "gone"]]) {
      await one.store.put(`swap/${names.join("+")}/1`, swapOf(names), options);
    }
    await one.store.put("run/1", JSON.stringify({ module: "gone", state: "COMPLETED" }), options);
    const next = await rig({ store: one.store });
    const left = async (prefix: string) => (await next.store.list(prefix)).entries.map(({ key }) => key);
    expect(await left("swap/")).toEqual(["swap/echo/1"]);
    const feed = new Feed(one.store);
    const runs = createRuns(feed, createManualClock(), () => {});
    await feed.start();
    await runs.start((module) => module === "echo");
    expect(await left("run/")).toEqual([]);
    feed.close();
  });
});

describe("a swap", () => {
  it("a swap that is over, whatever its outcome, leaves no listener on the serving instance or on the service", {
    ...SOAK,
    timeout: 120_000,
  }, async () => {
    // Each controller holds its signal.
    await swapAgain(1, "Generation", "AbortSignal");
  });

  it("leaves no listener if it is repeated", { ...SOAK, timeout: 120_000 }, () => swapAgain(3));
});
