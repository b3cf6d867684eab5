import type { DescMessage } from "@bufbuild/protobuf";
import { DurationSchema, StructSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { BreakerConfigSchema, BreakerSchema } from "../../../gen/helios/v1/breaker_pb.ts";
import {
  AcquirePermitResponseSchema,
  ReportOutcomesResponseSchema,
  SimulateBreakerResponseSchema,
} from "../../../gen/helios/v1/breaker_service_pb.ts";
import { ConditionProgramSchema } from "../../../gen/helios/v1/condition_pb.ts";
import { EvaluationSchema, FlagSchema } from "../../../gen/helios/v1/flag_pb.ts";
import {
  ExplainFlagResponseSchema,
  FlagDifferenceSchema,
  FlagHistoryEntrySchema,
} from "../../../gen/helios/v1/flag_service_pb.ts";
import { GenerationSchema, ModuleSchema, SwapReportSchema, SwapStepSchema } from "../../../gen/helios/v1/module_pb.ts";
import {
  InvokeModuleResponseSchema,
  ModuleSwapResultSchema,
  SwapModuleStreamResponseSchema,
} from "../../../gen/helios/v1/module_service_pb.ts";
import {
  RecentChangeSchema,
  StatusSchema,
  WaitForRevisionResponseSchema,
  WatchEventsResponseSchema,
} from "../../../gen/helios/v1/status_service_pb.ts";
import { TestResultSchema, TestRunSchema, TestSuiteSchema, TrialSchema } from "../../../gen/helios/v1/test_pb.ts";
import { CauseSchema } from "../../../gen/helios/v1/watch_pb.ts";
import {
  type Breaker,
  type ClientPosition,
  type Course,
  DEFAULT_CONFIG,
  type DomainStatus,
  type EngineEvent,
  type EngineStatus,
  type Evaluation,
  type Explanation,
  type Flag,
  type Frame,
  type GenerationView,
  type Module,
  type OpenWatch,
  type RecentChange,
  type Registration,
  type ReportResult,
  type Resource,
  type Run,
  type Running,
  type Simulation,
  type Suite,
  type SwapEvent,
  type SwapReport,
  type TestResult,
  type TrialInstance,
} from "../../../src/core/index.ts";
import { programOf } from "../../../src/server/cel/condition.ts";
import * as breaker from "../../../src/server/map/breaker.ts";
import * as clients from "../../../src/server/map/clients.ts";
import * as common from "../../../src/server/map/common.ts";
import * as condition from "../../../src/server/map/condition.ts";
import * as flagEvaluation from "../../../src/server/map/flag/evaluation.ts";
import * as flag from "../../../src/server/map/flag/flag.ts";
import * as module from "../../../src/server/map/module.ts";
import * as status from "../../../src/server/map/status.ts";
import * as swap from "../../../src/server/map/swap.ts";
import * as test from "../../../src/server/map/test.ts";

/** All modules with functions that map the engine's state to messages. */
export const MAPS = { breaker, clients, common, condition, flag, flagEvaluation, module, status, swap, test };

/** One such function, with a sample input and its message type. */
export interface Mapped {
  readonly desc: DescMessage;
  readonly sample: unknown;
  readonly map: (sample: never) => unknown;
}

const mapped = <T>(desc: DescMessage, sample: T, map: (sample: T) => unknown): Mapped => ({ desc, sample, map });

const cause = { action: "Change", actor: "alice", reason: "" };
const resource = <T>(record: T): Resource<T> => ({
  name: "x",
  record,
  revision: 1,
  etag: "e",
  createTime: 1,
  updateTime: 1,
  size: 1,
});

const aBreaker: Breaker = {
  resource: resource({ config: DEFAULT_CONFIG, state: "OPEN", epoch: 1, transition: { ...cause, time: 1 } }),
  name: "x",
  config: DEFAULT_CONFIG,
  state: "OPEN",
  automaticState: "OPEN",
  override: undefined,
  holds: [{ id: "h", kind: "FORCED_OPEN", action: "OpenBreaker", time: 1, expireTime: 1 }],
  epoch: 1,
  transition: { ...cause, time: 1 },
  counts: {
    consecutiveFailures: 1,
    consecutiveSuccesses: 1,
    successes: 1,
    failures: 1,
    ignored: 1,
    slow: 1,
    rejected: 1,
    lateSuccesses: 1,
    lateFailures: 1,
    window: { calls: 1, failures: 1, slow: 1 },
  },
  retryAfterMs: 1,
  probes: 1,
  reopenings: 1,
  isolatedClients: [{ clientId: "c", state: "OPEN", retryAfterMs: 1 }],
};
const course: Course = {
  transitions: [{ at: 1, action: "Trip", state: "OPEN" }],
  openings: 1,
  openMs: 1,
  calls: 1,
  rejected: 1,
  unknown: 1,
};
const simulation: Simulation = { from: 1, to: 1, config: DEFAULT_CONFIG, actual: course, simulated: course };
const reported: ReportResult = {
  duplicate: false,
  unknownNames: [],
  isolated: [{ name: "x", state: "OPEN", retryAfterMs: 1 }],
};

const aFlag: Flag = resource({
  enabled: true,
  strategy: "GRADUAL",
  percentage: 1,
  whitelist: [],
  gradual: { initialPercentage: 1, targetPercentage: 1, startTime: 1, endTime: 1, pausedAt: 1 },
  description: "",
  bucketBy: "SESSION_ID",
  salt: "s",
  bucketingVersion: 1,
  variants: [{ name: "a", weight: 1, value: 1 }],
  maxStalenessMs: 1,
} as Flag["record"]);
const evaluation: Evaluation = {
  name: "x",
  enabled: true,
  variant: "a",
  value: 1,
  reason: "SPLIT",
  errorCode: undefined,
  bucket: 1,
  variantBucket: 1,
  killed: false,
  revision: 1,
};
const explanation: Explanation = {
  evaluation,
  steps: [{ step: "ENABLED", lookedAt: "", outcome: "", stopped: false }],
  revision: 1,
  nowMs: 1,
};

const code = { modulePath: "src.m", sha256: "", artifact: "" };
const sample = { calls: 1, failures: 1, p99Ms: 1 };
const report: SwapReport = {
  swapId: "s",
  swapped: true,
  unchanged: false,
  stateLost: true,
  fromVersion: "1",
  toVersion: "2",
  steps: [{ name: "verify", durationMs: 1, deadlineMs: 1, outcome: "done", detail: "" }],
  shadow: { mirrored: 1, equal: 1, different: 1, failed: 1, dropped: 1, differences: [] },
  canary: { candidate: sample, current: sample },
  time: 1,
};
const running: Running = { ...code, generation: 1, version: "1", methods: ["m"], loadTime: 1 };
const registration: Registration = {
  modulePath: "src.m",
  version: "",
  assets: ["a"],
  dependencies: [],
  hotReloadable: true,
  isolation: "PROCESS",
  config: {},
  env: {},
  sha256: "",
  grants: { fsRead: [], fsWrite: [], net: false, childProcess: false },
  startTimeoutMs: 1,
  callTimeoutMs: 1,
  blockTimeoutMs: 1,
  healthIntervalMs: 1,
  maxHeapMb: 1,
  concurrency: 1,
  testSuite: "",
  reloadHooks: [],
  pureMethods: [],
  testStubs: {},
  testAllowDependencies: [],
  breaker: DEFAULT_CONFIG,
  fallbackModule: "",
};
const failure = { step: "start", message: "", time: 1 };
const aModule: Module = resource({
  registration,
  code,
  configVersion: 1,
  desired: "ACTIVE",
  lifecycle: { state: "FAILED", failure, last: running },
  generation: 1,
  starts: 1,
  generations: [],
  bake: { swapId: "s", until: 1 },
  restarts: 1,
  lastSwap: report,
} as Module["record"]);
const generation: GenerationView = {
  number: 1,
  state: "RETIRED",
  version: "1",
  code,
  configVersion: 1,
  startTime: 1,
  endTime: 1,
  end: "",
  inFlight: 1,
};

const result: TestResult = { name: "t", outcome: "PASSED", required: true, durationMs: 1, message: "", output: 1 };
const suite: Suite = {
  name: "x",
  description: "",
  tests: [{ name: "t", description: "", required: true, timeoutMs: 1 }],
  resource: resource({ description: "", tests: [] }),
};
const aRun: Run = resource({
  module: "m",
  suite: "s",
  target: "FRESH",
  config: {},
  state: "COMPLETED",
  passed: true,
  totalTests: 1,
  tests: [result],
  durationMs: 1,
  modulePath: "",
  version: "",
  sha256: "",
  artifact: "",
  startTime: 1,
  endTime: 1,
  report: { trial: "t", by: "ana", suiteRun: "r" },
  cause,
} as Run["record"]);

const trial: TrialInstance = {
  id: "t",
  name: "m",
  modulePath: "src.m",
  version: "1",
  sha256: "",
  artifact: "",
  methods: ["m"],
  createTime: 1,
  expireTime: 1,
};

const domain: DomainStatus = { total: 1, byState: { OPEN: 1 }, watchers: 1 };
const engine: EngineStatus = {
  revision: 1,
  ready: true,
  unhealthy: [{ domain: "BREAKERS", name: "x", state: "OPEN", why: "", since: 1 }],
  modules: domain,
  flags: domain,
  breakers: domain,
  tests: domain,
};
const facts = { version: "1", startTime: 1, uptimeMs: 1, incarnation: "i" };
const watch: OpenWatch = {
  watchId: "w",
  clientId: "c",
  peer: "",
  info: { library: "l", contractVersion: 1, kernelVersion: 1 },
  rpc: "WatchFlags",
  names: 1,
  since: 1,
  delivered: 1,
  acknowledged: 1,
  lag: 1,
  lagMs: 1,
  waiting: 1,
};
const position: ClientPosition = { clientId: "c", watches: 1, acknowledged: 1, delivered: 1 };
const recent: RecentChange = { domain: "FLAGS", name: "x", revision: 1, time: 1, cause };
const event: EngineEvent = {
  name: "FLAGS/x",
  revision: 1,
  time: 1,
  domain: "FLAGS",
  subject: "x",
  cause,
  text: "",
};
const heartbeat: Frame<EngineEvent, EngineEvent> = {
  kind: "heartbeat",
  revision: 1,
  resumeToken: "",
  time: 1,
  head: 1,
} as Frame<EngineEvent, EngineEvent>;
const ended: SwapEvent = { type: "ended", step: report.steps[0] } as SwapEvent;
const HEAD = { revision: 1n, resumeToken: "" };

/** The functions by name. */
export const MAPPED: Readonly<Record<string, Mapped>> = {
  toBreaker: mapped(BreakerSchema, aBreaker, breaker.toBreaker),
  toBreakerConfig: mapped(BreakerConfigSchema, { ...DEFAULT_CONFIG, failureRate: 0.5 }, breaker.toBreakerConfig),
  toPermit: mapped(
    AcquirePermitResponseSchema,
    { allowed: false as const, epoch: 1, state: "OPEN" as const, retryAfterMs: 1 },
    breaker.toPermit,
  ),
  toReportResponse: mapped(ReportOutcomesResponseSchema, reported, breaker.toReportResponse),
  toSimulation: mapped(SimulateBreakerResponseSchema, simulation, breaker.toSimulation),
  toOpenWatches: mapped(StatusSchema, [watch], clients.toOpenWatches),
  toPending: mapped(WaitForRevisionResponseSchema, [position], clients.toPending),
  toTimestamp: mapped(TimestampSchema, 1, common.toTimestamp),
  toOptionalTimestamp: mapped(TimestampSchema, 1, common.toOptionalTimestamp),
  toDuration: mapped(DurationSchema, 1, common.toDuration),
  toExactDuration: mapped(DurationSchema, 1, common.toExactDuration),
  toCause: mapped(CauseSchema, cause, common.toCause),
  toStruct: mapped(StructSchema, { fields: {} }, () => ({})),
  toProgram: mapped(ConditionProgramSchema, "true", (text) => condition.toProgram(programOf(text))),
  toFlag: mapped(FlagSchema, { one: aFlag, now: 1 }, ({ one, now }) => flag.toFlag(one, now)),
  toFlagAlone: mapped(FlagSchema, { one: aFlag, now: 1 }, ({ one, now }) => flag.toFlagAlone(one, now)),
  toEvaluation: mapped(EvaluationSchema, evaluation, flagEvaluation.toEvaluation),
  toExplanation: mapped(ExplainFlagResponseSchema, explanation, flagEvaluation.toExplanation),
  toDifference: mapped(FlagDifferenceSchema, { before: aFlag.record, after: aFlag.record, now: 1 }, ({ now, ...two }) =>
    flag.toDifference({ name: "x", ...two }, now),
  ),
  toHistoryEntry: mapped(FlagHistoryEntrySchema, { revision: 1, time: 1, resource: aFlag, now: 1 }, ({ now, ...one }) =>
    flag.toHistoryEntry({ name: "x", cause, before: one.resource.record, ...one }, now),
  ),
  toModule: mapped(
    ModuleSchema,
    {
      one: aModule,
      usage: { heapUsedBytes: 1, externalBytes: 1, eventLoopUtilization: 1 },
      health: { state: "UNHEALTHY" as const, message: "no", since: 1, checkTime: 1, failures: 1 },
      inFlight: 1,
    },
    ({ one, usage, health, inFlight }) => module.toModule(one, { inFlight, swapId: undefined, usage, health }),
  ),
  toPayload: mapped(InvokeModuleResponseSchema, { json: { output: 1 } }, (payload) => ({
    output: module.toPayload(payload),
  })),
  toStatus: mapped(StatusSchema, { engine, facts }, (one) =>
    status.toStatus(one.engine, one.facts, { watches: [], watchesTotal: 0 }),
  ),
  toEventsFrame: mapped(WatchEventsResponseSchema, { heartbeat, event }, (one) =>
    status.toEventsFrame(
      { ...one.heartbeat, kind: "changes", items: [one.event] } as Frame<EngineEvent, EngineEvent>,
      HEAD,
      undefined,
      new Map([[one.event.revision, [recent]]]),
    ),
  ),
  toRecentChange: mapped(RecentChangeSchema, recent, status.toRecentChange),
  toSwapOutcome: mapped(ModuleSwapResultSchema, report, swap.toSwapOutcome),
  toSwapReport: mapped(SwapReportSchema, report, swap.toSwapReport),
  toSwapStep: mapped(SwapStepSchema, report.steps[0], (step) => step && swap.toSwapStep(step)),
  toSwapEvent: mapped(SwapModuleStreamResponseSchema, ended, (one) => ({ event: swap.toSwapEvent(one) })),
  toGeneration: mapped(GenerationSchema, generation, swap.toGeneration),
  toSuite: mapped(TestSuiteSchema, suite, test.toSuite),
  toResult: mapped(TestResultSchema, result, test.toResult),
  toRun: mapped(TestRunSchema, aRun, test.toRun),
  toTrial: mapped(TrialSchema, trial, test.toTrial),
};
