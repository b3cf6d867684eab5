// The engine's public interface, for the server and for programs that use Helios as a library.

export type { BreakerConfig, BreakerConfigFields } from "../kernel/breakers/config.ts";
export type { BreakerState, Outcome, Permit } from "../kernel/breakers/machine.ts";
export { DEFAULT_CONFIG } from "../kernel/breakers/policy/defaults.ts";
export type { OverrideKind } from "../kernel/breakers/policy/holds.ts";
export type { BreakerCall, BreakerCallOptions, BreakerFallback } from "../kernel/call/options.ts";
export {
  type Clock,
  createManualClock,
  LONGEST_PLATFORM_DELAY_MS,
  type ManualClock,
  setRepeatingTimer,
  systemClock,
  type Timer,
} from "../kernel/clock.ts";
export type { FailureKind } from "../kernel/flags/condition/budget.ts";
export type { Variables } from "../kernel/flags/condition/evaluator.ts";
export { ConditionFailed, conditionOf } from "../kernel/flags/condition/flag.ts";
export { interpreterOf, type ProgramOutcome } from "../kernel/flags/condition/interpret.ts";
export {
  INSTRUCTION_OPS,
  type Instruction,
  type InstructionOp,
  type Pattern,
} from "../kernel/flags/condition/pattern.ts";
export {
  CONDITION_MAX_BYTES,
  CONDITION_MAX_STEPS,
  OPS,
  type Op,
  PROGRAM_MAX_DEPTH,
  PROGRAM_VERSION,
  type Program,
  type ProgramNode,
} from "../kernel/flags/condition/program.ts";
export type { Condition } from "../kernel/flags/condition/shared.ts";
export {
  Duration,
  MAX_INT,
  MAX_UINT,
  MIN_INT,
  Timestamp,
  TYPE_NAMES,
  TypeValue,
  Uint,
  type Value,
} from "../kernel/flags/condition/values.ts";
export type { Zone } from "../kernel/flags/condition/zone.ts";
export type {
  Evaluation,
  EvaluationContext,
  EvaluationErrorCode,
  EvaluationReason,
} from "../kernel/flags/evaluation.ts";
export type { BucketBy, Gradual, Json, OnStale, Strategy, Variant } from "../kernel/flags/rule.ts";
export { shareAt } from "../kernel/flags/share.ts";
export { KERNEL_VERSION } from "../kernel/flags/version.ts";
export { LONGEST_SPAN_MS, type SpanRange, spanProblem } from "../kernel/span.ts";
export { seconds } from "./async/deadline.ts";
export { type BreakersDeps, createBreakers } from "./breakers/breakers.ts";
export type { IsolatedClient } from "./breakers/clients/isolation.ts";
export type { OutcomeReport } from "./breakers/clients/reports.ts";
export { openError } from "./breakers/handle.ts";
export type { Breaker } from "./breakers/live/describe.ts";
export type { BreakerHold, BreakerRecord, BreakerResource, TransitionRecord } from "./breakers/record.ts";
export type { Course, Simulation } from "./breakers/simulation/simulate.ts";
export type {
  BreakerCreated,
  BreakerHandle,
  Breakers,
  HandleOptions,
  HandlePermit,
  ReportResult,
  ResetAllOptions,
} from "./breakers/types.ts";
export { CONFIG_FIELDS, completeConfig, type OverrideRequest } from "./breakers/validate.ts";
export { ACTOR_LIMIT, type By, causeOf, REASON_LIMIT } from "./change.ts";
export { createEngine, type Engine, type EngineOptions } from "./engine.ts";
export { checkSpan } from "./errors/check-span.ts";
export { ERRORS, type ErrorCode, HeliosError, isReason, messageOf, type Reason } from "./errors/error.ts";
export { invalid } from "./errors/invalid.ts";
export { refuse, type Violation } from "./errors/violation.ts";
export { BATCH_UPDATES_LIMIT, type BatchUpdated, type FlagUpdate, placed } from "./flags/batch.ts";
export type {
  CreateOptions,
  DisableOptions,
  EnableOptions,
  GradualOptions,
  RevertOptions,
  UpdateOptions,
  WhitelistOptions,
} from "./flags/changes/options.ts";
export { isHeld } from "./flags/changes/schedule.ts";
export { type ConditionCompiler, ConditionError } from "./flags/condition.ts";
export type { AnswerCount, UsageAnswer } from "./flags/counts/answers.ts";
export type { Evaluations, FlagEvaluator } from "./flags/evaluation/evaluator.ts";
export type { Explained, ExplainedStep, Explanation } from "./flags/evaluation/explain.ts";
export { pauseForOthers } from "./flags/evaluation/slices.ts";
export type { AsOf } from "./flags/evaluation/snapshot.ts";
export type { FileEntry } from "./flags/file/print.ts";
export type { FlagDifference, ReloadMode, ReloadOptions, ReloadResult } from "./flags/file/reload.ts";
export { createFlags, type FlagsDeps } from "./flags/flags.ts";
export type { Flag, FlagDefinition, FlagFields, FlagMetadata } from "./flags/record.ts";
export type { Flags } from "./flags/types.ts";
export type { FlagUsage, FlagUsages, ReportedAnswer, UsageReport, UsageReported } from "./flags/usage/types.ts";
export { MAX_WHOLE_NUMBER, numberProblem } from "./json/numbers.ts";
export { type JsonPath, pathText } from "./json/path.ts";
export { encodedSize, knownSize, LONGEST_NUMBER, textSize } from "./json/size.ts";
export type { SourceFile } from "./json/source-file.ts";
export { firstViolation, type Look, numberViolation } from "./json/tree.ts";
export { type Log, type LogArea, type LogLevel, silentLog } from "./log.ts";
export type {
  CallContext,
  HeliosModule,
  ModuleContext,
  SuiteFile,
  SuiteStubs,
  SuiteTarget,
  SuiteTest,
} from "./modules/api.ts";
export { type Answer, breakerOf, type InvokeOptions } from "./modules/calls/call.ts";
export type { Health, HealthState } from "./modules/calls/generation/health.ts";
export type { Grants, Isolation, Payload, Usage } from "./modules/host/types/host.ts";
export { createModules, type ModulesDeps } from "./modules/modules.ts";
export type { FreshOptions } from "./modules/operations/fresh.ts";
export type { GenerationState, GenerationView } from "./modules/operations/list-generations.ts";
export type { LoadOptions } from "./modules/operations/load.ts";
export type { RegisterOptions } from "./modules/operations/register.ts";
export type { UnloadOptions } from "./modules/operations/unload.ts";
export type { Failure, Lifecycle, ModuleState, Running } from "./modules/record/lifecycle.ts";
export type {
  Desired,
  Module,
  ModuleRecord,
  Registration,
  RegistrationFields,
  ReloadHook,
} from "./modules/record/record.ts";
export { healthIntervalOf } from "./modules/record/registration.ts";
export type {
  CanaryReport,
  Sample,
  ShadowDifference,
  ShadowReport,
  StepName,
  SwapReport,
  SwapStep,
} from "./modules/record/report.ts";
export type { StandIns, Stub } from "./modules/record/stand-ins.ts";
export type { SwapResult } from "./modules/swap/report.ts";
export type { RollbackOptions } from "./modules/swap/rollback.ts";
export type { SwapEvent, SwapListener } from "./modules/swap/state/events.ts";
export type {
  CanaryOptions,
  ModuleSwapOptions,
  ShadowOptions,
  SwapOptions,
  SwapTermsOptions,
} from "./modules/swap/state/swap-options.ts";
export type { Gate, TestedInstance } from "./modules/swap/steps/gate.ts";
export type { InstanceHandle, ReloadHookFunction } from "./modules/swap/steps/warm-up.ts";
export type { GroupSwapResult } from "./modules/swap/swap.ts";
export type { Modules } from "./modules/types.ts";
export { fitting, PAGE_BYTES, WHOLE_BYTES } from "./size.ts";
export { type EngineEvent, type EventDomain, named } from "./status/events.ts";
export { type Hints, isAutomatic, MOST_RECENT, type OpenedBy, type RecentChange } from "./status/hints.ts";
export type { DomainStatus, EngineStatus, Unhealthy } from "./status/status.ts";
export {
  Collection,
  checkEtag,
  type Decided,
  type Decision,
  type Delta,
  isOversize,
  type Resource,
} from "./store/collection.ts";
export { Feed } from "./store/feed.ts";
export { createMemoryStore, type MemoryStoreOptions } from "./store/memory/store.ts";
export { type AnsweredRequest, createRequestLog, REPLAY_WINDOW_MS, type RequestLog } from "./store/requests.ts";
export { openSqliteStore, type SqliteStoreOptions } from "./store/sqlite/open.ts";
export type { BatchResult, BatchWrite, Cause, Change, Entry, Refusal, Store, Writable } from "./store/store.ts";
export type { SuiteFields, TestCaseFields } from "./testing/record.ts";
export type { Verdict } from "./testing/runs/gate.ts";
export type { RunProgress } from "./testing/runs/job.ts";
export type { RunOptions } from "./testing/runs/options.ts";
export type { Run, RunRecord } from "./testing/runs/record.ts";
export { fitReport, MAX_REPORT_BYTES } from "./testing/runs/report.ts";
export type { TestOutcome, TestResult } from "./testing/runs/runner.ts";
export { countsOf } from "./testing/runs/runs.ts";
export type { AddTestOptions, Tester, TestReport } from "./testing/runs/tester.ts";
export { GATES_AT_ONCE, MOST_WAITING, RUNS_AT_ONCE } from "./testing/runs/turns.ts";
export type { TesterStandIns } from "./testing/stand-ins/trials.ts";
export {
  type Expectation,
  type ExpectationCompiler,
  ExpectationError,
  type Observed,
} from "./testing/suites/expectations.ts";
export type { BuiltInSuite, Setting, Settings, TestInstance } from "./testing/suites/suite.ts";
export { createTesting, type TestingDeps } from "./testing/testing.ts";
export type { TestReportFields } from "./testing/trials/report.ts";
export {
  DEFAULT_TTL_MS,
  MAX_TTL_MS,
  MOST_ENDED_TRIALS,
  TRIALS_AT_ONCE,
  type TrialCallOptions,
  type TrialInstance,
  type TrialOptions,
} from "./testing/trials/trial-instance.ts";
export type { Testing } from "./testing/types.ts";
export { BUILT_IN_SUITES, type Suite } from "./testing/view.ts";
export { cut } from "./text/cut.ts";
export { nearest } from "./text/nearest.ts";
export { oneJsonLine, oneLine } from "./text/one-line.ts";
export { EARLIEST_TIME, LATEST_TIME, parseTime } from "./text/rfc3339.ts";
export { HALF_A_CHARACTER } from "./text/surrogates.ts";
export { type Clients, MOST_WAITS } from "./watch/clients.ts";
export type { Frame } from "./watch/frame.ts";
export { Hub } from "./watch/hub.ts";
export type { ClientPosition, OpenWatch } from "./watch/positions.ts";
export type { ClientInfo, WatchIdentity, WatchOptions } from "./watch/types.ts";
export type { WaitOptions, WaitResult } from "./watch/wait.ts";
export { Watcher } from "./watch/watcher.ts";
