import { type Violation, violation } from "../errors/violation.ts";
import { HALF_A_CHARACTER } from "../text/surrogates.ts";
import { type NumberProblem, numberProblem } from "./numbers.ts";
import type { JsonPath } from "./path.ts";

/**
 * Nesting of a module's `config`, and of the input of a reload hook or a test, in the library; a deeper one is refused
 * with `ARGUMENT_INVALID` or `SUITE_INVALID`. @limit levels
 */
const DEEPEST_JSON = 200;

/**
 * Returns the first part of a value that would change when it is stored or sent: functions and other objects, cycles, NaN,
 * numbers that a double does not hold exactly, halves of characters, and nesting beyond `deepest`.
 */
export function jsonViolation(path: JsonPath, value: unknown, deepest: number = DEEPEST_JSON): Violation | undefined {
  const open = new Set<unknown>();
  const find = (at: JsonPath, part: unknown): Violation | undefined => {
    const problem = typeof part === "string" || typeof part === "number" ? scalarProblem(part) : undefined;
    if (problem !== undefined) return { path: at, ...problem };
    if (part === null || ["string", "number", "boolean"].includes(typeof part)) return undefined;
    if ((!Array.isArray(part) && !isPlainObject(part)) || open.has(part)) return violation(at, part, "a JSON value");
    if (open.size >= deepest) return { path: at, problem: "nested too deeply", expected: `at most ${deepest} levels` };
    open.add(part);
    for (const [key, one] of Object.entries(part as object)) {
      const inner = [...at, Array.isArray(part) ? Number(key) : key];
      const found = key.isWellFormed() ? find(inner, one) : { path: inner, ...HALF_A_CHARACTER };
      if (found !== undefined) return found;
    }
    open.delete(part);
    return undefined;
  };
  return find(path, value);
}

/** Returns why a string or a number cannot be sent unchanged, if so. */
function scalarProblem(value: string | number): NumberProblem | undefined {
  if (typeof value === "number") return numberProblem(value);
  return value.isWellFormed() ? undefined : HALF_A_CHARACTER;
}

export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
