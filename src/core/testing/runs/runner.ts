import { race, signalLimit, timeLimit } from "../../../kernel/async/race.ts";
import { type Joined, joined } from "../../../kernel/async/signal.ts";
import type { Clock } from "../../../kernel/clock.ts";
import { seconds } from "../../async/deadline.ts";
import { isReason, messageOf } from "../../errors/error.ts";
import { trialCall } from "../../modules/calls/chain.ts";
import { onEnd } from "../../modules/host/types/ended.ts";
import type { Ending, Payload } from "../../modules/host/types/host.ts";
import { spellingsOf } from "../../modules/host/values/names.ts";
import type { TestedInstance } from "../../modules/swap/steps/gate.ts";
import type { TestTrial } from "../stand-ins/trial.ts";
import { STARTS, type Test, TestFailure, type TestInstance } from "../suites/suite.ts";

export type TestOutcome = "PASSED" | "FAILED" | "TIMED_OUT" | "ERRORED" | "SKIPPED";

/** The result of one test. */
export interface TestResult {
  readonly name: string;
  readonly outcome: TestOutcome;
  readonly required: boolean;
  readonly durationMs: number;
  /** Why it did not pass; empty if it passed. */
  readonly message: string;
  /** The module's answer as JSON, cut if it is long. Absent if there was no answer. */
  readonly output?: unknown;
  /** A client ran the test, and reported this result. Absent: the service ran it. */
  readonly reported?: true;
}

export interface Progress {
  /** `number` counts from 1. */
  testStarted?(name: string, number: number, total: number): void;
  testEnded?(result: TestResult): void;
}

/** Size of a test's output, as JSON, that a report keeps; the rest is cut. @limit bytes */
const MAX_OUTPUT_BYTES = 4096;
/** Length of a test's message that a report keeps; the rest is cut. @limit characters */
export const MAX_MESSAGE = 1000;

/**
 * Runs tests one after the other. If the instance ends, or `signal` is aborted, the current test is ERRORED or SKIPPED, and
 * the later ones are SKIPPED. `trial` limits what the instance calls to answer the tests. Absent: it calls whatever it calls
 * otherwise, because it serves.
 */
export async function runTests(
  { instance, generation }: Pick<TestedInstance, "instance" | "generation">,
  tests: readonly Test[],
  clock: Clock,
  signal: AbortSignal,
  progress: Progress = {},
  trial?: TestTrial,
): Promise<readonly TestResult[]> {
  let stopped: string | undefined;
  let ending: Ending | undefined;
  const stopListening = onEnd(instance, (how) => {
    ending = how;
  });
  const results = inOrder(tests, progress, async (test) => {
    if (signal.aborted) stopped ??= CANCELLATION;
    if (stopped !== undefined) return skipped(test, stopped);
    const result = await runTest({ tested: { instance, generation }, trial, clock, signal }, test);
    if (ending === undefined) return result;
    stopped = "the instance ended before";
    // An instance that serves may be replaced or unloaded at any time. That is no error of the test.
    return ending.expected && result.outcome === "ERRORED"
      ? { ...result, message: "the instance was stopped while it was tested" }
      : result;
  });
  return results.finally(stopListening);
}

/** The results if no instance could be started. */
export function notStarted(tests: readonly Test[], error: unknown, progress: Progress = {}) {
  const message = messageOf(error).slice(0, MAX_MESSAGE);
  return inOrder(tests, progress, async (test, index) => {
    if (index > 0) return skipped(test, "no instance was started");
    return { ...skipped(test, message), outcome: test === STARTS ? "FAILED" : "ERRORED" };
  });
}

/** The results if the run was cancelled before an instance started. */
export const notRun = (tests: readonly Test[]): readonly TestResult[] =>
  tests.map((test) => skipped(test, CANCELLATION));

const CANCELLATION = "the run was cancelled";

async function inOrder(
  tests: readonly Test[],
  progress: Progress,
  run: (test: Test, index: number) => Promise<TestResult>,
): Promise<readonly TestResult[]> {
  const results: TestResult[] = [];
  for (const [index, test] of tests.entries()) {
    progress.testStarted?.(test.name, index + 1, tests.length);
    const result = await run(test, index);
    results.push(result);
    progress.testEnded?.(result);
  }
  return results;
}

