// `testdata/conditions.json`: conditions, their programs, and the answers of these.
import { toJson } from "@bufbuild/protobuf";
import { ConditionProgramSchema } from "../../gen/helios/v1/condition_pb.ts";
import { ConditionError } from "../../src/core/index.ts";
import { CONTEXT_VARIABLES } from "../../src/kernel/flags/condition/flag.ts";
import { interpreterOf, type ProgramOutcome } from "../../src/kernel/flags/condition/interpret.ts";
import type { EvaluationContext } from "../../src/kernel/flags/evaluation.ts";
import { programOf } from "../../src/server/cel/condition.ts";
import { toProgram } from "../../src/server/map/condition.ts";
import { BUDGET_CASES } from "./budgets.ts";
import { CASES, type ConditionCase, type VectorContext } from "./cases.ts";
import { FAILURE_CASES } from "./failures.ts";
import { PATTERN_CASES, REFUSED } from "./patterns.ts";

export function conditionVectors(): object {
  return {
    about: [
      "program is the helios.v1.ConditionProgram that the server compiles from condition, in the JSON form of protobuf.",
      "context has the names of helios.v1.EvaluationContext. repeated_texts and repeated_values are further attributes: a text",
      "or a list of one value, repeated the given number of times.",
      "outcome is on, off or failed. failed is STEPS or MEMORY if that limit was exceeded, VALUE if the condition has no boolean",
      "value, and null if it was evaluated.",
      "steps and bytes are the cost of the evaluation. They are null if a limit was exceeded.",
      "refused has conditions that cannot be set, with the position of the fault, or null if it has no position.",
    ],
    conditions: [...CASES, ...PATTERN_CASES, ...BUDGET_CASES, ...FAILURE_CASES].map(evaluated),
    refused: REFUSED.map(refused),
  };
}

function evaluated({ condition, contexts }: ConditionCase): object {
  const program = programOf(condition);
  const evaluate = interpreterOf(program, CONTEXT_VARIABLES);
  return {
    condition,
    program: toJson(ConditionProgramSchema, toProgram(program)),
    cases: contexts.map((context) => ({ context, ...toOutcome(evaluate(asContext(context))) })),
  };
}

/** The outcome of an evaluation, in the format of the vectors. */
export function toOutcome({ value, failed, steps, bytes }: ProgramOutcome): object {
  const what = failed?.kind ?? (typeof value === "boolean" ? null : "VALUE");
  const outcome = what !== null ? "failed" : value === true ? "on" : "off";
  const isOver = what === "STEPS" || what === "MEMORY";
  return { outcome, failed: what, steps: isOver ? null : steps, bytes: isOver ? null : bytes };
}

/** Converts the context of a vector. */
export function asContext(context: VectorContext): EvaluationContext {
  const { session_id, user_id, symbol, system, attributes, repeated_texts = {}, repeated_values = {} } = context;
  const texts = Object.entries(repeated_texts).map(([name, [text, times]]) => [name, text.repeat(times)]);
  const values = Object.entries(repeated_values).map(([name, [value, times]]) => [name, Array(times).fill(value)]);
  return {
    sessionId: session_id,
    userId: user_id,
    symbol,
    system,
    attributes: { ...attributes, ...Object.fromEntries([...texts, ...values]) },
  };
}

function refused(condition: string): object {
  try {
    programOf(condition);
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    return { condition, position: error.position ?? null, problem: error.message, expected: error.expected };
  }
  throw new Error(`${condition} is not refused`);
}
