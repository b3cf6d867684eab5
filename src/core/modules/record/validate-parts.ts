import { type Violation, violation } from "../../errors/violation.ts";
import type { JsonPath } from "../../json/path.ts";

/** Length of a module's name; a longer one is refused with `ARGUMENT_INVALID`. @limit characters */
const NAME_LIMIT = 120;
/**
 * Length of a module's path, and of a suite file's; a longer one is refused with `ARGUMENT_INVALID`. @limit characters
 */
export const PATH_LIMIT = 1024;
/**
 * Entries of each list and map of a registration, such as `dependencies` or `env`; more are refused with
 * `ARGUMENT_INVALID`. @limit entries
 */
export const LIST_LIMIT = 100;
/**
 * Length of the name of a method in a registration; a longer one is refused with `ARGUMENT_INVALID`. @limit characters
 */
const METHOD_LIMIT = 128;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** Returns the first rule that a module's name violates. */
export function nameViolation(path: JsonPath, name: unknown): Violation | undefined {
  if (typeof name === "string" && name.length <= NAME_LIMIT && NAME.test(name)) return undefined;
  return violation(path, name, `1 to ${NAME_LIMIT} letters, digits and _ . -, a letter or digit first`);
}

/** Returns the first rule that a module path violates. Does not check whether the file exists. */
export function pathViolation(path: JsonPath, value: unknown): Violation | undefined {
  return value === "" ? violation(path, value, "a path below the modules root") : text(path, value, PATH_LIMIT);
}

export function methodViolation(path: JsonPath, method: unknown): Violation | undefined {
  return method === "" ? violation(path, method, "the name of a method") : text(path, method, METHOD_LIMIT);
}

export function list(
  path: JsonPath,
  values: unknown,
  check: (path: JsonPath, value: unknown) => Violation | undefined,
  expected = "a list",
): Violation | undefined {
  if (!Array.isArray(values)) return violation(path, values, expected);
  if (values.length > LIST_LIMIT) return tooMany(path, values.length);
  for (const [index, value] of values.entries()) {
    const found = check([...path, index], value);
    if (found !== undefined) return found;
  }
  return undefined;
}

export function tooMany(path: JsonPath, count: number): Violation {
  return { path, problem: `${count} entries`, expected: `at most ${LIST_LIMIT}` };
}

export function text(path: JsonPath, value: unknown, limit: number): Violation | undefined {
  if (typeof value !== "string" || !value.isWellFormed()) return violation(path, value, "a string");
  // Characters are code points, as everywhere in the contract.
  const length = [...value].length;
  return length <= limit ? undefined : { path, problem: `${length} characters`, expected: `at most ${limit}` };
}