interface Surroundings {
  readonly tested: Pick<TestedInstance, "instance" | "generation">;
  readonly trial: TestTrial | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

async function runTest(surroundings: Surroundings, test: Test): Promise<TestResult> {
  // Aborted when the test has ended, so that nothing of it runs beside the next test.
  const over = joined([surroundings.signal]);
  try {
    return await runUntil(over, surroundings, test);
  } finally {
    over.abort();
  }
}

async function runUntil(over: Joined, { tested, trial, clock, signal }: Surroundings, test: Test): Promise<TestResult> {
  const { name, required, method } = test;
  const under = testInstance(tested, trial, test.timeoutMs, clock, over.signal);
  if (method !== undefined && !under.hasMethod(method)) {
    const message = `the module has no method ${method}`;
    // The module may do without the method, so the run can pass without this test.
    if (test.methodOptional) return { ...skipped(test, message), required: false };
    return { ...skipped(test, message), outcome: "FAILED" };
  }
  const start = clock.monotonic();
  const ended = (outcome: TestOutcome, message = ""): TestResult => ({
    name,
    required,
    outcome,
    durationMs: clock.monotonic() - start,
    message: message.slice(0, MAX_MESSAGE),
  });
  try {
    const output = await race(
      test.run(under, over.signal),
      [timeLimit(clock, test.timeoutMs, () => TIMED_OUT), signalLimit(signal, CANCELLED)],
      () => over.abort(),
    );
    return { ...ended("PASSED"), ...keptOutput(output) };
  } catch (error) {
    if (error === TIMED_OUT || isReason(error, "MODULE_DEADLINE_EXCEEDED")) {
      return ended("TIMED_OUT", `it took longer than ${seconds(test.timeoutMs)}`);
    }
    if (error === CANCELLED || signal.aborted) return ended("SKIPPED", CANCELLATION);
    if (error instanceof TestFailure) return ended("FAILED", error.message);
    if (isReason(error, "MODULE_METHOD_FAILED")) return ended("FAILED", error.message);
    return ended("ERRORED", messageOf(error));
  }
}

function skipped({ name, required }: Test, message: string): TestResult {
  return { name, required, outcome: "SKIPPED", durationMs: 0, message };
}

const TIMED_OUT = Symbol("timed out");
const CANCELLED = Symbol("cancelled");

function testInstance(
  { instance, generation }: Pick<TestedInstance, "instance" | "generation">,
  trial: TestTrial | undefined,
  timeoutMs: number,
  clock: Clock,
  signal: AbortSignal,
): TestInstance {
  const names = spellingsOf(instance.shape.methods);
  const began = trial?.calls.position ?? 0;
  return {
    hasMethod: (method) => names.has(method),
    methods: instance.shape.methods,
    now: () => clock.monotonic(),
    checkHealth: () => instance.checkHealth(timeoutMs),
    calls: (dependency) => trial?.calls.since(began, dependency) ?? [],
    heapUsed: async () => (await instance.usage({ collect: true }, timeoutMs)).heapUsedBytes,
    call(method, input = null) {
      const payload: Payload = input instanceof Uint8Array ? { binary: input } : { json: input };
      const origin = trial && trialCall(trial, clock.monotonic() + timeoutMs, generation);
      const answer = instance
        .invoke(method, payload, { timeoutMs, signal, origin })
        .then((output) => ("json" in output ? output.json : output.binary));
      // A test may end before the answer comes; then nobody handles a rejection.
      answer.catch(() => {});
      return answer;
    },
  };
}

/** The output that a report keeps. */
export function keptOutput(output: unknown): { output?: unknown } {
  if (output === undefined || output instanceof Uint8Array) return {};
  const json = JSON.stringify(output);
  if (json === undefined) return {};
  const { read } = new TextEncoder().encodeInto(json, new Uint8Array(MAX_OUTPUT_BYTES));
  return { output: read === json.length ? output : `${json.slice(0, read)}…` };
}

/** Whether a run can pass with this result. */
export const isGood = ({ required, outcome }: TestResult): boolean => !required || outcome === "PASSED";
