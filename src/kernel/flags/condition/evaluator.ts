import type { Failure, Run } from "./budget.ts";
import type { Value } from "./values.ts";

/** How a program reads its variables. Undefined: the variable is not there. */
export type Variables<Subject> = Readonly<Record<string, (subject: Subject) => unknown>>;

/** A node made ready. Counts a step, and then those of what it is made of. */
export type Evaluate = (run: Run, subject: unknown) => Value | Failure;
