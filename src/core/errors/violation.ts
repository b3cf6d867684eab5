import { type JsonPath, pathText } from "../json/source.ts";
import { HALF_A_CHARACTER } from "../text/surrogates.ts";
import { HeliosError } from "./error.ts";

/** A rule that a value breaks; the path is in the contract's field names. */
export interface Violation {
  readonly path: JsonPath;
  readonly problem: string;
  readonly expected: string;
}

/** That the value at `path` is not what is expected. */
export function violation(path: JsonPath, value: unknown, expected: string): Violation {
  return { path, problem: value === undefined ? "missing" : `${show(value)} is not allowed`, expected };
}

/** That the value is not a text, or has more than `limit` characters: code points, as everywhere in the contract. */
export function lengthViolation(path: JsonPath, value: unknown, limit: number): Violation | undefined {
  if (typeof value !== "string") return violation(path, value, "a text");
  // The cheap bound first.
  const length = value.length <= limit ? value.length : [...value].length;
  return length <= limit ? undefined : { path, problem: `${length} characters`, expected: `at most ${limit}` };
}

/** The same, and that it has half a character. */
export function textViolation(path: JsonPath, value: unknown, limit: number): Violation | undefined {
  const wrong = lengthViolation(path, value, limit);
  if (wrong !== undefined || (value as string).isWellFormed()) return wrong;
  return { path, ...HALF_A_CHARACTER };
}

/** Throws what the violation says, if there is one, as ARGUMENT_INVALID. */
export function refuse(found: Violation | undefined): void {
  if (found === undefined) return;
  const { path, problem, expected } = found;
  throw HeliosError.of("ARGUMENT_INVALID", { field: pathText(path), problem: `${problem}; expected ${expected}` });
}

/** Length of a wrong value as an error shows it; the rest is cut. @limit characters */
const MAX_SHOWN = 60;

/** A value as a message tells it: whole if it is short. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
