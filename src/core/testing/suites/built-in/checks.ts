import { DEFAULT_TIMEOUT_MS, formatValue, STARTS, type Test, TestFailure, type TestInstance } from "../suite.ts";

/** Throws a `TestFailure` unless `holds`. */
export function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new TestFailure(otherwise);
}

/** The 99th percentile of durations, by nearest rank. */
function p99(durations: readonly number[]): number {
  const sorted = [...durations].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0;
}

/** A member of a JSON object; undefined if `value` is not an object, or does not have it. */
export function member(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[key];
}

/** Time that a test of a built-in suite with many calls may take; then it has failed. @limit ms */
export const LONG_TIMEOUT_MS = 60_000;

/** The two tests that every built-in suite begins with. */
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

/** Makes tests that call `method` first; `more` replaces their defaults. */
export function testsOf(method: string) {
  return (name: string, description: string, run: Test["run"], more: Partial<Test> = {}): Test => ({
    name,
    description,
    required: true,
    timeoutMs: DEFAULT_TIMEOUT_MS,
    method,
    run,
    ...more,
  });
}

/** Measures `count` calls of `work`, one after the other. Fails if their 99th percentile is above the budget. */
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

/** Fails unless the method itself refuses the input: by an error, or by an answer with the status "rejected" or "error". */
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
    `${method}(${formatValue(input)}) was accepted: ${formatValue(outcome.output)}`,
  );
  return String(status);
}
