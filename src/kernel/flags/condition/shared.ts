import type { EvaluationContext } from "../evaluation.ts";

/** The steps and bytes that the conditions of a flag and of its prerequisites have used together in one evaluation. */
export interface SharedBudget {
  steps: number;
  bytes: number;
  /** The limit that one of them exceeded, in words. Undefined until one does. */
  exceeded: string | undefined;
}

/** A budget of which nothing is used yet. */
export function freshBudget(): SharedBudget {
  return { steps: 0, bytes: 0, exceeded: undefined };
}

/**
 * A compiled condition of a flag. Throws if it cannot be evaluated for the context. It adds the steps and bytes that it uses to
 * `shared`. If they exceed the rest of the budget, it throws, and notes in `shared` which limit was exceeded.
 */
export type Condition = (context: EvaluationContext, shared?: SharedBudget) => boolean;
