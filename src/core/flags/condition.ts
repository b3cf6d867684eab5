import type { Condition } from "../../kernel/flags/condition/shared.ts";
import { HeliosError } from "../errors/error.ts";

/** Compiles a condition. Throws a `ConditionError` that says what is wrong, where, and what was expected. */
export type ConditionCompiler = (source: string) => Condition;

/** A condition cannot be compiled. */
export class ConditionError extends Error {
  override readonly name = "ConditionError";
  /** Line and column; undefined if they are not known. */
  readonly position: string | undefined;
  readonly expected: string;
  constructor(message: string, expected: string, position?: string) {
    super(message);
    this.position = position;
    this.expected = expected;
  }
}

/** Returns what is wrong with a condition; undefined if it compiles. */
export function conditionProblem(source: string, compile: ConditionCompiler | undefined): ConditionError | undefined {
  if (compile === undefined)
    return new ConditionError("conditions cannot be evaluated here", "a flag without a condition");
  try {
    compile(source);
    return undefined;
  } catch (error) {
    if (error instanceof ConditionError) return error;
    throw error;
  }
}

/** Throws FLAG_CONDITION_INVALID if there is a problem. */
export function refuseCondition(name: string, problem: ConditionError | undefined): void {
  if (problem === undefined) return;
  const { message, expected, position = "as a whole" } = problem;
  throw HeliosError.of("FLAG_CONDITION_INVALID", { name, position, problem: message, expected });
}
