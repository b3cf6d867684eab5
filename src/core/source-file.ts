import type { HeliosError } from "./errors.ts";
import { type JsonSource, JsonSourceError, parsingJsonSource, pathText } from "./json-source.ts";
import { atOnce, type Steps } from "./steps.ts";
import type { Violation } from "./violation.ts";

/** Thrown by what reads a file's values: carries a violation to where the lines are known. */
export class Mistake extends Error {
  readonly violation: Violation;
  constructor(violation: Violation) {
    super(violation.problem);
    this.violation = violation;
  }
}

/** Makes the error of one kind of file. `line` 0: the file as a whole. */
export type FileInvalid = (
  file: string,
  line: number,
  key: string,
  problem: string,
  expected: string,
  cause?: unknown,
) => HeliosError;

/** The JSON of a file, with its lines; throws what `invalid` makes of what cannot be read. */
export function parseFile(text: string, file: string, invalid: FileInvalid): JsonSource {
  return atOnce(parsingFile(text, file, invalid));
}

/** The same, in steps. */
export function* parsingFile(text: string, file: string, invalid: FileInvalid): Steps<JsonSource> {
  try {
    return yield* parsingJsonSource(text);
  } catch (error) {
    if (!(error instanceof JsonSourceError)) throw error;
    throw invalid(file, error.line, pathText(error.path), error.problem, error.expected, error);
  }
}
