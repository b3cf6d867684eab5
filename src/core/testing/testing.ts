import { type By, causeOf } from "../change.ts";
import type { Clock } from "../clock.ts";
import { HeliosError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Candidate, Gate } from "../modules/gate.ts";
import { Collection } from "../store/collection.ts";
import type { Feed } from "../store/feed.ts";
import type { Cause } from "../store/store.ts";
import type { TestCaseFields } from "./created.ts";
import type { ExpectationCompiler } from "./expectations.ts";
import { type Progress, runTests, type TestOutcome } from "./runner.ts";
import { createRuns, type Run, type RunRecord, type TestTarget } from "./runs.ts";
import type { Test } from "./suite.ts";
import { createSuites, type Suite, type SuiteRecord } from "./suites.ts";
import { createTester, type Tester } from "./tester.ts";

export interface TestingDeps {
  /** Not started yet. */
  readonly feed: Feed;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Log;
  /** Where instances to test come from. */
  readonly modules: {
    startFresh(name: string): Promise<Candidate>;
    activeInstance(name: string): Candidate;
    get(name: string): { readonly record: { readonly registration: { readonly testSuite: string } } };
  };
  /** Absent: suites with expectations are refused. */
  readonly compileExpectation?: ExpectationCompiler | undefined;
}

export interface RunOptions {
  /** Default FRESH. */
  readonly target?: TestTarget;
  /** Changes to the suite's configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Aborting it cancels the run. */
  readonly signal?: AbortSignal;
  readonly progress?: Progress & { runStarted?(run: Run): void };
}

/**
 * Suites, and their runs on modules. Mutations can reject with ARGUMENT_INVALID, ETAG_MISMATCH and STORE_UNAVAILABLE.
 */
export interface Testing {
  start(): Promise<void>;
  /** By name, the built-in ones too. */
  listSuites(): readonly Suite[];
  /** SUITE_NOT_FOUND. */
  getSuite(name: string): Suite;
  /** SUITE_ALREADY_EXISTS, SUITE_INVALID. */
  createSuite(name: string, description: string, tests: readonly TestCaseFields[], by?: By): Promise<Suite>;
  /** SUITE_NOT_FOUND, SUITE_BUILT_IN. */
  deleteSuite(name: string, by?: By): Promise<Suite>;
  /**
   * Runs a suite on a module and resolves to the report, of a run that failed or was cancelled too. Where no suite is
   * named it is the module's own. MODULE_NOT_FOUND, SUITE_NOT_FOUND, and what keeps an instance from starting.
   */
  run(module: string, suite?: string, options?: RunOptions, by?: By): Promise<Run>;
  /** RUN_NOT_FOUND. */
  getRun(id: string): Run;
  /** Newest first; the last 100 of a module. */
  listRuns(module: string): readonly Run[];
  allRuns(): readonly Run[];
  /** Stops a run and resolves to it; one that has ended is left as it is. RUN_NOT_FOUND. */
  cancelRun(id: string): Promise<Run>;
  /** Runs a suite on the candidate of a swap, and remembers that. */
  readonly gate: Gate;
  /** A suite to add tests to, as functions; it starts with those of `suite`, if one is named. SUITE_NOT_FOUND. */
  createTester(module: string, suite?: string): Tester;
  /** Cancels the runs under way. */
  close(): Promise<void>;
}

