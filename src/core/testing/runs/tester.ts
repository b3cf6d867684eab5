import { checkSpan } from "../../errors/check-span.ts";
import { HeliosError, messageOf } from "../../errors/error.ts";
import type { Candidate } from "../../modules/swap/steps/gate.ts";
import { NAME_LIMIT } from "../../text/names.ts";
import { DEFAULT_TIMEOUT_MS, type Test, TestFailure, type TestInstance } from "../suites/suite.ts";
import type { Run } from "./record.ts";
import { countsOf, type RunCounts } from "./runs.ts";

export interface AddTestOptions {
  /** Default true. */
  readonly required?: boolean;
  /** Above 0; Infinity: none. Default 10 s. */
  readonly timeoutMs?: number;
  readonly description?: string;
}

/** What a run came to, in the shape of the mission's report. */
export interface TestReport {
  readonly module: string;
  readonly total_tests: number;
  readonly results: RunCounts;
  readonly passed: boolean;
  readonly run: Run;
}

/** A suite of one's own for a module, with tests as functions. */
export interface Tester {
  /**
   * A test passes when `test` returns true, and fails when it returns false or throws. ARGUMENT_INVALID for a `timeoutMs`
   * that is not a span of time; a TypeError for a name that is too long, or is there already.
   */
  addTest(name: string, test: (instance: TestInstance) => boolean | Promise<boolean>, options?: AddTestOptions): Tester;
  /** Runs all tests, on a fresh instance unless one is given; whether every required one passed. */
  runTests(instance?: Candidate): Promise<boolean>;
  /** Of the last run; undefined before the first. */
  getTestReport(): TestReport | undefined;
}

export function createTester(
  module: string,
  base: readonly Test[],
  run: (tests: readonly Test[], instance: Candidate | undefined) => Promise<Run>,
): Tester {
  const tests = [...base];
  let last: Run | undefined;
  const tester: Tester = {
    addTest(name, test, { required = true, timeoutMs = DEFAULT_TIMEOUT_MS, description = "" } = {}) {
      if (name.length > NAME_LIMIT) throw new TypeError(`a test's name has at most ${NAME_LIMIT} characters`);
      if (tests.some((other) => other.name === name)) throw new TypeError(`there is a test ${name} already`);
      checkSpan("timeoutMs", timeoutMs, { isAbove: true, mayBeInfinite: true });
      const judged = async (instance: TestInstance): Promise<void> => {
        const passed = await Promise.try(test, instance).catch((error: unknown) => {
          // What the instance's calls end in, the run knows to tell apart.
          throw error instanceof HeliosError ? error : new TestFailure(messageOf(error));
        });
        if (!passed) throw new TestFailure("it returned false");
      };
      tests.push({ name, description, required, timeoutMs, run: judged });
      return tester;
    },
    async runTests(instance) {
      last = await run(tests, instance);
      return last.record.passed;
    },
    getTestReport() {
      if (last === undefined) return undefined;
      const { totalTests, tests: results, passed } = last.record;
      return { module, total_tests: totalTests, results: countsOf(results), passed, run: last };
    },
  };
  return tester;
}
