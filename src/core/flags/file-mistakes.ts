import { HeliosError } from "../errors.ts";
import { type JsonSource, pathText } from "../json-source.ts";
import { cut } from "../size.ts";
import type { Violation } from "../violation.ts";

/**
 * Mistakes of a flags file that an error lists; the others are counted. Over the wire the list is cut by its length,
 * too. @limit mistakes
 */
export const TOLD_MISTAKES = 100;
/** Of which the lines are looked for. Mistakes are found in the order of the file, but for those within a flag. */
const PLACED_MISTAKES = 1000;
/** Of what was expected, in characters, for all mistakes but the first. */
const SHORT = 80;

/** The error for a flags file. `line` 0: the file as a whole. */
export function fileInvalid(
  file: string,
  line: number,
  key: string,
  problem: string,
  expected: string,
  cause?: unknown,
): HeliosError {
  return HeliosError.of("FLAGS_FILE_INVALID", { file, line, key, problem, expected }, { cause });
}

/** The error for what is wrong in a file, in the order of its lines: the first in full, the others in a line each. */
export function fileMistakes(file: string, source: JsonSource, found: readonly Violation[]): HeliosError {
  const placed = found
    .slice(0, PLACED_MISTAKES)
    .map((each) => ({ ...each, line: source.lineOf(each.path), key: pathText(each.path) }));
  const [first, ...others] = placed.sort((a, b) => a.line - b.line);
  if (first === undefined) throw new Error("a file without mistakes has no error");
  const { line, key, problem, expected } = first;
  const metadata = { file, line, key, problem, expected };
  if (others.length === 0) return HeliosError.of("FLAGS_FILE_INVALID", metadata);
  const told = others.slice(0, TOLD_MISTAKES - 1);
  const lines = told.map(
    (each) => `line ${each.line}, ${each.key}: ${each.problem}; expected ${cut(each.expected, SHORT)}`,
  );
  const left = found.length - 1 - told.length;
  const more = [...lines, ...(left > 0 ? [`and ${left} more`] : [])].map((line) => `\n${line}`).join("");
  return HeliosError.of("FLAGS_FILE_INVALID", { ...metadata, more, mistakes: found.length });
}
