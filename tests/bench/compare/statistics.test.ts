import { describe, expect, it } from "vitest";
import { alternate } from "../../../bench/compare/alternate.ts";
import { summarize } from "../../../bench/compare/results.ts";
import { ratiosOf, spreadOf } from "../../../bench/compare/statistics.ts";

describe("the spread of figures", () => {
  it.each([
    [[3, 1, 2], 2, 1, 3],
    [[4, 1, 2, 3], 2.5, 1, 4],
    [[10, 9], 9.5, 9, 10],
    [[7], 7, 7, 7],
  ])("of %j has the median %d", (figures, median, min, max) => {
    expect(spreadOf(figures)).toEqual({ median, min, max, count: figures.length });
  });

  it("is unknown without figures", () => {
    expect(spreadOf([])).toEqual({ median: Number.NaN, min: Number.NaN, max: Number.NaN, count: 0 });
  });
});

describe("ratios", () => {
  it("are taken within each round", () => {
    expect(ratiosOf([10, 30], [5, 60])).toEqual([2, 0.5]);
  });

  it("need as many rounds on both sides", () => {
    expect(() => ratiosOf([1], [])).toThrow("1 and 0 rounds cannot be compared");
  });
});

describe("turns", () => {
  it("change their order in each round, and keep the figures of each side", async () => {
    const order: string[] = [];
    const all = await alternate(["a", "b", "c"], 3, async (side) => order.push(side));
    expect(order.join("")).toBe("abcbcacab");
    expect(all).toEqual([
      [1, 6, 8],
      [2, 4, 9],
      [3, 5, 7],
    ]);
  });
});

describe("a summary", () => {
  const figures = [
    { name: "rate", unit: "1/s", better: "more" },
    { name: "CPU", unit: "core" },
  ] as const;
  const samples = [
    [
      { rate: 10, CPU: 1 },
      { rate: 30, CPU: 1 },
      { rate: 20, CPU: 1 },
    ],
    [
      { rate: 5, CPU: 0.5 },
      { rate: 10, CPU: 0.5 },
      { rate: 40, CPU: 0.5 },
    ],
  ];

  it("has the median of the ratios, not the ratio of the medians", () => {
    const { rows, ratios } = summarize({ suite: "s", name: "n" }, figures, ["ours", "peer"], samples);
    expect(ratios).toEqual([
      { figure: "rate", peer: "peer", better: "more", spread: { median: 2, min: 0.5, max: 3, count: 3 } },
    ]);
    expect(rows.map(({ side, figure, spread }) => [side, figure, spread.median])).toEqual([
      ["ours", "rate", 20],
      ["ours", "CPU", 1],
      ["peer", "rate", 10],
      ["peer", "CPU", 0.5],
    ]);
  });
});
