import { type Violation, violation } from "../errors/violation.ts";
import { nearest } from "../text/nearest.ts";
import type { JsonPath } from "./path.ts";

/** Is called with each mistake of a file. */
export type Report = (found: Violation) => void;

/** Unknown keys of one object for which the nearest known key is looked for: it takes long, and nobody misspells more. */
const GUESSED_KEYS = 50;

/** The object at that place of a file; undefined where it is something else, which is reported. */
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

/** One of `words`, which a file has in lower case; undefined where it is absent, or something else, which is reported. */
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

/** Reports the keys that are not known. Returns which keys they are probably meant to be. */
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
