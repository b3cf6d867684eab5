import { type Violation, violation } from "../errors/violation.ts";
import { nearest } from "../text/nearest.ts";
import type { JsonPath } from "./path.ts";

/** Collects the mistakes of a file. */
export type Report = (found: Violation) => void;

/**
 * Unknown keys of one object for which the error proposes a known key. The search takes long, and an object with more unknown
 * keys is not a spelling mistake.
 */
const GUESSED_KEYS = 50;

/** Returns the object at that place of a file. If the value is not an object, reports that and returns undefined. */
export function objectAt(
  value: unknown,
  path: JsonPath,
  expected: string,
  report: Report,
): Readonly<Record<string, unknown>> | undefined {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  report(violation(path, value, expected));
  return undefined;
}

/**
 * Returns the one of `words` that the file has at that place, in lower case. Returns undefined if the value is absent. If it
 * is another value, reports that and returns undefined.
 */
export function wordAt<Word extends string>(
  value: unknown,
  path: JsonPath,
  words: readonly Word[],
  report: Report,
): Word | undefined {
  if (value === undefined) return undefined;
  const found = words.find((word) => word.toLowerCase() === value);
  if (found === undefined) report(violation(path, value, `one of ${words.join(", ").toLowerCase()}`));
  return found;
}

/** Reports the keys that are not known. Returns the known keys that were probably meant. */
export function reportUnknown(
  keys: readonly string[],
  path: JsonPath,
  known: readonly string[],
  report: Report,
): readonly string[] {
  return keys
    .filter((key) => !known.includes(key))
    .flatMap((key, index) => {
      const guess = index < GUESSED_KEYS ? nearest(key, known) : undefined;
      const expected = guess === undefined ? `one of ${known.join(", ")}` : `"${guess}"`;
      report({ path: [...path, key], problem: "unknown key", expected });
      return guess ?? [];
    });
}
