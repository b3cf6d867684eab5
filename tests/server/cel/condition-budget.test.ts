import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFlagCompiler } from "../../../src/core/flags/compile.ts";
import { explain } from "../../../src/core/flags/evaluation/explain.ts";
import { checkContext } from "../../../src/core/flags/rules/context.ts";
import { type Condition, type EvaluationContext, interpreterOf } from "../../../src/core/index.ts";
import { silentLog } from "../../../src/core/log.ts";
import { CONTEXT_VARIABLES } from "../../../src/kernel/flags/condition/flag.ts";
import { freshBudget } from "../../../src/kernel/flags/condition/shared.ts";
import { compileCondition, programOf } from "../../../src/server/cel/condition.ts";
import { flagIn } from "../../core/flags/world.ts";
import { times } from "../../effort.ts";
import { referenceEvaluate, type World } from "../../kernel/flags/reference.ts";

const l = "context.attributes.l";
const context: EvaluationContext = { attributes: { l: Array(40).fill(1) } };
const loops = (outer: number): string => `${l}.all(x, x > ${outer}.0 || ${l}.all(y, x + y < 9.0))`;
const joins = (lists: number): string => `${l}.all(x, (${Array(lists).fill(l).join(" + ")}).size() > 0)`;
/** Conditions from cheap to too expensive. Some are false, and some cannot be evaluated. */
const CONDITIONS = [
  loops(5),
  `${l}.all(x, ${l}.all(y, x > 0.0))`,
  `${l}.exists(x, ${l}.exists(y, x > 1.0)) || true`,
  joins(3),
  joins(9),
  joins(14),
  "context.attributes.l.size() > 1000",
  "context.attributes.none == 1",
  "true",
];
const costOf = (condition: string): readonly [number, number] => {
  const { steps, bytes } = interpreterOf(programOf(condition), CONTEXT_VARIABLES)(context);
  return [steps, bytes];
};

/** Ten flags, of which each needs some of the later ones. */
const worlds: fc.Arbitrary<World> = fc
  .array(
    fc.record({
      condition: fc.option(fc.constantFrom(...CONDITIONS), { nil: undefined }),
      enabled: fc.integer({ min: 0, max: 9 }).map((nth) => nth > 0),
      needs: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }),
    }),
    { minLength: 10, maxLength: 10 },
  )
  .map((drawn) => {
    const rules = drawn.map(({ condition, enabled, needs }, at) => {
      const prerequisites = [...new Set(needs.map((by) => at + by).filter((each) => each < 10))].map(
        (each) => `f${each}`,
      );
      return {
        name: `f${at}`,
        revision: 1,
        enabled,
        strategy: "ALL_ON" as const,
        percentage: 0,
        whitelist: [],
        bucketBy: "SESSION_ID" as const,
        salt: `f${at}`,
        bucketingVersion: 1 as const,
        ...(condition === undefined ? {} : { condition }),
        ...(prerequisites.length === 0 ? {} : { prerequisites }),
      };
    });
    return new Map(rules.map((rule) => [rule.name, rule]));
  });

