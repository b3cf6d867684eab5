import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { times } from "../../effort.ts";
import { context, referenceEvaluate, someTime, world } from "../../kernel/flags/reference.ts";
import { compilerOver } from "./world.ts";

describe("compiled flags", () => {
  it("answer as the plain rules do when they need each other", () => {
    fc.assert(
      fc.property(world, context, someTime, (flags, someContext, nowMs) => {
        const { compiled } = compilerOver(flags);
        for (const each of flags.values()) {
          expect(compiled(each.name)?.evaluate(someContext, nowMs)).toEqual(
            referenceEvaluate(each, someContext, nowMs, flags),
          );
        }
      }),
      { numRuns: times(400, 5000) },
    );
  });
});
