export type { BreakerConfigFields } from "../../../src/kernel/breakers/config.ts";
export type { BreakerCall, BreakerCallOptions, BreakerFallback } from "../../../src/kernel/call/options.ts";
export {
  type BreakerOptions,
  type Breakers,
  type BreakersOptions,
  type ClientBreaker,
  createBreakers,
} from "./breaker/breakers.ts";
export type { BreakerClock } from "./breaker/clock.ts";
export { CircuitOpenError } from "./breaker/open-error.ts";
export type { BreakerPermit } from "./breaker/permit.ts";
export type { BreakerStatus, OnDisconnect } from "./breaker/status.ts";
export { createHeliosClient, type HeliosClient, type HeliosClientOptions } from "./client.ts";
export { enumName } from "./enums.ts";
export { errorInfo, type HeliosErrorInfo } from "./errors.ts";
export type { FlagContext } from "./flags/context.ts";
export type { FlagDetails, FlagErrorCode, FlagSource } from "./flags/decision.ts";
export type { ChangeOptions, HeliosFlags, SwitchOffOptions } from "./flags/flags.ts";
export type { FlagChange } from "./flags/local.ts";
export type { ClientLog } from "./flags/warnings.ts";
export { type ConnectOptions, connect, type Helios } from "./helios.ts";
export { type Invocation, type InvokeOptions, invoke } from "./invoke.ts";
export { type OpenStream, type ResumeOptions, resumeWatch, type WatchConnection, type WatchFrame } from "./watch.ts";
export {
  type WatchEvent,
  type WatchOptions,
  watchBreakers,
  watchEvents,
  watchFlags,
  watchModules,
} from "./watches.ts";
