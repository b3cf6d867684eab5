/**
 * Largest integer in free JSON, of either sign: above it, several integers share one double. A larger one is refused
 * with `ARGUMENT_INVALID`, up to 10^21. Send such integers as strings. @limit (2^53 − 1)
 */
export const MAX_WHOLE_NUMBER: number = Number.MAX_SAFE_INTEGER;

/**
 * Nobody writes a number of this size with all its digits. It has an exponent, and is a measure rather than a count or an
 * id.
 */
const WRITTEN_AS_POWER = 1e21;

/** Says what is wrong with a number. */
export interface NumberProblem {
  readonly problem: string;
  readonly expected: string;
}

/**
 * Returns what is wrong with a number of free-form JSON, or undefined if it is valid. `text` is the source of the number,
 * if it was parsed.
 */
export function numberProblem(value: number, text = ""): NumberProblem | undefined {
  if (!Number.isFinite(value)) return { problem: `${value} is not allowed`, expected: "a finite number" };
  const size = Math.abs(value);
  if (size <= MAX_WHOLE_NUMBER || (size >= WRITTEN_AS_POWER && !/^-?\d+$/.test(text))) return undefined;
  const problem = "is beyond the whole numbers that a double holds exactly";
  return { problem, expected: `a number from ${-MAX_WHOLE_NUMBER} to ${MAX_WHOLE_NUMBER}, or a string` };
}