describe("the budget of an evaluation", () => {
  it("limits steps and bytes of a flag with everything that it needs, and the answer follows the plain rules", () => {
    let used: { steps: number; bytes: number } = { steps: 0, bytes: 0 };
    // Counted next to the budget, so that an unshared budget would show.
    const counting = (source: string): Condition => {
      const [program, condition] = [programOf(source), compileCondition(source)];
      const evaluate = interpreterOf(program, CONTEXT_VARIABLES);
      return (asked, shared) => {
        const copy = { ...(shared ?? freshBudget()) };
        const { steps, bytes } = evaluate(asked, copy);
        used = { steps: used.steps + steps, bytes: used.bytes + bytes };
        return condition(asked, shared);
      };
    };
    const codes = new Set<string | undefined>();
    fc.assert(
      fc.property(worlds, (rules) => {
        const find = (name: string) => flagIn(rules, name);
        const compiler = createFlagCompiler(find, counting, silentLog);
        for (const [name, rule] of rules) {
          const [flag, compiled] = [find(name), compiler.compiled(name)];
          if (flag === undefined || compiled === undefined) throw new Error(`${name} is gone`);
          used = { steps: 0, bytes: 0 };
          const answer = compiled.evaluate(context, 0);
          // The step or allocation that exceeds a limit is counted.
          expect(used.steps).toBeLessThan(10_000 + 200);
          expect(used.bytes).toBeLessThan(1_048_576 + 10_000);
          const holds = (source: string): boolean => compileCondition(source)(context);
          expect(answer).toEqual(referenceEvaluate(rule, context, 0, rules, holds, costOf));
          const explained = explain({ revision: 1, nowMs: 0, find, ...compiler }, flag, compiled, context);
          expect(explained.evaluation).toEqual(answer);
          expect(explained.steps.at(-1)?.stopped).toBe(!answer.enabled);
          if (answer.errorCode !== undefined) expect(explained.steps.at(-1)?.outcome).toContain(answer.errorCode);
          codes.add(answer.errorCode);
        }
      }),
      { numRuns: times(20, 200) },
    );
    expect(codes).toEqual(new Set([undefined, "CONDITION_FAILED"]));
  });

  it("is shown by Explain with the limit and with the flag whose condition exceeded it", () => {
    const base = { revision: 3, enabled: true, strategy: "ALL_ON" as const, percentage: 0, whitelist: [] };
    const rule = (name: string, condition: string, ...prerequisites: string[]) => {
      const rest = { bucketBy: "SESSION_ID" as const, salt: name, bucketingVersion: 1 as const };
      const needs = prerequisites.length === 0 ? {} : { prerequisites };
      return [name, { ...base, ...rest, name, condition, ...needs }] as const;
    };
    const rules = new Map([
      rule("a", "true", "b"),
      rule("b", joins(9), "c"),
      rule("c", joins(9)),
      rule("d", loops(5), "e"),
      rule("e", loops(5)),
    ]);
    const find = (name: string) => flagIn(rules, name);
    const compiler = createFlagCompiler(find, compileCondition, silentLog);
    const lastOf = (name: string): unknown => {
      const [flag, compiled] = [find(name), compiler.compiled(name)];
      if (flag === undefined || compiled === undefined) throw new Error(`${name} is gone`);
      return explain({ revision: 3, nowMs: 0, find, ...compiler }, flag, compiled, context).steps.at(-1);
    };
    expect(lastOf("a")).toMatchObject({
      step: "PREREQUISITES",
      lookedAt: "prerequisite c of b at revision 3",
      outcome:
        "its condition cannot be evaluated: it takes more than 1048576 bytes with the conditions before it: off, CONDITION_FAILED",
    });
    expect(lastOf("d")).toMatchObject({
      step: "CONDITION",
      lookedAt: loops(5),
      outcome:
        "cannot be evaluated: it takes more than 10000 steps with the conditions before it: off, CONDITION_FAILED",
    });
  });

  it.each([
    "has(context.attributes)",
    "size(context.attributes) > 0",
    '"k7" in context.attributes && context.attributes["k7"] == 7',
    "has(context.attributes.k7) && context.attributes.k7 == 7",
    "context.attributes == context.attributes",
    "context.attributes.exists(k, k == 'k7')",
    "{'a': context.attributes} == {'a': context.attributes}",
    "[context.attributes] != [{'k7': 7}]",
  ])("counts enough steps for each pass through a large object: %s", (condition) => {
    let listed = 0;
    const members = Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`k${at}`, at]));
    const attributes = new Proxy(members, {
      ownKeys(target) {
        listed += 1;
        return Reflect.ownKeys(target);
      },
    });
    checkContext({ attributes });
    listed = 0;
    const { value, steps } = interpreterOf(programOf(condition), CONTEXT_VARIABLES)({ attributes });
    expect(value).toBe(true);
    expect(listed * 300).toBeLessThanOrEqual(steps);
  });
});
