/** What a test may do with the instance that it tests. */
export interface TestInstance {
  /** Resolves to a JSON value or bytes; rejects with the error that the method threw, as the router would. */
  call(method: string, input?: unknown): Promise<unknown>;
  hasMethod(method: string): boolean;
  /** Monotonic milliseconds, for what measures how long something takes. */
  now(): number;
  /** Rejects when the module is not well. */
  checkHealth(): Promise<void>;
}

/** One test. */
export interface Test {
  /** Unique in its suite. */
  readonly name: string;
  /** What it proves. */
  readonly description: string;
  /** Whether a run can pass without it. */
  readonly required: boolean;
  readonly timeoutMs: number;
  /** The method that it calls first, if it is of one. */
  readonly method?: string;
  /** Where the module lacks the method, the test is skipped. */
  readonly methodOptional?: boolean;
  /** Resolves when what was expected happened, to what the module answered; throws a `TestFailure` when it did not. */
  run(instance: TestInstance): Promise<unknown>;
}

/** Something else happened than was expected. */
export class TestFailure extends Error {
  override readonly name = "TestFailure";
}

/** Throws a `TestFailure` unless it holds. */
export function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new TestFailure(otherwise);
}

/** Data as a test tells it: short. */
export function told(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** A suite that comes with Helios: its tests depend on its configuration. */
export interface BuiltInSuite {
  readonly name: string;
  readonly description: string;
  /** Plain JSON. */
  readonly defaultConfig: Readonly<Record<string, unknown>>;
  /** Settings that take any JSON value; the others take what is of the kind of their default. */
  readonly anyValue?: readonly string[];
  /** Ids that the tests give begin with `idPrefix`: the instance that serves may have seen the tests before. */
  tests(config: Readonly<Record<string, unknown>>, idPrefix: string): readonly Test[];
}

/** The 99th percentile of some durations. */
export function p99(durations: readonly number[]): number {
  const sorted = [...durations].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0;
}

export const DEFAULT_TIMEOUT_MS = 10_000;

/** The two tests that every suite begins with. */
export const LIFE_TESTS: readonly Test[] = [
  {
    name: "starts",
    description: "An instance of the module starts.",
    required: true,
    timeoutMs: DEFAULT_TIMEOUT_MS,
    run: async () => undefined,
  },
  {
    name: "healthy",
    description: "Its health check, if it has one, passes.",
    required: true,
    timeoutMs: DEFAULT_TIMEOUT_MS,
    run: (instance) => instance.checkHealth(),
  },
];

/** Expects the call to fail in a clean way: an error of the method's own, the instance still there. */
export async function expectCleanError(instance: TestInstance, method: string, input: unknown): Promise<string> {
  const outcome = await instance.call(method, input).then(
    (output) => ({ output }),
    (error: Error & { reason?: string }) => ({ error }),
  );
  if ("error" in outcome) {
    if (outcome.error.reason !== "MODULE_METHOD_FAILED") throw outcome.error;
    return outcome.error.message;
  }
  const { status } = (outcome.output ?? {}) as { status?: unknown };
  expect(
    status === "rejected" || status === "error",
    `${method}(${told(input)}) was accepted: ${told(outcome.output)}`,
  );
  return String(status);
}
