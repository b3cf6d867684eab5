import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Result, Results } from "../../../bench/compare/results.ts";
import { one } from "../../../bench/compare/statistics.ts";
import { chartsOf } from "../../../bench/plots/charts.ts";
import { logScale, tickText } from "../../../bench/plots/scale.ts";
import { DARK, draw, LIGHT } from "../../../bench/plots/svg.ts";

describe("a logarithmic scale", () => {
  it("covers all values with few ticks", () => {
    const values = fc.array(fc.double({ min: 1e-3, max: 1e7, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(values, (all) => {
        const { at, ticks } = logScale(all);
        for (const value of all) {
          expect(at(value)).toBeGreaterThanOrEqual(-1e-9);
          expect(at(value)).toBeLessThanOrEqual(1 + 1e-9);
        }
        expect(ticks.length).toBeGreaterThan(1);
        expect(ticks.length).toBeLessThan(13);
        expect([at(ticks[0] as number), at(ticks.at(-1) as number)]).toEqual([0, 1]);
      }),
    );
  });

  it.each([[[0]], [[-1, 1]], [[]], [[Number.NaN]]])("refuses %j", (values) => {
    expect(() => logScale(values)).toThrow("no scale covers");
  });

  it.each([
    [0.5, "0.5"],
    [20, "20"],
    [3000, "3k"],
    [1_000_000, "1000k"],
  ])("writes %d as %s", (value, text) => {
    expect(tickText(value)).toBe(text);
  });
});

const result = (suite: string, name: string, figures: Readonly<Record<string, number>>): Result => ({
  suite,
  name,
  rows: Object.entries(figures).map(([side, value]) => ({ side, figure: "p99", unit: "ms", spread: one(value) })),
  ratios: [],
});
const resultsOf = (...results: readonly Result[]): Results => ({
  machine: {
    cpu: "",
    cores: 2,
    memoryGib: 1,
    system: "",
    isPinned: true,
    loadBefore: 0,
    loadAfter: 0,
  },
  versions: {},
  rounds: 1,
  isQuick: true,
  begun: "",
  seconds: 1,
  results,
});

describe("the charts", () => {
  const results = resultsOf(
    result("unary", "8 × 16", { Helios: 2, "a <peer>": 3 }),
    result("unary", "1 × 1", { Helios: 1 }),
  );

  it("have the loads in the order of their size, and gaps where nothing was measured", () => {
    expect(chartsOf(results)).toMatchObject([
      {
        file: "unary-p99",
        unit: "ms",
        categories: ["1 × 1", "8 × 16"],
        lines: [
          { name: "Helios", values: [1, 2] },
          { name: "a <peer>", values: [undefined, 3] },
        ],
      },
    ]);
  });

  it("show each value as a point, and every name as text", () => {
    const [chart] = chartsOf(results);
    if (chart === undefined) throw new Error("there is no chart");
    for (const theme of [LIGHT, DARK]) {
      const svg = draw(chart, theme);
      // Three values, and a mark for each of the two names.
      expect(svg.match(/translate\(/g)).toHaveLength(5);
      expect(svg).toContain(">a &#60;peer&#62;</text>");
      expect(svg).toContain(theme.lines[1]);
      expect(svg).not.toContain("NaN");
    }
  });
});
