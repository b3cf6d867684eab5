import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFlagCompiler } from "../../../src/core/flags/compile.ts";
import { Dependents } from "../../../src/core/flags/dependents.ts";
import { silentLog } from "../../../src/core/log.ts";
import type { FlagRule } from "../../../src/kernel/flags/rule.ts";
import { times } from "../../effort.ts";
import { context, referenceCondition, referenceEvaluate, someTime, world } from "../../kernel/flags/reference.ts";
import { compilerOver, flagIn } from "./world.ts";

const NAMES = ["a", "b", "c", "d"];

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

  it("answer as the present rules do after any changes of any of them, also together", () => {
    // At each revision, some flags take their rules from another world, and some are deleted.
    const revision = fc.tuple(world, fc.subarray(NAMES), fc.subarray(NAMES));
    fc.assert(
      fc.property(fc.array(revision, { maxLength: 6 }), context, someTime, (revisions, someContext, nowMs) => {
        const present = new Map<string, FlagRule>();
        const dependents = new Dependents();
        const compileCondition = (source: string) => (of: typeof someContext) => referenceCondition(source, of);
        const compiler = createFlagCompiler(
          (name) => flagIn(present, name),
          compileCondition,
          silentLog,
          (name) => dependents.of(name),
        );
        for (const [next, replaced, deleted] of revisions) {
          const changed = [...new Set([...replaced, ...deleted])];
          for (const name of changed) {
            const rule = deleted.includes(name) ? undefined : next.get(name);
            if (rule === undefined) present.delete(name);
            else present.set(name, rule);
            dependents.set(name, rule?.prerequisites);
          }
          for (const name of changed) compiler.forget(name);
          for (const name of NAMES) {
            const rule = present.get(name);
            const expected = rule && referenceEvaluate(rule, someContext, nowMs, present);
            expect(compiler.compiled(name)?.evaluate(someContext, nowMs)).toEqual(expected);
          }
        }
      }),
      { numRuns: times(300, 5000) },
    );
  });
});
