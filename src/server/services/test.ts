import type { ServiceImpl } from "@connectrpc/connect";
import { TestRunSchema, TestSuiteSchema } from "../../../gen/helios/v1/test_pb.ts";
import type { RunTestsRequest, TestModuleRequest, TestService } from "../../../gen/helios/v1/test_service_pb.ts";
import { pushed } from "../../core/async/index.ts";
import {
  invalid,
  type Run,
  type RunOptions,
  type RunProgress,
  type Testing,
  type TestResult,
} from "../../core/index.ts";
import { byOf, fromDuration } from "../map/common.ts";
import { wireSize } from "../map/size.ts";
import { fromCases, fromResults, fromStandIns, fromTarget, toResult, toRun, toSuite, toTrial } from "../map/test.ts";
import { pageOf } from "./paging.ts";

export interface TestServiceDeps {
  readonly testing: Testing;
}

/** Implements TestService. Requests have been validated. */
export function createTestService({ testing }: TestServiceDeps): ServiceImpl<typeof TestService> {
  return {
    listSuites(request) {
      const { items, nextPageToken } = pageOf(testing.listSuites(), request, {
        keyOf: ({ name }) => name,
        toMessage: toSuite,
        sizeOf: (suite) => wireSize(TestSuiteSchema, suite),
      });
      return { suites: items, nextPageToken };
    },

    getSuite: ({ name }) => ({ suite: toSuite(testing.getSuite(name)) }),

    async createSuite(request) {
      const { suite } = request;
      if (suite === undefined) throw invalid("suite", "is missing");
      const { name, description } = suite;
      const fields = { description, tests: fromCases(suite), ...fromStandIns(suite) };
      return { suite: toSuite(await testing.createSuite(name, fields, byOf(request))) };
    },

    async deleteSuite(request) {
      return { suite: toSuite(await testing.deleteSuite(request.name, byOf(request))) };
    },

    runTests: (request, { signal }) => runTests(testing, request, signal),

    async testModule(request, { signal }) {
      return { run: toRun(await run(testing, request, { signal })) };
    },

    getTestRun: ({ id }) => ({ run: toRun(testing.getRun(id)) }),

    listTestRuns(request) {
      const { items, nextPageToken } = pageOf(testing.listRuns(request.name), request, {
        keyOf: ({ name }) => name,
        // If the last run of the previous page is forgotten, it was the oldest, and no run follows.
        startAfter: (runs, last) => runs.findIndex(({ name }) => name === last) + 1 || runs.length,
        toMessage: toRun,
        sizeOf: (one) => wireSize(TestRunSchema, one),
      });
      return { runs: items, nextPageToken };
    },

    async cancelTestRun({ id }) {
      return { run: toRun(await testing.cancelRun(id)) };
    },

    async openTrial(request, { signal }) {
      const { name, modulePath, assets, config, ttl } = request;
      const options = { modulePath, assets, config, ttlMs: fromDuration(ttl), signal, ...fromStandIns(request) };
      return { trial: toTrial(await testing.openTrial(name, options, byOf(request))) };
    },

    async closeTrial({ id }) {
      return { trial: toTrial(await testing.closeTrial(id)) };
    },

    async recordTestRun(request) {
      const { trial, suite, runId, tests } = request;
      const report = { suite, runId, tests: fromResults(tests) };
      return { run: toRun(await testing.recordRun(trial, report, byOf(request))) };
    },
  };
}

function run(
  testing: Testing,
  request: RunTestsRequest | TestModuleRequest,
  options: Pick<RunOptions, "signal" | "progress">,
): Promise<Run> {
  const { name, suite, moduleType, target, modulePath, assets, config } = request;
  const code = { target: fromTarget(target), modulePath, assets };
  const asked = { ...code, config: config ?? {}, ...fromStandIns(request), ...options };
  return testing.run(name, suite || moduleType, asked, byOf(request));
}

type Progress =
  | { readonly case: "started" | "run"; readonly run: Run }
  | { readonly case: "testStarted"; readonly name: string; readonly number: number; readonly totalTests: number }
  | { readonly case: "testEnded"; readonly result: TestResult };

/** Streams a run's progress, and its report at the end. */
async function* runTests(testing: Testing, request: RunTestsRequest, signal: AbortSignal) {
  const frames = pushed<Progress>(async (push) => {
    const progress: RunProgress = {
      runStarted: (started) => push({ case: "started", run: started }),
      testStarted: (test, number, totalTests) => push({ case: "testStarted", name: test, number, totalTests }),
      testEnded: (result) => push({ case: "testEnded", result }),
    };
    push({ case: "run", run: await run(testing, request, { signal, progress }) });
  });
  for await (const frame of frames) yield { frame: toFrame(frame) };
}

function toFrame(progress: Progress) {
  switch (progress.case) {
    case "started":
      return { case: "started" as const, value: toRun(progress.run) };
    case "testStarted": {
      const { name, number, totalTests } = progress;
      return { case: "testStarted" as const, value: { name, number, totalTests } };
    }
    case "testEnded":
      return { case: "testEnded" as const, value: toResult(progress.result) };
    case "run":
      return { case: "run" as const, value: toRun(progress.run) };
  }
}
