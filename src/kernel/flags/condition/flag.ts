import type { EvaluationContext } from "../evaluation.ts";
import type { FailureKind } from "./budget.ts";
import type { Variables } from "./evaluator.ts";
import { interpreterOf } from "./interpret.ts";
import type { Program } from "./program.ts";
import type { SharedBudget } from "./shared.ts";

/** How a condition reads the context. An absent text is empty; absent attributes are an empty map. */
export const CONTEXT_VARIABLES: Variables<EvaluationContext> = {
  session_id: ({ sessionId }) => sessionId ?? "",
  user_id: ({ userId }) => userId ?? "",
  symbol: ({ symbol }) => symbol ?? "",
  system: ({ system }) => system ?? "",
  attributes: ({ attributes }) => attributes ?? {},
};

/** A condition could not be evaluated over a context. */
export class ConditionFailed extends Error {
  override readonly name = "ConditionFailed";
  /** Why it failed. */
  readonly kind: FailureKind;
  constructor(kind: FailureKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/**
 * Makes a condition from its program. `placeOf` returns the place of a node in the text. The condition throws only
 * ConditionFailed. Throws a ProgramError if this interpreter cannot evaluate the program.
 */
export function conditionOf(
  program: Program,
  placeOf: (node: number) => string | undefined = () => undefined,
): (context: EvaluationContext, shared?: SharedBudget) => boolean {
  const evaluate = interpreterOf(program, CONTEXT_VARIABLES);
  return (context, shared) => {
    const { value, failed } = evaluate(context, shared);
    if (typeof value === "boolean") return value;
    if (failed === undefined) throw new ConditionFailed("VALUE", "is neither true nor false");
    const place = placeOf(failed.node);
    const where = place === undefined ? "" : ` (${place})`;
    throw new ConditionFailed(failed.kind, `cannot be evaluated: ${failed.message}${where}`);
  };
}
