import { describe, expect, it } from "vitest";
import { bucketsOf, picking } from "../../../../../src/core/modules/swap/judging/share.ts";
import { BUCKETS } from "../../../../../src/kernel/flags/bucket.ts";

const PERCENT = Array.from({ length: 100 }, (_, at) => at + 1);

describe("a share of calls", () => {
  it("is exact after each call, at every whole per cent", () => {
    const wrong: string[] = [];
    for (const percent of PERCENT) {
      const isPicked = picking(percent / 100);
      let picked = 0;
      for (let seen = 1; seen <= 1000; seen += 1) {
        if (isPicked()) picked += 1;
        if (picked !== Math.floor((seen * percent) / 100)) wrong.push(`${picked} is not ${percent} % of ${seen}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe("a share of buckets", () => {
  it("selects the given number of thousandths of a per cent", () => {
    for (const percent of PERCENT) expect(bucketsOf(percent / 100)).toBe((percent * BUCKETS) / 100);
  });

  it("is one bucket if the share is smaller than that", () => {
    expect([bucketsOf(1e-9), bucketsOf(Number.MIN_VALUE)]).toEqual([1, 1]);
  });
});
