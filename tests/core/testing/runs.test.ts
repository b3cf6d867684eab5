import { describe, expect, it } from "vitest";
import { createManualClock, createMemoryStore, Feed, type Store } from "../../../src/core/index.ts";
import { createRuns, KEPT_RUNS, type RunRecord } from "../../../src/core/testing/runs.ts";

const clock = createManualClock();

async function open(store: Store) {
  const feed = new Feed(store);
  const runs = createRuns(feed, clock);
  await feed.start();
  await runs.start();
  return runs;
}

const record = (module: string, state: RunRecord["state"] = "COMPLETED"): RunRecord => ({
  module,
  suite: "ml",
  target: "FRESH",
  state,
  passed: true,
  totalTests: 0,
  tests: [],
  durationMs: 0,
  version: "1",
  sha256: "",
  startTime: clock.now(),
  cause: { action: "RunTests" },
});

describe("the history of runs", () => {
  it("keeps the last of each module, newest first", async () => {
    const runs = await open(createMemoryStore({ clock, incarnation: "one" }));
    for (let count = 0; count < KEPT_RUNS + 5; count += 1) {
      clock.advance(1);
      await runs.write(`run-${count}`, record("busy"));
    }
    await runs.write("other", record("calm"));
    const names = runs.list("busy").map(({ name }) => name);
    expect(names).toHaveLength(KEPT_RUNS);
    expect([names[0], names.at(-1)]).toEqual([`run-${KEPT_RUNS + 4}`, "run-5"]);
    expect(runs.list("calm")).toHaveLength(1);
  });

  it("says of a run that the service did not end that it was interrupted", async () => {
    const store = createMemoryStore({ clock, incarnation: "one" });
    await (await open(store)).write("cut", { ...record("m", "RUNNING"), passed: false });
    const runs = await open(store);
    expect(runs.get("cut").record).toMatchObject({ state: "INTERRUPTED", passed: false, endTime: clock.now() });
  });
});
