import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createFlagCompiler } from "../../../../src/core/flags/compile.ts";
import { parseFlagsFile } from "../../../../src/core/flags/file/parse.ts";
import { silentLog } from "../../../../src/core/log.ts";
import { CONDITION_MAX_BYTES, CONDITION_MAX_STEPS } from "../../../../src/kernel/flags/condition/program.ts";
import { type Condition, freshBudget } from "../../../../src/kernel/flags/condition/shared.ts";
import type { Evaluation } from "../../../../src/kernel/flags/evaluation.ts";
import type { FlagRule } from "../../../../src/kernel/flags/rule.ts";
import { referenceEvaluate } from "../../../kernel/flags/reference.ts";
import { flagIn } from "../world.ts";

type Cost = readonly [steps: number, bytes: number];

interface Case {
  readonly title: string;
  readonly flags: Readonly<Record<string, object>>;
  readonly name: string;
  readonly context: Readonly<Record<"session_id" | "user_id" | "symbol" | "system", string | undefined>>;
  readonly now: string;
  readonly conditions: Readonly<Record<string, boolean | "error">>;
  readonly costs: Readonly<Record<string, Cost>>;
  readonly expected: Readonly<Record<string, unknown>>;
}

const read = (file: string): unknown =>
  JSON.parse(readFileSync(join(import.meta.dirname, "../../../../testdata", file), "utf8"));

describe("testdata/evaluation.json", () => {
  const { cases } = read("evaluation.json") as { readonly cases: readonly Case[] };
  const reasons = new Set(cases.map(({ expected }) => expected.reason));
  const codes = new Set(cases.map(({ expected }) => expected.error_code));

  it("covers every reason and every error code of an answer, and has unique titles", () => {
    expect([...reasons].sort()).toEqual(["DEFAULT", "DISABLED", "ERROR", "SPLIT", "STATIC", "TARGETING_MATCH"]);
    expect(codes).toEqual(
      new Set([null, "TARGETING_KEY_MISSING", "CONDITION_FAILED", "PREREQUISITE_MISSING", "TOO_MANY_PREREQUISITES"]),
    );
    expect(new Set(cases.map(({ title }) => title)).size).toBe(cases.length);
  });

  it.each(cases)("$title", ({ flags, name, context, now, conditions, costs, expected }) => {
    const { session_id, user_id, symbol, system } = context;
    const asked = { sessionId: session_id, userId: user_id, symbol, system };
    const rules = new Map<string, FlagRule>();
    // Each condition's text is the name of its flag. The vector gives its result, so no CEL is needed.
    for (const flag of parseFlagsFile(JSON.stringify(flags), "f", () => () => true).flags) {
      const { condition, ...definition } = flag.definition;
      const named = condition === undefined ? {} : { condition: flag.name };
      rules.set(flag.name, { ...definition, ...named, name: flag.name, revision: 1 });
    }
    const outcome = (flag: string): boolean => {
      const received = conditions[flag];
      if (typeof received === "boolean") return received;
      throw new Error("cannot be evaluated");
    };
    const compileCondition =
      (flag: string): Condition =>
      (_, shared = freshBudget()) => {
        const [steps, bytes] = costs[flag] as Cost;
        shared.steps += steps;
        shared.bytes += bytes;
        if (shared.steps <= CONDITION_MAX_STEPS && shared.bytes <= CONDITION_MAX_BYTES) return outcome(flag);
        shared.exceeded = "too much";
        throw new Error("cannot be evaluated");
      };
    const compiler = createFlagCompiler((each) => flagIn(rules, each), compileCondition, silentLog);
    const shaped = (answer: Evaluation | undefined): object => {
      const { enabled, variant, value, reason, errorCode, bucket, variantBucket, killed } = answer as Evaluation;
      const rest = { error_code: errorCode ?? null, bucket: bucket ?? null, variant_bucket: variantBucket ?? null };
      return { enabled, variant, value, reason, ...rest, killed };
    };
    const nowMs = Date.parse(now);
    expect(shaped(compiler.compiled(name)?.evaluate(asked, nowMs))).toEqual(expected);
    const rule = rules.get(name) as FlagRule;
    expect(shaped(referenceEvaluate(rule, asked, nowMs, rules, outcome, (flag) => costs[flag] as Cost))).toEqual(
      expected,
    );
  });
});
