import { type JsonPath, pathText } from "../json/path.ts";
import { HALF_A_CHARACTER } from "../text/surrogates.ts";
import { invalid } from "./invalid.ts";

/** A rule that a value violates. The path uses the field names of the contract. */
export interface Violation {
  readonly path: JsonPath;
  readonly problem: string;
  readonly expected: string;
}

/** Returns the violation "the value at `path` is not what was expected". */
export function violation(path: JsonPath, value: unknown, expected: string): Violation {
  return { path, problem: value === undefined ? "missing" : `${show(value)} is not allowed`, expected };
}

/**
 * Returns a violation if the value is not a string, or has more than `limit` characters. A character is a code point, as
 * everywhere in the contract.
 */
export function lengthViolation(path: JsonPath, value: unknown, limit: number): Violation | undefined {
  if (typeof value !== "string") return violation(path, value, "a string");
  // The number of code units is cheap to check, and is never smaller.
  const length = value.length <= limit ? value.length : [...value].length;
  return length <= limit ? undefined : { path, problem: `${length} characters`, expected: `at most ${limit}` };
}

/** Like `lengthViolation`, and also returns a violation if the string contains half a surrogate pair. */
export function textViolation(path: JsonPath, value: unknown, limit: number): Violation | undefined {
  const wrong = lengthViolation(path, value, limit);
  if (wrong !== undefined || (value as string).isWellFormed()) return wrong;
  return { path, ...HALF_A_CHARACTER };
}

/** Throws ARGUMENT_INVALID for a violation, if there is one. */
export function refuse(found: Violation | undefined): void {
  if (found === undefined) return;
  const { path, problem, expected } = found;
  throw invalid(pathText(path), `${problem}; expected ${expected}`);
}

/** Length of a wrong value as an error shows it; the rest is cut. @limit characters */
const MAX_SHOWN = 60;

/** Formats a value for an error message. A long value is cut. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
