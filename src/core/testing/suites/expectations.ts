import { HeliosError, messageOf } from "../../errors/error.ts";

/** What an expectation judges. */
export interface Observed {
  /** The method's answer; null if it failed. */
  readonly output: unknown;
  /** What the method threw; null if it answered. */
  readonly error: ObservedError | null;
  readonly durationMs: number;
}

/** What a method threw. */
export interface ObservedError {
  readonly name: string;
  readonly message: string;
  /** Absent if the error has no code. */
  readonly code?: string;
  /** The error's own members, as JSON; absent if it has none. */
  readonly fields?: unknown;
}

/** Whether what was observed is as expected. Throws if it cannot be evaluated. */
export type Expectation = (observed: Observed) => boolean;

/** Compiles an expectation. Throws an `ExpectationError` that says what is wrong, and where. */
export type ExpectationCompiler = (source: string) => Expectation;

/** An expectation cannot be compiled. */
export class ExpectationError extends Error {
  override readonly name = "ExpectationError";
  /** Line and column; undefined if they are not known. */
  readonly position: string | undefined;
  constructor(message: string, position?: string) {
    super(message);
    this.position = position;
  }
}

/** Length of a test's `expect`; a longer one is refused with `SUITE_INVALID`. @limit characters */
const MAX_EXPECTATION = 4096;

/** The expectation of a test. Without one, the call must succeed. SUITE_INVALID. */
export function expectationOf(
  suite: string,
  test: string,
  source: string,
  compile: ExpectationCompiler | undefined,
): Expectation {
  if (source === "") return ({ error }) => error === null;
  if (source.length > MAX_EXPECTATION) {
    throw invalidTest(suite, test, `expect is longer than ${MAX_EXPECTATION} characters`);
  }
  if (compile === undefined) throw invalidTest(suite, test, "expectations cannot be compiled here");
  try {
    return compile(source);
  } catch (error) {
    const position = error instanceof ExpectationError ? error.position : undefined;
    const where = position === undefined ? "" : `, ${position}`;
    throw invalidTest(suite, test, `expect${where}: ${messageOf(error)}`, position);
  }
}

/** SUITE_INVALID for one test of a suite. */
export function invalidTest(suite: string, test: string, problem: string, position?: string): HeliosError {
  const where = position === undefined ? {} : { position };
  return HeliosError.of("SUITE_INVALID", { name: suite, problem: `test ${test}: ${problem}`, test, ...where });
}
