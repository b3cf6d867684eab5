import type { JsonPath } from "./path.ts";

/** A place in a text. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Thrown if a text is not JSON (RFC 8259), or contains one of the mistakes that `JsonSource.mistakes` lists. */
export class JsonSourceError extends Error {
  override readonly name = "JsonSourceError";
  /** Counts from 1. */
  readonly line: number;
  /** Counts from 1, in UTF-16 code units. */
  readonly column: number;
  /** Path of the innermost part that was being read. */
  readonly path: JsonPath;
  readonly problem: string;
  readonly expected: string;

  constructor(at: Position & { path: JsonPath }, problem: string, expected: string) {
    super(`line ${at.line}, column ${at.column}: ${problem}; expected ${expected}`);
    this.line = at.line;
    this.column = at.column;
    this.path = at.path;
    this.problem = problem;
    this.expected = expected;
  }
}
