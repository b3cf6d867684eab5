import type { Clock } from "../../kernel/clock.ts";
import { type By, causeOf } from "../change.ts";
import { HeliosError } from "../errors/error.ts";
import { refuse } from "../errors/violation.ts";
import type { Log } from "../log.ts";
import { BARE_TEST } from "../modules/calls/trial.ts";
import type { ModuleHost } from "../modules/host/types/host.ts";
import type { FreshOptions, Modules } from "../modules/modules.ts";
import { checkConfigSize, MAX_CONFIG_BYTES } from "../modules/record/size.ts";
import { type StandIns, standInsViolation, strangerViolation } from "../modules/record/stand-ins.ts";
import type { Gate, Subject } from "../modules/swap/steps/gate.ts";
import { encodedSize, refuseTooLarge } from "../size.ts";
import { Collection } from "../store/collection.ts";
import type { Feed } from "../store/feed.ts";
import { isSuiteFile } from "../text/names.ts";
import { type CodeUnderTest, createExecutor, type Job, type RunProgress, type TestSource } from "./runs/execute.ts";
import { judgeReport, judgeRun, type Verdict } from "./runs/gate.ts";
import type { Run, RunRecord, TestTarget } from "./runs/record.ts";
import { createRuns } from "./runs/runs.ts";
import { createTester, type Tester, type TesterStandIns, withoutFunctions } from "./runs/tester.ts";
import { createTurns } from "./runs/turns.ts";
import { createTestTrial, type Layer, layerOf, type Says, standInIn } from "./stand-ins/trial.ts";
import type { ExpectationCompiler } from "./suites/expectations.ts";
import { createFileSuites } from "./suites/file.ts";
import { checkConfig, createSuites, type Suite, type SuiteFields, type SuiteRecord } from "./view.ts";

export interface TestingDeps {
  /** Not started yet. */
  readonly feed: Feed;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Log;
  /** Where instances to test come from. */
  readonly modules: Pick<Modules, "resolveFresh" | "startFresh" | "startStandIn" | "activeInstance" | "get" | "list">;
  /** Where suites that are files run. */
  readonly host: Pick<ModuleHost, "resolve" | "start">;
  /** Absent: suites with expectations are refused. */
  readonly compileExpectation?: ExpectationCompiler | undefined;
}

/**
 * `stubs` and `allowDependencies` say what the instance reaches instead of the modules that it depends on; of each dependency
 * they go before what the suite says of it, and that before the module's registration. Not with the target ACTIVE.
 */
export interface RunOptions extends StandIns {
  /** Default FRESH. */
  readonly target?: TestTarget;
  /** Code to test instead of the registered file, with the module's registration otherwise; of target FRESH alone. */
  readonly modulePath?: string | undefined;
  /** The assets of that code; absent or empty: the registered ones. Of target FRESH alone. */
  readonly assets?: readonly string[] | undefined;
  /** Changes to the suite's configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Aborting it cancels the run. */
  readonly signal?: AbortSignal;
  readonly progress?: RunProgress;
}

/**
 * Suites, and their runs on modules. A few runs are made at once; the others wait in order. Mutations can reject with
 * ARGUMENT_INVALID, ETAG_MISMATCH and STORE_UNAVAILABLE.
 */
export interface Testing {
  start(): Promise<void>;
  /** By name, the built-in ones too; those that are files are not known before they are named. */
  listSuites(): readonly Suite[];
  /** SUITE_NOT_FOUND. */
  getSuite(name: string): Suite;
  /** SUITE_ALREADY_EXISTS, SUITE_INVALID. */
  createSuite(name: string, fields: SuiteFields, by?: By): Promise<Suite>;
  /** SUITE_NOT_FOUND, SUITE_BUILT_IN. */
  deleteSuite(name: string, by?: By): Promise<Suite>;
  /**
   * Runs a suite on a module and resolves to the report, of a run that failed or was cancelled too, and of a module that
   * does not start. The suite is named, or is a file below the modules root; where none is given it is the module's own.
   * MODULE_NOT_FOUND, SUITE_NOT_FOUND, SUITE_INVALID, TEST_RUNS_OVERLOADED, what is wrong with the module's file, and,
   * of the instance that serves, MODULE_NOT_LOADED.
   */
  run(module: string, suite?: string, options?: RunOptions, by?: By): Promise<Run>;
  /** RUN_NOT_FOUND. */
  getRun(id: string): Run;
  /** Newest first; the last 100 of a module. */
  listRuns(module: string): readonly Run[];
  allRuns(): readonly Run[];
  /** Stops a run, wherever it is, and resolves to it; one that has ended is left as it is. RUN_NOT_FOUND. */
  cancelRun(id: string): Promise<Run>;
  /**
   * Runs a suite on the candidate of a swap, and remembers that; or, where a run is named, judges by that run, which must
   * be of the suite that is named, if one is. It waits for no other runs but gates.
   */
  readonly gate: Gate;
  /** Whether an earlier run lets this code pass: it completed and passed, was of that module and of the same code. */
  gateByRun(id: string, subject: Subject): Verdict;
  /**
   * A suite to add tests to, as functions; it starts with those of `suite`, if one is named. Stubs may be functions of this
   * process. SUITE_NOT_FOUND.
   */
  createTester(module: string, suite?: string, standIns?: TesterStandIns): Tester;
  /** Cancels the runs of a module that is deleted, and forgets them. */
  forget(module: string): Promise<void>;
  /** Cancels the runs under way. */
  close(): Promise<void>;
}

