import type { Failure, Run } from "./budget.ts";
import type { Value } from "./values.ts";

/** How a program reads its variables. Undefined: the variable is absent. */
export type Variables<Subject> = Readonly<Record<string, (subject: Subject) => unknown>>;

/** A prepared node. It counts one step, and its operands count theirs. */
export type Evaluate = (run: Run, subject: unknown) => Value | Failure;
