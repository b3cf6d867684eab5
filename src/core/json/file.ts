import { atOnce, type Steps } from "../async/steps.ts";
import { HeliosError } from "../errors/error.ts";
import type { Violation } from "../errors/violation.ts";
import { cut } from "../text/cut.ts";
import { JsonSourceError } from "./error.ts";
import { pathText } from "./path.ts";
import { type JsonSource, readingJsonSource } from "./source.ts";

/** Creates the error for one kind of file. Line 0 stands for the file as a whole. */
export type FileInvalid = (
  file: string,
  line: number,
  key: string,
  problem: string,
  expected: string,
  cause?: unknown,
) => HeliosError;

/** The reasons of errors about files. */
type FileReason = "FLAGS_FILE_INVALID" | "MODULES_FILE_INVALID";

export const invalidAs =
  (reason: FileReason): FileInvalid =>
  (file, line, key, problem, expected, cause) =>
    HeliosError.of(reason, { file, line, key, problem, expected }, { cause });

/** Parses the JSON of a file. If the text is not JSON, throws the error that `invalid` creates. */
export function parseFile(text: string, file: string, invalid: FileInvalid): JsonSource {
  return atOnce(parsingFile(text, file, invalid));
}

/** Like `parseFile`, but in steps. */
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
export const LISTED_MISTAKES = 100;
/** Mistakes whose lines are looked up. Mistakes are mostly found in the order of the file. */
const PLACED_MISTAKES = 1000;
/** Length of the expectation that is shown for each mistake but the first, in characters. */
const SHORT = 80;

/**
 * Returns the error about a file, or undefined if the file is valid. It lists the mistakes of the text and the violations
 * in `found`, in the order of their lines: the first one in full, each further one in a line.
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
  const listed = others.slice(0, LISTED_MISTAKES - 1);
  const lines = listed.map(
    ({ line, key, problem, expected }) => `line ${line}, ${key}: ${problem}; expected ${cut(expected, SHORT)}`,
  );
  const left = count - 1 - listed.length;
  const more = [...lines, ...(left > 0 ? [`and ${left} more`] : [])].map((line) => `\n${line}`).join("");
  return HeliosError.of(reason, { ...metadata, more, mistakes: count });
}

/** A mistake as an error shows it. */
interface Placed {
  readonly line: number;
  readonly key: string;
  readonly problem: string;
  readonly expected: string;
}

/**
 * Returns the first mistakes in the order of their lines, and the number of all mistakes. A violation at the place of a
 * mistake in the text follows from that mistake, and does not count. Once a text has more mistakes than are stored, such
 * violations count too.
 */
function mistakesIn(source: JsonSource, found: readonly Violation[]): { placed: readonly Placed[]; count: number } {
  const inText = source.mistakes.map((each) => placedAt(each, each.line));
  const keys = new Set(inText.map(({ key }) => key));
  const ownOf = keys.size === 0 ? found : found.filter(({ path }) => !keys.has(pathText(path)));
  const inValues = ownOf.slice(0, PLACED_MISTAKES).map((each) => placedAt(each, source.lineOf(each.path)));
  const placed = [...inText, ...inValues].sort((a, b) => a.line - b.line);
  return { placed, count: source.mistakeCount + ownOf.length };
}

/** The shown strings have whole characters only. A name or string of the file may contain half a surrogate pair. */
function placedAt({ path, problem, expected }: Violation, line: number): Placed {
  return { line, key: pathText(path), problem: problem.toWellFormed(), expected: expected.toWellFormed() };
}