export function createTesting(deps: TestingDeps): Testing {
  const { feed, clock, newId, log, modules, host, compileExpectation } = deps;
  const suites = createSuites(new Collection<SuiteRecord>(feed, "suite/"), compileExpectation);
  const runs = createRuns(feed, clock, log);
  const files = createFileSuites(host, log);
  const executor = createExecutor({ runs, turns: createTurns(), clock, newId, log });

  const sourceOf = async (suite: string, config: RunRecord["config"]): Promise<TestSource> => {
    if (!isSuiteFile(suite)) {
      return { tests: suites.tests(suite, config, newId()), standIns: layerOf(suites.standIns(suite)) };
    }
    checkConfig(suite, {}, config);
    await files.check(suite);
    return { tests: [], open: () => files.open(suite) };
  };

  /** Refuses stand-ins of what a module does not depend on: a name that is misspelt would stand in for nothing. */
  const checkStandIns = (module: string, standIns: StandIns): void => {
    const { dependencies } = modules.get(module).record.registration;
    refuse(standInsViolation(standIns, FIELDS) ?? strangerViolation(standIns, dependencies, FIELDS));
    refuseTooLarge("the stubs of a test run of module", module, encodedSize(standIns.stubs ?? {}), MAX_CONFIG_BYTES);
  };

  /** Makes the trials of a run, by what its caller, its suite and the modules' registrations say. */
  const trialOf = (
    module: string,
    { standIns: ofSuite }: TestSource,
    { asked, peers = [] }: { readonly asked?: Layer | undefined; readonly peers?: readonly string[] } = {},
  ): Job["trial"] => {
    const says = (name: string, layers: readonly (Layer | undefined)[]): Says => {
      const { dependencies, testStubs, testAllowDependencies } = modules.get(name).record.registration;
      const registered = layerOf({ stubs: testStubs, allowDependencies: testAllowDependencies });
      return { dependencies, layers: [...layers, registered].filter((layer) => layer !== undefined) };
    };
    return (open) => {
      const layers = [asked, open?.standIns ?? ofSuite];
      const beside = new Map(peers.map((peer) => [peer, says(peer, layers)]));
      return createTestTrial(says(module, layers), (name, path) => modules.startStandIn(name, path), beside);
    };
  };

  /** What serves calls what serves: a suite that would have it call stubs is of no use there. */
  const onlyLive = (suite: string, source: TestSource): TestSource => {
    const check = <T extends { readonly standIns?: Layer | undefined }>(of: T): T => {
      const [stubbed] = of.standIns?.stubs.keys() ?? [];
      if (stubbed === undefined) return of;
      const problem = `stubs ${stubbed}: it cannot be run with the target ACTIVE, whose calls go to what serves`;
      throw HeliosError.of("SUITE_INVALID", { name: suite, problem });
    };
    const { open } = check(source);
    if (open === undefined) return source;
    return {
      ...source,
      async open() {
        const opened = await open();
        try {
          return check(opened);
        } catch (error) {
          opened.close();
          throw error;
        }
      },
    };
  };

  /** The code that a fresh instance would run now. */
  const freshCode = async (module: string, fresh: FreshOptions): Promise<CodeUnderTest> => {
    const { artifact, sha256, ...resolved } = await modules.resolveFresh(module, fresh);
    return { modulePath: resolved.modulePath, version: "", sha256, artifact };
  };

  const runFresh = async (
    job: Pick<Job, "source" | "trial" | "signal" | "progress">,
    record: Pick<RunRecord, "module" | "suite" | "config" | "cause">,
    fresh: FreshOptions = {},
  ): Promise<Run> => {
    const code = await freshCode(record.module, fresh);
    return executor.execute({
      ...job,
      record: { ...record, target: "FRESH", ...code },
      start: (trial) => modules.startFresh(record.module, { ...fresh, trial }),
      owned: true,
      urgent: false,
    });
  };

  const testing: Testing = {
    async start() {
      const there = new Set(modules.list().map(({ name }) => name));
      await runs.start((module) => there.has(module));
    },
    async forget(module) {
      await executor.cancelAll(module);
      await runs.forget(module);
    },
    listSuites: () => suites.list(),
    getSuite: (name) => suites.get(name),
    createSuite: (name, fields, by) => suites.create(name, fields, by),
    deleteSuite: (name, by) => suites.delete(name, by),
    async run(module, named, options = {}, by) {
      const { target = "FRESH", modulePath, assets, config = {}, signal, progress } = options;
      const suite = named || modules.get(module).record.registration.testSuite;
      if (suite === "") {
        const problem = `must name a suite, since module ${module} has no test_suite`;
        throw HeliosError.of("ARGUMENT_INVALID", { field: "suite", problem });
      }
      if (target === "ACTIVE" && (modulePath || assets?.length)) {
        const problem = "cannot be given with the target ACTIVE, which runs what it runs";
        throw HeliosError.of("ARGUMENT_INVALID", { field: modulePath ? "module_path" : "assets", problem });
      }
      const { stubs = {}, allowDependencies = [] } = options;
      const given = Object.keys(stubs).length > 0 ? "stubs" : allowDependencies.length > 0 ? "allow_dependencies" : "";
      if (target === "ACTIVE" && given !== "") {
        const problem = "cannot be given with the target ACTIVE, whose calls go to what serves";
        throw HeliosError.of("ARGUMENT_INVALID", { field: given, problem });
      }
      checkStandIns(module, options);
      checkConfigSize("a test run of module", module, config);
      const found = await sourceOf(suite, config);
      const record = { module, suite, config, cause: causeOf("RunTests", by) };
      if (target === "FRESH") {
        const trial = trialOf(module, found, { asked: layerOf(options) });
        return runFresh({ source: found, trial, signal, progress }, record, { modulePath, assets });
      }
      const source = onlyLive(suite, found);
      return executor.execute({
        record: { ...record, target, ...codeOf(modules.activeInstance(module)) },
        source,
        start: async () => modules.activeInstance(module),
        owned: false,
        urgent: false,
        signal,
        progress,
      });
    },
    getRun: (id) => runs.get(id),
    listRuns: (module) => runs.list(module),
    allRuns: () => runs.list(),
    cancelRun: async (id) => executor.cancel(id) ?? runs.get(id),
    async gate({ suite, run }, subject, signal) {
      if (run !== "") return judgeRun(runs.find(run), run, subject, suite);
      const { name, peers } = subject;
      const source = await sourceOf(suite, {});
      const { record } = await executor.execute({
        record: { module: name, suite, target: "FRESH", config: {}, cause: { action: "Gate" }, ...codeOf(subject) },
        source,
        trial: trialOf(name, source, { peers }),
        start: (trial) => subject.start((one) => (one === name ? trial : trial?.peers.get(one)) ?? BARE_TEST),
        owned: true,
        urgent: true,
        signal,
      });
      return judgeReport(record);
    },
    gateByRun: (id, subject) => judgeRun(runs.find(id), id, subject, ""),
    createTester: (module, suite, { stubs, allowDependencies } = {}) =>
      createTester(module, suite === undefined ? [] : suites.tests(suite, {}, newId()), async (tests, instance) => {
        const record = { module, suite: suite ?? "(tester)", config: {}, cause: { action: "RunTests" } };
        const source = { tests, standIns: suite === undefined ? undefined : layerOf(suites.standIns(suite)) };
        checkStandIns(module, { stubs: stubs && withoutFunctions(stubs), allowDependencies });
        const asked = layerOf({ stubs, allowDependencies }, (dependency, _, answer) =>
          standInIn(clock, dependency, answer),
        );
        const trial = trialOf(module, source, { asked });
        if (instance === undefined) return runFresh({ source, trial }, record);
        const isStubbed = asked.stubs.size > 0 || asked.allow.size > 0;
        return executor.execute({
          record: { ...record, target: "ACTIVE", ...codeOf(instance) },
          source,
          trial: isStubbed ? trial : undefined,
          start: async () => instance,
          owned: false,
          urgent: false,
        });
      }),
    close: () => executor.close(),
  };
  return testing;
}

const FIELDS = { stubs: ["stubs"], allow: ["allow_dependencies"] } as const;

function codeOf({ modulePath, version, sha256, artifact }: Subject): CodeUnderTest {
  return { modulePath, version, sha256, artifact };
}
