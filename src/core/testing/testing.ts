import type { Clock } from "../../kernel/clock.ts";
import { type By, causeOf } from "../change.ts";
import { HeliosError } from "../errors/error.ts";
import { invalid } from "../errors/invalid.ts";
import type { Log } from "../log.ts";
import { BARE_TEST } from "../modules/calls/generation/trial.ts";
import type { ModuleHost } from "../modules/host/types/host.ts";
import type { FreshOptions } from "../modules/operations/fresh.ts";
import { checkConfigSize } from "../modules/record/size.ts";
import type { Subject } from "../modules/swap/steps/gate.ts";
import type { Modules } from "../modules/types.ts";
import type { Feed } from "../store/feed.ts";
import { isSuiteFile } from "../text/names.ts";
import { createExecutor } from "./runs/execute.ts";
import { judgeReport, judgeRun } from "./runs/gate.ts";
import type { CodeUnderTest, Job } from "./runs/job.ts";
import { checkRunOptions } from "./runs/options.ts";
import type { Run, RunRecord } from "./runs/record.ts";
import { createRuns } from "./runs/runs.ts";
import { createTester } from "./runs/tester.ts";
import { createTurns } from "./runs/turns.ts";
import { layerOf } from "./stand-ins/trial.ts";
import { createTestTrials, type RunLayers, withoutFunctions } from "./stand-ins/trials.ts";
import type { ExpectationCompiler } from "./suites/expectations.ts";
import { createFileSuites } from "./suites/file.ts";
import { liveSource, type TestSource } from "./suites/source.ts";
import { reportedRun, type TestReportFields } from "./trials/report.ts";
import { createTrials } from "./trials/trials.ts";
import type { Testing } from "./types.ts";
import { checkConfig } from "./validate.ts";
import { createSuiteView } from "./view.ts";
import { createSuiteWriter } from "./write.ts";

export interface TestingDeps {
  /** Not started yet. */
  readonly feed: Feed;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Log;
  /** Starts the instances to test. */
  readonly modules: Pick<Modules, "resolveFresh" | "startFresh" | "startStandIn" | "activeInstance" | "get" | "list">;
  /** Runs suites that are files. */
  readonly host: Pick<ModuleHost, "resolve" | "start">;
  /** Absent: suites with expectations are refused. */
  readonly compileExpectation?: ExpectationCompiler | undefined;
}

export function createTesting(deps: TestingDeps): Testing {
  const { feed, clock, newId, log, modules, host, compileExpectation } = deps;
  const view = createSuiteView(feed, compileExpectation);
  const writer = createSuiteWriter(view, compileExpectation);
  const runs = createRuns(feed, clock, log);
  const files = createFileSuites(host, log);
  const standIns = createTestTrials(modules, clock);
  const trials = createTrials({ modules, standIns, clock, newId, log });
  const executor = createExecutor({ runs, turns: createTurns(), clock, newId, log });

  const sourceOf = async (suite: string, config: RunRecord["config"]): Promise<TestSource> => {
    if (!isSuiteFile(suite)) {
      return { tests: view.tests(suite, config, newId()), standIns: layerOf(view.standIns(suite)) };
    }
    checkConfig(suite, {}, config);
    await files.check(suite);
    return { tests: [], open: () => files.open(suite) };
  };

  const trialOf =
    (module: string, source: TestSource, layers: Omit<RunLayers, "suite"> = {}): Job["trial"] =>
    (open, signal) =>
      standIns.start(module, { ...layers, suite: open?.standIns ?? source.standIns, signal });

  const runFresh = async (
    job: Pick<Job, "source" | "trial" | "signal" | "progress">,
    record: Pick<RunRecord, "module" | "suite" | "config" | "cause">,
    fresh: FreshOptions = {},
  ): Promise<Run> => {
    const { modulePath, sha256, artifact } = await modules.resolveFresh(record.module, fresh);
    return executor.execute({
      ...job,
      record: { ...record, target: "FRESH", modulePath, version: "", sha256, artifact },
      start: (trial, signal) => modules.startFresh(record.module, { ...fresh, trial, signal }),
      owned: true,
      urgent: false,
    });
  };

  const recording = new Set<Promise<Run>>();
  /** Whether no further report is stored. */
  let isClosing = false;
  const record = async (id: string, report: TestReportFields, by: By | undefined): Promise<Run> => {
    const trial = trials.known(id);
    const base = report.runId ? runs.get(report.runId) : undefined;
    return runs.begin(newId(), reportedRun(trial, base, report, view.has, by, clock.now()));
  };

  return {
    async start() {
      const there = new Set(modules.list().map(({ name }) => name));
      await runs.start((module) => there.has(module));
    },

    getSuite: (name) => view.get(name),
    listSuites: () => view.list(),
    createSuite: (name, fields, by) => writer.create(name, fields, by),
    deleteSuite: (name, by) => writer.delete(name, by),

    async run(module, named, options = {}, by) {
      const { target = "FRESH", modulePath, assets, config = {}, signal, progress } = options;
      const suite = named || modules.get(module).record.registration.testSuite;
      if (suite === "") {
        const problem = `must name a suite, since module ${module} has no test_suite`;
        throw invalid("suite", problem);
      }
      checkRunOptions(options);
      standIns.check(module, options);
      checkConfigSize("a test run of module", module, config);
      const source = await sourceOf(suite, config);
      const record = { module, suite, config, cause: causeOf("RunTests", by) };
      if (target === "FRESH") {
        const trial = trialOf(module, source, { asked: layerOf(options) });
        return runFresh({ source, trial, signal, progress }, record, { modulePath, assets });
      }
      const live = liveSource(suite, source);
      return executor.execute({
        record: { ...record, target, ...codeOf(modules.activeInstance(module)) },
        source: live,
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
      createTester(module, suite === undefined ? [] : view.tests(suite, {}, newId()), async (tests, instance) => {
        const record = { module, suite: suite ?? "(tester)", config: {}, cause: { action: "RunTests" } };
        const source = { tests, standIns: suite === undefined ? undefined : layerOf(view.standIns(suite)) };
        standIns.check(module, { stubs: stubs && withoutFunctions(stubs), allowDependencies });
        const asked = standIns.ofTester({ stubs, allowDependencies });
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

    openTrial: (name, options = {}, by) => trials.open(name, options, by),
    closeTrial: (id) => trials.close(id),
    invokeTrial: (id, method, input, options = {}) => trials.invoke(id, method, input, options),
    async recordRun(trial, report, by) {
      if (isClosing) throw HeliosError.of("SERVER_DRAINING", {});
      const recorded = record(trial, report, by);
      recording.add(recorded);
      return recorded.finally(() => recording.delete(recorded));
    },

    async deleteRuns(module) {
      await trials.forgetModule(module);
      await executor.cancelAll(module);
      // A report that is being stored would outlive the others.
      await Promise.allSettled(recording);
      await runs.deleteOf(module);
    },

    async close() {
      isClosing = true;
      await Promise.all([trials.end(), executor.close(), Promise.allSettled(recording)]);
    },
  };
}

function codeOf({ modulePath, version, sha256, artifact }: Subject): CodeUnderTest {
  return { modulePath, version, sha256, artifact };
}
