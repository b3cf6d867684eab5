import {
  type CanaryOptions as CanaryOptionsMessage,
  CanaryReportSchema,
  CanaryVerdict,
  type Generation,
  GenerationSchema,
  GenerationState,
  type ShadowOptions as ShadowOptionsMessage,
  ShadowReportSchema,
  type SwapReport as SwapReportMessage,
  SwapReportSchema,
  type SwapStep as SwapStepMessage,
  SwapStepSchema,
} from "../../../gen/helios/v1/module_pb.ts";
import type {
  ModuleSwap,
  RollbackModuleRequest,
  SwapModuleRequest,
  SwapModulesRequest,
} from "../../../gen/helios/v1/module_service_pb.ts";
import type {
  CanaryOptions,
  CanaryReport,
  GenerationView,
  ModuleSwapOptions,
  RollbackOptions,
  Sample,
  ShadowOptions,
  ShadowReport,
  SwapEvent,
  SwapOptions,
  SwapReport,
  SwapStep,
  SwapTermsOptions,
} from "../../core/index.ts";
import { fromDuration, toDuration, toTimestamp } from "./common.ts";
import { make } from "./message.ts";

/** The outcome of a module's swap, for every answer. */
export function toSwapOutcome(report: SwapReport) {
  const { swapId, swapped, unchanged, failedStep = "", failure = "", steps, shadow, canary } = report;
  return {
    swapId,
    swapped,
    unchanged,
    // A report of an earlier version lacks this field.
    stateLost: report.stateLost ?? false,
    failedStep,
    failure,
    steps: steps.map(toSwapStep),
    ...(shadow === undefined ? {} : { shadow: toShadowReport(shadow) }),
    ...(canary === undefined ? {} : { canary: toCanaryReport(canary) }),
  };
}

export function toSwapReport(report: SwapReport): SwapReportMessage {
  const { fromVersion, toVersion, time } = report;
  return make(SwapReportSchema, { ...toSwapOutcome(report), fromVersion, toVersion, time: toTimestamp(time) });
}

export function toSwapStep({ name, durationMs, outcome, detail, deadlineMs }: SwapStep): SwapStepMessage {
  const deadline = deadlineMs === undefined ? {} : { deadline: toDuration(deadlineMs) };
  return make(SwapStepSchema, { name, duration: toDuration(durationMs), outcome, detail, ...deadline });
}

export function toSwapEvent(event: SwapEvent) {
  switch (event.type) {
    case "begun":
      return { case: "begun" as const, value: { swapId: event.swapId } };
    case "started": {
      const { name, deadlineMs } = event;
      const deadline = deadlineMs === undefined ? {} : { deadline: toDuration(deadlineMs) };
      return { case: "stepStarted" as const, value: { name, ...deadline } };
    }
    case "ended":
      return { case: "stepEnded" as const, value: toSwapStep(event.step) };
  }
}

function toShadowReport({ differences, ...counts }: ShadowReport) {
  return make(ShadowReportSchema, { ...counts, differences: differences.map((difference) => ({ ...difference })) });
}

function toCanaryReport({ candidate, current, verdict }: CanaryReport) {
  return make(CanaryReportSchema, {
    candidate: toSample(candidate),
    current: toSample(current),
    verdict: verdict === undefined ? CanaryVerdict.UNSPECIFIED : CanaryVerdict[verdict],
  });
}

function toSample({ calls, failures, p99Ms }: Sample) {
  return { calls: calls, failures: failures, p99: toDuration(p99Ms) };
}

export function toGeneration(view: GenerationView): Generation {
  const { number, state, version, code, configVersion = 0, startTime, endTime, end, inFlight } = view;
  return make(GenerationSchema, {
    number: number,
    state: GenerationState[state],
    version,
    modulePath: code.modulePath,
    sha256: code.sha256,
    artifact: code.artifact,
    configVersion: configVersion,
    startTime: toTimestamp(startTime),
    ...(endTime === undefined ? {} : { endTime: toTimestamp(endTime) }),
    end,
    inFlight: inFlight,
  });
}

export function fromSwap(request: SwapModuleRequest): SwapOptions {
  const { shadow, canary } = request;
  return {
    ...fromModuleSwap(request),
    ...fromTerms(request),
    shadow: shadow && fromShadow(shadow),
    canary: canary && fromCanary(canary),
  };
}

export function fromModuleSwap(request: SwapModuleRequest | ModuleSwap): ModuleSwapOptions {
  const { newVersionPath, version, sha256, assets, testSuite, testRun, config, expectedGeneration, discardState } =
    request;
  return { newVersionPath, version, sha256, assets, testSuite, testRun, config, expectedGeneration, discardState };
}

export function fromTerms(request: SwapModuleRequest | SwapModulesRequest): SwapTermsOptions {
  const { force, bakeMaxErrorRate, bakeMinCalls } = request;
  return {
    swapId: swapIdOf(request),
    force,
    bakeMs: fromDuration(request.bakeDuration),
    bakeMaxErrorRate,
    bakeMinCalls,
    maxPauseMs: fromDuration(request.maxPause),
    gateTimeoutMs: fromDuration(request.gateTimeout),
  };
}

export function fromRollback(request: RollbackModuleRequest): RollbackOptions {
  const { generation, testSuite, expectedGeneration, discardState } = request;
  return {
    generation,
    testSuite,
    swapId: swapIdOf(request),
    expectedGeneration,
    discardState,
    bakeMs: fromDuration(request.bakeDuration),
    maxPauseMs: fromDuration(request.maxPause),
  };
}

/**
 * The id by which a retry is recognised. The outcome of a swap is stored together with its change, but the answer to the
 * request is stored afterwards. If the service ends in between, a retry does not repeat a rollback that was done.
 */
function swapIdOf({ swapId, requestId }: Pick<SwapModuleRequest, "swapId" | "requestId">): string {
  return swapId || requestId.toLowerCase();
}

function fromShadow(options: ShadowOptionsMessage): ShadowOptions {
  const { percentage, minCalls, relativeTolerance, absoluteTolerance, maxDifferenceRate } = options;
  const durationMs = fromDuration(options.duration);
  return { percentage, durationMs, minCalls, relativeTolerance, absoluteTolerance, maxDifferenceRate };
}

function fromCanary(options: CanaryOptionsMessage): CanaryOptions {
  const { percentage, minCalls, maxErrorRateIncrease, maxLatencyRatio } = options;
  return { percentage, durationMs: fromDuration(options.duration), minCalls, maxErrorRateIncrease, maxLatencyRatio };
}
