import type { Condition } from "../../kernel/flags/condition/shared.ts";
import { HeliosError } from "../errors/error.ts";

/** Makes a condition of its text. Throws a `ConditionError` that says what is wrong, where, and what was expected. */
export type ConditionCompiler = (source: string) => Condition;

/** A condition cannot be read, or its types do not fit. */
export class ConditionError extends Error {
  override readonly name = "ConditionError";
  /** Line and column, where they are known. */
  readonly position: string | undefined;
  readonly expected: string;
  constructor(message: string, expected: string, position?: string) {
    super(message);
    this.position = position;
    this.expected = expected;
  }
}

/** What is wrong with a condition; undefined: nothing. */
export function conditionProblem(source: string, compile: ConditionCompiler | undefined): ConditionError | undefined {
  if (compile === undefined) return new ConditionError("conditions cannot be evaluated here", "a flag without one");
  try {
    compile(source);
    return undefined;
  } catch (error) {
    if (error instanceof ConditionError) return error;
    throw error;
  }
}

/** FLAG_CONDITION_INVALID where there is a problem with the flag's condition. */
export function refuseCondition(name: string, problem: ConditionError | undefined): void {
  if (problem === undefined) return;
  const { message, expected, position = "as a whole" } = problem;
  throw HeliosError.of("FLAG_CONDITION_INVALID", { name, position, problem: message, expected });
}
