import type { Failure, Run } from "./budget.ts";
import type { Value } from "./values.ts";

/** How a program reads its variables. Undefined: the variable is absent. */
export type Variables<Subject> = Readonly<Record<string, (subject: Subject) => unknown>>;

/** A prepared node. It counts a step, and then the steps of the nodes that it is made of. */
export type Evaluate = (run: Run, subject: unknown) => Value | Failure;
