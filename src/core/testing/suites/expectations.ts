/** What an expectation judges. */
export interface Observed {
  /** What the method answered; null where it failed. */
  readonly output: unknown;
  /** What it threw; null where it answered. */
  readonly error: ObservedError | null;
  readonly durationMs: number;
}

/** What a method threw. */
export interface ObservedError {
  readonly name: string;
  readonly message: string;
  /** Absent where it has none. */
  readonly code?: string;
  /** The JSON members that it has of its own; absent where there are none. */
  readonly fields?: unknown;
}

/** Says whether what was observed is as expected. Throws where it cannot tell. */
export type Expectation = (observed: Observed) => boolean;

/** Makes an expectation of its text. Throws an `ExpectationError` that says what is wrong, and where. */
export type ExpectationCompiler = (source: string) => Expectation;

/** An expectation cannot be read. */
export class ExpectationError extends Error {
  override readonly name = "ExpectationError";
  /** Line and column, where they are known. */
  readonly position: string | undefined;
  constructor(message: string, position?: string) {
    super(message);
    this.position = position;
  }
}
