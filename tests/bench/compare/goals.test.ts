import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { reachedIn } from "../../../bench/compare/goals.ts";
import type { Results } from "../../../bench/compare/results.ts";
import { one } from "../../../bench/compare/statistics.ts";

const FILE = join(import.meta.dirname, "../../../bench/results.json");

describe("the goals", () => {
  it("find a ratio to a peer, and a figure of Helios itself", () => {
    const ratio = { figure: "p99", peer: "bare node:http2", better: "less" as const, spread: one(3) };
    const row = { figure: "memory per watcher", unit: "KB" };
    const rows = [
      { ...row, side: "bare node:http2", spread: one(6) },
      { ...row, side: "Helios", spread: one(20) },
    ];
    const reached = reachedIn([{ suite: "fan-out", name: "10 × 1000", rows, ratios: [ratio] }]);
    const measured = reached.filter(({ measured }) => measured !== undefined);
    expect(measured.map(({ goal, measured }) => [goal.figure, goal.peer, measured?.median])).toEqual([
      ["p99", "bare node:http2", 3],
      ["memory per watcher", undefined, 20],
    ]);
  });

  it("are all measured in bench/results.json, apart from flagd, which not every machine has", () => {
    const { results } = JSON.parse(readFileSync(FILE, "utf8")) as Results;
    const missing = reachedIn(results).filter(({ measured }) => measured === undefined);
    expect(missing.map(({ goal }) => goal.peer).filter((peer) => peer !== "flagd")).toEqual([]);
  });
});
