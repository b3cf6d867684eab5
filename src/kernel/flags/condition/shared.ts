import type { EvaluationContext } from "../evaluation.ts";

/** What the conditions of one evaluation have used together: that of a flag, and those of the flags that it needs. */
export interface SharedBudget {
  steps: number;
  bytes: number;
  /** The limit that one of them exceeded, in words. Undefined until one does. */
  exceeded: string | undefined;
}

/** The budget of an evaluation that begins. */
export function freshBudget(): SharedBudget {
  return { steps: 0, bytes: 0, exceeded: undefined };
}

/**
 * A flag's condition, compiled. Throws where it cannot be evaluated for that context. It adds what it uses to `shared`. Where
 * that exceeds what was left there, it throws and says in `shared` which limit it was.
 */
export type Condition = (context: EvaluationContext, shared?: SharedBudget) => boolean;
