import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AnswerSums, MAX_COUNT } from "../../../../src/core/flags/counts/answers.ts";
import { readDay, writeDay } from "../../../../src/core/flags/usage/record.ts";
import { times } from "../../../effort.ts";

const count = fc.record({
  variant: fc.string({ maxLength: 128 }),
  reason: fc.constantFrom("SPLIT", "ERROR", "UNSPECIFIED"),
  errorCode: fc.constantFrom(undefined, "CONDITION_FAILED"),
  count: fc.integer({ min: 1, max: MAX_COUNT }),
  lastTime: fc.integer({ min: 0, max: 2e12 }),
}) as fc.Arbitrary<Parameters<AnswerSums["add"]>[0]>;

describe("the record of a day", () => {
  it("is read as it was written", () => {
    fc.assert(
      fc.property(fc.array(count, { maxLength: 20 }), fc.option(fc.nat(2e12), { nil: undefined }), (counts, since) => {
        const sums = new AnswerSums();
        sums.addAll(counts);
        const read = readDay(writeDay({ since, sums }));
        expect({ since: read.since, list: read.sums.list() }).toEqual({ since, list: sums.list() });
      }),
      { numRuns: times(200, 5_000) },
    );
  });

  it("is read without an error whatever is stored", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.array(fc.jsonValue()).map((answers) => JSON.stringify({ answers })),
        ),
        (text) => {
          const { sums } = readDay(text);
          for (const { count: found } of sums.values()) expect(Number.isSafeInteger(found) && found >= 1).toBe(true);
        },
      ),
      { numRuns: times(200, 5_000) },
    );
  });
});
