import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AnswerSums } from "../../../../src/core/flags/counts/answers.ts";
import { type Tallied, Tallies } from "../../../../src/core/flags/counts/tally.ts";
import { answer, type Evaluation } from "../../../../src/kernel/flags/evaluation.ts";
import { times } from "../../../effort.ts";

const given: fc.Arbitrary<Evaluation> = fc
  .record({
    variant: fc.nat(12).map((at) => `v${at}`),
    reason: fc.constantFrom("SPLIT", "TARGETING_MATCH") as fc.Arbitrary<Evaluation["reason"]>,
    failed: fc.boolean(),
    name: fc.constantFrom("f", "g"),
  })
  .map(({ variant, reason, failed, name }) => ({
    ...answer({ name, revision: 1 }, true, reason, failed ? "CONDITION_FAILED" : undefined),
    variant,
  }));

describe("the tallies", () => {
  it("return each answer once, with its count and last time, however often they are taken", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof({ weight: 20, arbitrary: given }, fc.constant("take" as const))), (steps) => {
        let firsts = 0;
        let waiting = false;
        const tallies = new Tallies(() => {
          firsts += 1;
          waiting = true;
        });
        const asked: Record<string, Tallied> = { f: { tally: undefined }, g: { tally: undefined } };
        const [found, expected] = [new Map<string, AnswerSums>(), new Map<string, AnswerSums>()];
        const add = (sums: Map<string, AnswerSums>, name: string, count: Parameters<AnswerSums["add"]>[0]): void => {
          const own = sums.get(name) ?? new AnswerSums();
          own.add(count);
          sums.set(name, own);
        };
        const take = (): void => {
          for (const name of [...tallies.names()]) for (const count of tallies.take(name)) add(found, name, count);
          waiting = false;
        };
        let now = 1000;
        let expectedFirsts = 0;
        for (const step of steps) {
          if (step === "take") {
            take();
            continue;
          }
          if (!waiting) expectedFirsts += 1;
          now += 1;
          const { name, variant, reason, errorCode } = step;
          tallies.count(asked[name] as Tallied, step, now);
          add(expected, name, { variant, reason, errorCode, count: 1, lastTime: now });
        }
        take();
        expect(firsts).toBe(expectedFirsts);
        const lists = (sums: Map<string, AnswerSums>) => ["f", "g"].map((name) => sums.get(name)?.list());
        expect(lists(found)).toEqual(lists(expected));
        expect([tallies.size, tallies.take("f")]).toEqual([0, []]);
      }),
      { numRuns: times(200, 5_000) },
    );
  });
});
