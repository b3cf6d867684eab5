// The engine's public list: what the server, and whoever uses Helios as a library, may rely on.
export type { BreakerConfig, BreakerState, Outcome, Permit } from "./breakers/breaker.ts";
export {
  type Breaker,
  type BreakerResource,
  type Breakers,
  type BreakersDeps,
  createBreakers,
  type OutcomeReport,
} from "./breakers/breakers.ts";
export { type BreakerConfigFields, completeConfig, DEFAULT_CONFIG } from "./breakers/config.ts";
export {
  type BreakerCallOptions,
  type BreakerHandle,
  type Fallback,
  type HandleOptions,
  type HandlePermit,
  openError,
} from "./breakers/handle.ts";
export type { BreakerOverride, BreakerRecord } from "./breakers/record.ts";
export { type By, causeOf } from "./change.ts";
export { type Clock, createManualClock, type ManualClock, systemClock, type Timer } from "./clock.ts";
export { ERRORS, type ErrorCode, HeliosError, isReason, messageOf, type Reason } from "./errors.ts";
export type { Flag, FlagDefinition, FlagFields } from "./flags/definition.ts";
export {
  type BucketBy,
  type Evaluation,
  type EvaluationContext,
  type EvaluationErrorCode,
  type EvaluationReason,
  type Gradual,
  type Strategy,
  shareAt,
} from "./flags/evaluate.ts";
export type { FileEntry } from "./flags/file.ts";
export { createFlags, type Flags, type FlagsDeps } from "./flags/flags.ts";
export type { EnableOptions, GradualOptions, WhitelistOptions } from "./flags/operations.ts";
export type { FlagDifference, ReloadOptions, ReloadResult } from "./flags/reload.ts";
export { type Log, type LogArea, type LogLevel, silentLog } from "./log.ts";
export { type AnsweredRequest, createRequestLog, REPLAY_WINDOW_MS, type RequestLog } from "./requests.ts";
export { Collection, type Delta, type Resource } from "./store/collection.ts";
export { Feed } from "./store/feed.ts";
export { createMemoryStore, type MemoryStoreOptions } from "./store/memory.ts";
export { openSqliteStore, type SqliteStoreOptions } from "./store/sqlite.ts";
export type { Cause, Change, Entry, Store } from "./store/store.ts";
export { Hub, type WatchOptions } from "./watch/hub.ts";
export { type Frame, Watcher } from "./watch/watcher.ts";
