import type { StubCall } from "../stand-ins/calls.ts";

/** What a test may do with the instance that it tests. */
export interface TestInstance {
  /** Resolves to a JSON value or bytes. Rejects with the error that the method threw, as the router would. */
  call(method: string, input?: unknown): Promise<unknown>;
  hasMethod(method: string): boolean;
  /** The names of the methods that can be called, as the class spells them. */
  readonly methods: readonly string[];
  /** Monotonic milliseconds, to measure how long something takes. */
  now(): number;
  /** Rejects if the module is unhealthy. */
  checkHealth(): Promise<void>;
  /** The calls that the stand-in of a dependency answered since the test began, in order; at most the last 1,000. */
  calls(dependency: string): readonly StubCall[];
  /** Bytes in use on the instance's heap, after a garbage collection. Buffers outside the heap are not included. */
  heapUsed(): Promise<number>;
}

export interface Test {
  /** Unique in its suite. */
  readonly name: string;
  /** Describes what the test proves. */
  readonly description: string;
  /** Whether the run fails if the test does. */
  readonly required: boolean;
  readonly timeoutMs: number;
  /** The method that it calls first, if it tests one method. */
  readonly method?: string;
  /** Skip the test if the module does not have the method. */
  readonly methodOptional?: boolean;
  /** Resolves to the module's answer if the test passes; throws a `TestFailure` if it fails. */
  run(instance: TestInstance, signal: AbortSignal): Promise<unknown>;
}

/** The module did not do what the test expects. */
export class TestFailure extends Error {
  override readonly name = "TestFailure";
}

/** A setting of a built-in suite. */
export interface Setting<T = unknown> {
  /** Its default; plain JSON. */
  readonly standard: T;
  /** Describes the setting. */
  readonly about: string;
  /** Accept any JSON value. Default false: only values of the type of `standard`. */
  readonly any?: boolean;
}

export type Settings = Readonly<Record<string, Setting>>;

/** The values of a suite's settings. */
export type Values<T extends Settings> = { readonly [Key in keyof T]: T[Key]["standard"] };

/** A suite that comes with Helios. Its tests depend on its configuration. */
export interface BuiltInSuite {
  readonly name: string;
  readonly description: string;
  readonly settings: Settings;
  /** The tests of one run. `idPrefix` begins all ids that they send, because the instance may have seen earlier runs. */
  tests(config: Readonly<Record<string, unknown>>, idPrefix: string): readonly Test[];
}

/** The value of each setting: from the validated configuration of a run, or the default. */
export function valuesOf<T extends Settings>(settings: T, config: Readonly<Record<string, unknown>>): Values<T> {
  const standard = Object.fromEntries(Object.entries(settings).map(([key, setting]) => [key, setting.standard]));
  return { ...standard, ...config } as Values<T>;
}

/** Time that a test may take, unless its `timeout` says otherwise; then it has failed. @limit ms */
export const DEFAULT_TIMEOUT_MS = 10_000;

/**
 * Longest `timeout` of a test; a longer one is refused with `SUITE_INVALID`, or makes the run of a suite file fail.
 * @limit ms
 */
export const MAX_TEST_TIMEOUT_MS = 600_000;

/** The test that fails if no instance starts. The run reports it. */
export const STARTS: Test = {
  name: "starts",
  description: "An instance of the module starts: the file imports, and `start` ends in time and without an error.",
  required: true,
  timeoutMs: DEFAULT_TIMEOUT_MS,
  run: async () => undefined,
};

/** Length of a value in the message of a test of a built-in suite; the rest is cut. @limit characters */
const MAX_VALUE = 200;

/** Formats a value for the message of a test: as JSON, cut if it is long. */
export function formatValue(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}…` : text;
}