export function createTesting(deps: TestingDeps): Testing {
  const { feed, clock, newId, log, modules, compileExpectation } = deps;
  const suites = createSuites(new Collection<SuiteRecord>(feed, "suite/"), compileExpectation);
  const runs = createRuns(feed, clock);
  const underWay = new Map<string, { readonly abort: AbortController; readonly ended: Promise<Run> }>();

  /** Runs tests on an instance that is there, and writes the report. */
  const runOn = async (
    { name, instance, version, sha256 }: Candidate,
    suite: string,
    tests: readonly Test[],
    target: TestTarget,
    cause: Cause,
    options: RunOptions = {},
  ): Promise<Run> => {
    const id = newId();
    const abort = new AbortController();
    const signal = options.signal === undefined ? abort.signal : AbortSignal.any([abort.signal, options.signal]);
    const [start, startTime] = [clock.monotonic(), clock.now()];
    const open: RunRecord = {
      module: name,
      suite,
      target,
      state: "RUNNING",
      passed: false,
      totalTests: tests.length,
      tests: [],
      durationMs: 0,
      version,
      sha256,
      startTime,
      cause,
    };
    const work = async (): Promise<Run> => {
      const begun = await runs.write(id, open);
      options.progress?.runStarted?.(begun);
      const results = await runTests(instance, tests, clock, signal, options.progress);
      const state = signal.aborted ? "CANCELLED" : "COMPLETED";
      const passed = state === "COMPLETED" && results.every(({ required, outcome }) => !required || ok(outcome));
      const ended = { tests: results, durationMs: clock.monotonic() - start, endTime: clock.now() };
      log("testing", passed ? "info" : "warn", "test run ended", { module: name, suite, id, state, passed });
      return runs.write(id, { ...open, ...ended, state, passed });
    };
    const broken = async (error: unknown): Promise<never> => {
      const end = { durationMs: clock.monotonic() - start, endTime: clock.now() };
      // Where the store is what failed, the next start does it.
      await runs.write(id, { ...open, ...end, state: "INTERRUPTED" }).catch(() => {});
      throw error;
    };
    const ended = work()
      .catch(broken)
      .finally(() => underWay.delete(id));
    underWay.set(id, { abort, ended });
    return ended;
  };

  const testsOf = (suite: string, config: RunOptions["config"] = {}): readonly Test[] =>
    suites.tests(suite, config, newId());

  const testing: Testing = {
    start: () => runs.start(),
    listSuites: () => suites.list(),
    getSuite: (name) => suites.get(name),
    createSuite: (name, description, tests, by) => suites.create(name, description, tests, by),
    deleteSuite: (name, by) => suites.remove(name, by),
    async run(module, named, options = {}, by) {
      const { target = "FRESH", config } = options;
      const suite = named || modules.get(module).record.registration.testSuite;
      if (suite === "") {
        const problem = `must name a suite, since module ${module} has no test_suite`;
        throw HeliosError.of("ARGUMENT_INVALID", { field: "suite", problem });
      }
      const tests = testsOf(suite, config);
      const cause = causeOf("RunTests", by);
      if (target === "ACTIVE") return runOn(modules.activeInstance(module), suite, tests, target, cause, options);
      const fresh = await modules.startFresh(module);
      try {
        return await runOn(fresh, suite, tests, target, cause, options);
      } finally {
        await fresh.instance.stop(STOP_TIMEOUT_MS);
      }
    },
    getRun: (id) => runs.get(id),
    listRuns: (module) => runs.list(module),
    allRuns: () => runs.list(),
    async cancelRun(id) {
      const run = underWay.get(id);
      if (run === undefined) return runs.get(id);
      run.abort.abort();
      return run.ended;
    },
    async gate({ suite }, candidate) {
      const { record } = await runOn(candidate, suite, testsOf(suite), "FRESH", { action: "Gate" });
      const passed = record.tests.filter(({ outcome }) => outcome === "PASSED").length;
      const bad = record.tests.filter(({ required, outcome }) => required && !ok(outcome));
      const why = bad.map(({ name, message }) => `; ${name}: ${message}`).join("");
      return { passed: record.passed, detail: `${passed} of ${record.totalTests} passed${why}` };
    },
    createTester: (module, suite) =>
      createTester(module, suite === undefined ? [] : testsOf(suite), async (tests, instance) => {
        const label = suite ?? "(tester)";
        if (instance !== undefined) return runOn(instance, label, tests, "ACTIVE", { action: "RunTests" });
        const fresh = await modules.startFresh(module);
        return runOn(fresh, label, tests, "FRESH", { action: "RunTests" }).finally(() =>
          fresh.instance.stop(STOP_TIMEOUT_MS),
        );
      }),
    async close() {
      for (const { abort } of underWay.values()) abort.abort();
      await Promise.allSettled([...underWay.values()].map(({ ended }) => ended));
    },
  };
  return testing;
}

/** An instance that was only tested need not be asked for long. */
const STOP_TIMEOUT_MS = 2000;

const ok = (outcome: TestOutcome): boolean => outcome === "PASSED";
