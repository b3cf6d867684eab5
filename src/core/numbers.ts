/**
 * Largest whole number, of either sign, in free JSON: above it a double stands for several of them. A larger one is
 * refused with `ARGUMENT_INVALID`; a string may hold it. @limit (2^53 − 1)
 */
export const MAX_WHOLE_NUMBER: number = Number.MAX_SAFE_INTEGER;

/** What is wrong with a number. */
export interface NumberProblem {
  readonly problem: string;
  readonly expected: string;
}

/** What is wrong with a number of free JSON; undefined: nothing. */
export function numberProblem(value: number): NumberProblem | undefined {
  if (!Number.isFinite(value)) return { problem: `${value} is not allowed`, expected: "a finite number" };
  if (Math.abs(value) <= MAX_WHOLE_NUMBER) return undefined;
  const problem = "it is beyond the whole numbers that doubles hold exactly";
  return { problem, expected: `a number from ${-MAX_WHOLE_NUMBER} to ${MAX_WHOLE_NUMBER}, or a string` };
}
