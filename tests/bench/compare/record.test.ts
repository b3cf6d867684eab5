import { describe, expect, it } from "vitest";
import { fallsOf, fallText, recordOf, suiteOf, worseOf } from "../../../bench/compare/record.ts";
import type { Ratio, Result } from "../../../bench/compare/results.ts";

const ratio = (figure: string, better: "more" | "less", median: number, peer = "peer"): Ratio => ({
  figure,
  peer,
  better,
  spread: { median, min: median, max: median, count: 1 },
});
const result = (...ratios: readonly Ratio[]): Result => ({ suite: "unary", name: "8 × 16", rows: [], ratios });

const RATE = "unary / 8 × 16 / calls per CPU second / peer";
const MEMORY = "unary / 8 × 16 / heap per watcher / peer";
const record = recordOf([
  result(ratio("calls per CPU second", "more", 0.9), ratio("heap per watcher", "less", 2), ratio("p99", "less", 3)),
]);

describe("the record", () => {
  it("has the steady ratios, by their ids", () => {
    expect(record).toEqual({ [RATE]: { ratio: 0.9, better: "more" }, [MEMORY]: { ratio: 2, better: "less" } });
    expect(suiteOf(RATE)).toBe("unary");
  });

  it("can keep what is worse, so that it fits several machines", () => {
    const before = { [RATE]: { ratio: 0.8, better: "more" }, [MEMORY]: { ratio: 1.5, better: "less" } } as const;
    expect(worseOf(before, record)).toEqual({ [RATE]: before[RATE], [MEMORY]: record[MEMORY] });
    expect(worseOf({}, record)).toEqual(record);
  });

  it("has no peer that some machines lack", () => {
    expect(recordOf([result(ratio("calls per CPU second", "more", 1, "flagd"))])).toEqual({});
  });

  it.each([
    ["as recorded", 0.9, 2, []],
    ["better", 9, 0.2, []],
    ["a third worse", 0.6, 3, []],
    ["worse than that", 0.599, 3.01, [RATE, MEMORY]],
    ["worse in one of them", 0.1, 2, [RATE]],
  ])("holds what is %s", (_, rate, memory, fallen) => {
    const now = [result(ratio("calls per CPU second", "more", rate), ratio("heap per watcher", "less", memory))];
    expect(fallsOf(record, now).map(({ id }) => id)).toEqual(fallen);
  });

  it("counts a ratio as fallen that was not measured, or is no number", () => {
    expect(fallsOf(record, []).map(fallText)).toEqual([
      `${RATE}: not measured, but 0.9 is recorded`,
      `${MEMORY}: not measured, but 2 is recorded`,
    ]);
    const unknown = [result(ratio("calls per CPU second", "more", Number.NaN), ratio("heap per watcher", "less", 2))];
    expect(fallsOf(record, unknown).map(({ id }) => id)).toEqual([RATE]);
  });
});
