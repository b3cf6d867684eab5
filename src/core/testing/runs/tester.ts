import { checkSpan } from "../../errors/check-span.ts";
import { HeliosError, messageOf } from "../../errors/error.ts";
import type { TestedInstance } from "../../modules/swap/steps/gate.ts";
import { NAME_LIMIT } from "../../text/names.ts";
import { DEFAULT_TIMEOUT_MS, type Test, TestFailure, type TestInstance } from "../suites/suite.ts";
import type { Run } from "./record.ts";
import { countsOf, type RunCounts } from "./runs.ts";

export interface AddTestOptions {
  /** Default true. */
  readonly required?: boolean;
  /** Above 0; Infinity: no timeout. Default 10 s. */
  readonly timeoutMs?: number;
  readonly description?: string;
}

/** The result of a run, in snake_case for reports. */
export interface TestReport {
  readonly module: string;
  readonly total_tests: number;
  readonly results: RunCounts;
  readonly passed: boolean;
  readonly run: Run;
}

/** A suite for one module whose tests are functions. */
export interface Tester {
  /**
   * Adds a test. It passes if `test` returns true, and fails if it returns false or throws. ARGUMENT_INVALID for a `timeoutMs`
   * that is not a span of time; TypeError for a name that is too long, or that another test has.
   */
  addTest(name: string, test: (instance: TestInstance) => boolean | Promise<boolean>, options?: AddTestOptions): Tester;
  /** Runs all tests on the given instance, or on a fresh one. Resolves to whether every required test passed. */
  runTests(instance?: TestedInstance): Promise<boolean>;
  /** The report of the last run; undefined before the first. */
  getTestReport(): TestReport | undefined;
}

export function createTester(
  module: string,
  base: readonly Test[],
  run: (tests: readonly Test[], instance: TestedInstance | undefined) => Promise<Run>,
): Tester {
  const tests = [...base];
  let last: Run | undefined;
  const tester: Tester = {
    addTest(name, test, { required = true, timeoutMs = DEFAULT_TIMEOUT_MS, description = "" } = {}) {
      if (name.length > NAME_LIMIT) throw new TypeError(`a test's name has at most ${NAME_LIMIT} characters`);
      if (tests.some((other) => other.name === name)) throw new TypeError(`there is already a test named ${name}`);
      checkSpan("timeoutMs", timeoutMs, { isAbove: true, mayBeInfinite: true });
      const judged = async (instance: TestInstance): Promise<void> => {
        const passed = await Promise.try(test, instance).catch((error: unknown) => {
          // The run distinguishes the errors of calls by their reasons.
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
