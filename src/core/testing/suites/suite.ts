import type { StubCall } from "../stand-ins/calls.ts";

/** What a test may do with the instance that it tests. */
export interface TestInstance {
  /** Resolves to a JSON value or bytes; rejects with the error that the method threw, as the router would. */
  call(method: string, input?: unknown): Promise<unknown>;
  hasMethod(method: string): boolean;
  /** The names that can be called, as the class spells them. */
  readonly methods: readonly string[];
  /** Monotonic milliseconds, for what measures how long something takes. */
  now(): number;
  /** Rejects when the module is not well. */
  checkHealth(): Promise<void>;
  /** The calls of a dependency that its stand-in answered since the test began, in order; the last 1,000 at most. */
  calls(dependency: string): readonly StubCall[];
  /** Bytes of its heap that are in use: what is garbage is collected first. Buffers outside of the heap are left out. */
  heapUsed(): Promise<number>;
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
  run(instance: TestInstance, signal: AbortSignal): Promise<unknown>;
}

/** Something else happened than was expected. */
export class TestFailure extends Error {
  override readonly name = "TestFailure";
}

/** A setting of a suite. */
export interface Setting<T = unknown> {
  /** Its value where a run gives none; plain JSON. */
  readonly standard: T;
  /** What it means; for people. */
  readonly about: string;
  /** Whether it takes any JSON value, and not only what is of the kind of `standard`. */
  readonly any?: boolean;
}

export type Settings = Readonly<Record<string, Setting>>;

/** The values of a suite's settings. */
export type Values<T extends Settings> = { readonly [Key in keyof T]: T[Key]["standard"] };

/** Each setting's value: what the run gives (it was checked), else the standard. */
export function valuesOf<T extends Settings>(settings: T, config: Readonly<Record<string, unknown>>): Values<T> {
  const standard = Object.fromEntries(Object.entries(settings).map(([key, setting]) => [key, setting.standard]));
  return { ...standard, ...config } as Values<T>;
}

/** Throws a `TestFailure` unless it holds. */
export function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new TestFailure(otherwise);
}

/** Length of a value in the message of a ready test; the rest is cut. @limit characters */
const MAX_TOLD = 200;

/** Data as a test tells it: short. */
export function told(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > MAX_TOLD ? `${text.slice(0, MAX_TOLD)}…` : text;
}

/** A suite that comes with Helios: its tests depend on its configuration. */
export interface BuiltInSuite {
  readonly name: string;
  readonly description: string;
  readonly settings: Settings;
  /** Ids that the tests give begin with `idPrefix`: the instance that serves may have seen the tests before. */
  tests(config: Readonly<Record<string, unknown>>, idPrefix: string): readonly Test[];
}

/** The 99th percentile of some durations, by nearest rank. */
export function p99(durations: readonly number[]): number {
  const sorted = [...durations].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0;
}

/** A member of a JSON object; undefined where it has none, or is none. */
export function member(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[key];
}

/** Time that a test may take, unless its `timeout` says otherwise; then it has failed. @limit ms */
export const DEFAULT_TIMEOUT_MS = 10_000;

/** Time that a test of a ready suite with many calls may take; then it has failed. @limit ms */
export const LONG_TIMEOUT_MS = 60_000;
/**
 * Longest `timeout` of a test; a longer one is refused with `SUITE_INVALID`, or makes the run of a suite file fail.
 * @limit ms
 */
export const MAX_TEST_TIMEOUT_MS = 600_000;

/** Fails where no instance starts: a run sees to that. */
export const STARTS: Test = {
  name: "starts",
  description: "An instance of the module starts: the file imports, and `start` ends in time and without an error.",
  required: true,
  timeoutMs: DEFAULT_TIMEOUT_MS,
  run: async () => undefined,
};

/** The two tests that every suite begins with. */
export const LIFE_TESTS: readonly Test[] = [
  STARTS,
  {
    name: "healthy",
    description: "The module is healthy: its health check passes, if it has one.",
    required: true,
    timeoutMs: DEFAULT_TIMEOUT_MS,
    run: (instance) => instance.checkHealth(),
  },
];

/** Measures `count` calls of `work`, one after the other, against a budget for the slowest of a hundred. */
export async function expectLatency(
  instance: TestInstance,
  count: number,
  budgetMs: number,
  work: (index: number) => Promise<unknown>,
): Promise<{ readonly p99_ms: number }> {
  const durations: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const start = instance.now();
    await work(index);
    durations.push(instance.now() - start);
  }
  const slowest = p99(durations);
  expect(slowest <= budgetMs, `p99 is ${slowest.toFixed(1)} ms, over ${budgetMs} ms`);
  return { p99_ms: slowest };
}

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
  const status = member(outcome.output, "status");
  expect(
    status === "rejected" || status === "error",
    `${method}(${told(input)}) was accepted: ${told(outcome.output)}`,
  );
  return String(status);
}
