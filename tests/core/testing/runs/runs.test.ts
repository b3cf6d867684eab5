import { describe, expect, it } from "vitest";
import { createManualClock, createMemoryStore, Feed, type Store, silentLog } from "../../../../src/core/index.ts";
import type { RunRecord } from "../../../../src/core/testing/runs/record.ts";
import { createRuns, KEPT_RUNS } from "../../../../src/core/testing/runs/runs.ts";

const clock = createManualClock();

async function open(store: Store) {
  const feed = new Feed(store);
  const runs = createRuns(feed, clock, silentLog);
  await feed.start();
  await runs.start(() => true);
  return runs;
}

const record = (module: string, state: RunRecord["state"] = "COMPLETED"): RunRecord => ({
  module,
  suite: "ml",
  target: "FRESH",
  config: {},
  state,
  passed: true,
  totalTests: 0,
  tests: [],
  durationMs: 0,
  modulePath: "m",
  version: "1",
  sha256: "",
  artifact: "",
  startTime: clock.now(),
  cause: { action: "RunTests" },
});

describe("the history of runs", () => {
  it("keeps the latest runs of each module, newest first", async () => {
    const runs = await open(createMemoryStore({ clock, incarnation: "one" }));
    for (let count = 0; count < KEPT_RUNS + 5; count += 1) await runs.begin(`run-${count}`, record("busy"));
    await runs.begin("other", record("calm"));
    const names = runs.list("busy").map(({ name }) => name);
    expect(names).toHaveLength(KEPT_RUNS);
    expect([names[0], names.at(-1)]).toEqual([`run-${KEPT_RUNS + 4}`, "run-5"]);
    expect(runs.list("calm")).toHaveLength(1);
  });

  it("orders runs by their acceptance, whatever their end and the wall clock were", async () => {
    const store = createMemoryStore({ clock, incarnation: "one" });
    const runs = await open(store);
    for (const id of ["first", "second", "third"]) {
      await runs.begin(id, record("m", "RUNNING"));
      clock.stepWall(-60_000);
    }
    await runs.end("second", record("m"));
    await runs.end("first", record("m"));
    const order = ["third", "second", "first"];
    expect(runs.list("m").map(({ name }) => name)).toEqual(order);
    // The next start ends the third.
    expect((await open(store)).list("m").map(({ name }) => name)).toEqual(order);
  });

  it("marks a run as interrupted if the service ended before it", async () => {
    const store = createMemoryStore({ clock, incarnation: "one" });
    await (await open(store)).begin("cut", { ...record("m", "RUNNING"), passed: false });
    const runs = await open(store);
    expect(runs.get("cut").record).toMatchObject({
      state: "INTERRUPTED",
      passed: false,
      failure: "the service ended before",
      endTime: clock.now(),
    });
  });

  it("keeps the first end of a run", async () => {
    const runs = await open(createMemoryStore({ clock, incarnation: "one" }));
    await runs.begin("done", record("m", "RUNNING"));
    await runs.end("done", record("m"));
    await runs.end("done", record("m", "INTERRUPTED"));
    expect(runs.get("done").record.state).toBe("COMPLETED");
  });

  it("accepts a new run even if an old one cannot be deleted", async () => {
    const store = createMemoryStore({ clock, incarnation: "one" });
    store.delete = () => Promise.reject(new Error("no more deletes"));
    const runs = await open(store);
    for (let count = 0; count <= KEPT_RUNS; count += 1) await runs.begin(`run-${count}`, record("m"));
    expect(runs.list("m")[0]?.name).toBe(`run-${KEPT_RUNS}`);
  });
});
