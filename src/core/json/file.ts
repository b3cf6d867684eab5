import { atOnce, type Steps } from "../async/steps.ts";
import { HeliosError } from "../errors/error.ts";
import type { Violation } from "../errors/violation.ts";
import { cut } from "../size.ts";
import { type JsonSource, JsonSourceError, pathText, readingJsonSource } from "./source.ts";

/** Makes the error of one kind of file. `line` 0: the file as a whole. */
export type FileInvalid = (
  file: string,
  line: number,
  key: string,
  problem: string,
  expected: string,
  cause?: unknown,
) => HeliosError;

/** The reasons of files that are wrong. */
type FileReason = "FLAGS_FILE_INVALID" | "MODULES_FILE_INVALID";

export const invalidAs =
  (reason: FileReason): FileInvalid =>
  (file, line, key, problem, expected, cause) =>
    HeliosError.of(reason, { file, line, key, problem, expected }, { cause });

/** The JSON of a file, with its lines and mistakes; throws what `invalid` makes of what is no JSON. */
export function parseFile(text: string, file: string, invalid: FileInvalid): JsonSource {
  return atOnce(parsingFile(text, file, invalid));
}

/** The same, in steps. */
export function* parsingFile(text: string, file: string, invalid: FileInvalid): Steps<JsonSource> {
  try {
    return yield* readingJsonSource(text);
  } catch (error) {
    if (!(error instanceof JsonSourceError)) throw error;
    throw invalid(file, error.line, pathText(error.path), error.problem, error.expected, error);
  }
}

/**
 * Mistakes of a flags file or a modules file that an error lists; the others are counted. Over the wire, the length of
 * the list is limited too. @limit mistakes
 */
export const TOLD_MISTAKES = 100;
/** Of which the lines are looked for. Mistakes are found in the order of the file, but for those within a part. */
const PLACED_MISTAKES = 1000;
/** Of what was expected, in characters, for all mistakes but the first. */
const SHORT = 80;

/**
 * The error for what is wrong in a file, its text and what `found` says of its values, in the order of the lines: the
 * first mistake in full, the others in a line each. Undefined: nothing is wrong.
 */
export function fileError(
  reason: FileReason,
  file: string,
  source: JsonSource,
  found: readonly Violation[],
): HeliosError | undefined {
  const { placed, count } = mistakesIn(source, found);
  const [first, ...others] = placed;
  if (first === undefined) return undefined;
  const metadata = { file, ...first };
  if (others.length === 0) return HeliosError.of(reason, metadata);
  const told = others.slice(0, TOLD_MISTAKES - 1);
  const lines = told.map(
    ({ line, key, problem, expected }) => `line ${line}, ${key}: ${problem}; expected ${cut(expected, SHORT)}`,
  );
  const left = count - 1 - told.length;
  const more = [...lines, ...(left > 0 ? [`and ${left} more`] : [])].map((line) => `\n${line}`).join("");
  return HeliosError.of(reason, { ...metadata, more, mistakes: count });
}

/** As an error tells it. */
interface Placed {
  readonly line: number;
  readonly key: string;
  readonly problem: string;
  readonly expected: string;
}

/**
 * The first mistakes, by their lines, and how many there are. Where the text itself has a mistake, what is found at the
 * same place follows from it, and does not count; of a text with more mistakes than are kept, it does.
 */
function mistakesIn(source: JsonSource, found: readonly Violation[]): { placed: readonly Placed[]; count: number } {
  const inText = source.mistakes.map((each) => placedAt(each, each.line));
  const keys = new Set(inText.map(({ key }) => key));
  const ownOf = keys.size === 0 ? found : found.filter(({ path }) => !keys.has(pathText(path)));
  const inValues = ownOf.slice(0, PLACED_MISTAKES).map((each) => placedAt(each, source.lineOf(each.path)));
  const placed = [...inText, ...inValues].sort((a, b) => a.line - b.line);
  return { placed, count: source.mistakeCount + ownOf.length };
}

/** In whole characters: a name or a text of the file may have halves. */
function placedAt({ path, problem, expected }: Violation, line: number): Placed {
  return { line, key: pathText(path), problem: problem.toWellFormed(), expected: expected.toWellFormed() };
}
