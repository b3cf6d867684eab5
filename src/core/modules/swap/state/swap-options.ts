import { refuse, type Violation, violation } from "../../../errors/violation.ts";
import { canonicalJson } from "../../../json/canonical.ts";
import type { JsonPath } from "../../../json/path.ts";
import { checkConfigSize } from "../../record/size.ts";
import {
  assetsViolation,
  digestViolation,
  jsonObjectViolation,
  suiteViolation,
  versionViolation,
} from "../../record/validate.ts";
import { pathViolation } from "../../record/validate-parts.ts";

/** The change of one module by a swap. */
export interface ModuleSwapOptions {
  /** The path of the new version's file. Absent or empty: the present file, which is read again. */
  readonly newVersionPath?: string | undefined;
  /** The new version. Absent or empty: the class's `static version`, or else the version that serves now. */
  readonly version?: string | undefined;
  /**
   * The SHA-256 that the new file or its artifact must have, in hex. Absent or empty: any digest for another file, the
   * registered digest for the present file.
   */
  readonly sha256?: string | undefined;
  /** Paths of the new version's assets. Absent or empty: the present assets, which are read again. */
  readonly assets?: readonly string[] | undefined;
  /** The suite to run on the candidate. Absent or empty: the module's own suite, if it has one. */
  readonly testSuite?: string | undefined;
  /** The id of an earlier run that counts instead of the suite. It must have passed, on the same code. */
  readonly testRun?: string | undefined;
  /** The configuration of the new version. Absent: the present one. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  /** The generation that must serve now. If another one serves, the swap is refused with MODULE_GENERATION_MISMATCH. */
  readonly expectedGeneration?: number | undefined;
  /** Whether the new version starts without the state of the old one. Default: false. */
  readonly discardState?: boolean | undefined;
}

/** The options of a swap that apply to all of its modules. */
export interface SwapTermsOptions {
  /** The id of the swap. A repetition with the same id gets the outcome of the first request. */
  readonly swapId?: string | undefined;
  /** Whether to swap even if nothing would change. Default: false. */
  readonly force?: boolean | undefined;
  /** How long the old version stands by after the switch, in ms. Default: 0, which means no bake. */
  readonly bakeMs?: number | undefined;
  /** The share of failed calls from 0 to 1 above which the bake fails. Default: 0.5. */
  readonly bakeMaxErrorRate?: number | undefined;
  /** Number of calls from which on the share of failed calls is evaluated. Default: 20. */
  readonly bakeMinCalls?: number | undefined;
  /**
   * How long calls may wait during the hand-over, in ms. At most half of `call_timeout`. Default: that half, but at most 5 s.
   */
  readonly maxPauseMs?: number | undefined;
  /** How long the tests may take, in ms. Default: 5 min. */
  readonly gateTimeoutMs?: number | undefined;
  readonly shadow?: ShadowOptions | undefined;
  readonly canary?: CanaryOptions | undefined;
}

/** A shadow sends copies of calls of pure methods to the new version before it serves, and compares the answers. */
export interface ShadowOptions {
  /** The share of the calls that are mirrored, in per cent. Default: 100. */
  readonly percentage?: number | undefined;
  /** How long it may take until enough answers are compared, in ms. Default: 30 s. */
  readonly durationMs?: number | undefined;
  /** How many answers must be compared. Default: 100. */
  readonly minCalls?: number | undefined;
  /**
   * Two numbers count as equal if they differ by at most `relativeTolerance` (0 to 1) of the larger one, or by at most
   * `absoluteTolerance`. Default: 0.
   */
  readonly relativeTolerance?: number | undefined;
  readonly absoluteTolerance?: number | undefined;
  /** The share of answers that may differ, from 0 to 1. Default: 0. */
  readonly maxDifferenceRate?: number | undefined;
}

/** In a canary, the new version answers a share of the callers before it serves all of them. */
export interface CanaryOptions {
  /** The share of the routing keys that the new version answers, in per cent. Default: 5. */
  readonly percentage?: number | undefined;
  /** How long it may take until the new version has answered enough calls, in ms. Default: 60 s. */
  readonly durationMs?: number | undefined;
  /** How many calls the new version must answer. Default: 100. */
  readonly minCalls?: number | undefined;
  /** How far its share of failed calls may be above that of the current version, from 0 to 1. Default: 0.01. */
  readonly maxErrorRateIncrease?: number | undefined;
  /** The largest allowed ratio of its p99 latency to that of the current version. Default: 1.5. */
  readonly maxLatencyRatio?: number | undefined;
}

export type SwapOptions = ModuleSwapOptions & SwapTermsOptions;

/** Options with every default in place. */
type Complete<T> = { readonly [Key in keyof T]-?: Exclude<T[Key], undefined> };

export type ShadowTerms = Complete<ShadowOptions>;
export type CanaryTerms = Complete<CanaryOptions>;

/** The complete options of a swap that apply to all of its modules. */
export interface Terms extends Complete<Omit<SwapTermsOptions, "swapId" | "maxPauseMs" | "shadow" | "canary">> {
  /** Undefined: half of the shortest `call_timeout`, but at most 5 s. */
  readonly maxPauseMs: number | undefined;
  /** Undefined: the step is left out. `canary` likewise. */
  readonly shadow: ShadowTerms | undefined;
  readonly canary: CanaryTerms | undefined;
}

/**
 * Longest `bake_duration`, `gate_timeout`, and `duration` of a shadow or a canary; a longer one is refused with
 * `ARGUMENT_INVALID`. @limit ms
 */
const MAX_PHASE_MS = 3_600_000;
/** Longest `max_pause` of a swap; a longer one is refused with `ARGUMENT_INVALID`. @limit ms */
const MAX_PAUSE_MS = 60_000;
/**
 * Largest `bake_min_calls`, and `min_calls` of a shadow or a canary; a larger one is refused with `ARGUMENT_INVALID`.
 * @limit calls
 */
const MAX_COMPARED_CALLS = 1_000_000;
/** Largest `max_latency_ratio` of a canary; a larger one is refused with `ARGUMENT_INVALID`. @limit - */
const MAX_LATENCY_RATIO = 1000;
/** Time that the tests of a swap may take, unless `gate_timeout` says otherwise; then the swap fails. @limit ms */
const DEFAULT_GATE_TIMEOUT_MS = 300_000;
/**
 * Time that a shadow has to compare enough answers, unless its `duration` says otherwise; then the swap fails.
 * @limit ms
 */
const DEFAULT_SHADOW_MS = 30_000;
/** Time that a canary has to get enough calls, unless its `duration` says otherwise; then the swap fails. @limit ms */
const DEFAULT_CANARY_MS = 60_000;

/** Throws ARGUMENT_INVALID with the first field that breaks a rule, or RESOURCE_TOO_LARGE. */
export function checkModuleOptions(name: string, options: ModuleSwapOptions, at: JsonPath = []): void {
  const { newVersionPath = "", version = "", sha256 = "", testSuite = "", testRun = "", config } = options;
  const { assets = [] } = options;
  refuse(
    (newVersionPath === "" ? undefined : pathViolation([...at, "new_version_path"], newVersionPath)) ??
      versionViolation([...at, "version"], version) ??
      digestViolation([...at, "sha256"], sha256) ??
      assetsViolation([...at, "assets"], assets) ??
      suiteViolation([...at, "test_suite"], testSuite) ??
      suiteViolation([...at, "test_run"], testRun) ??
      (config === undefined ? undefined : jsonObjectViolation([...at, "config"], config)),
  );
  if (config !== undefined) checkConfigSize("module", name, config);
}

/** Returns the options with all defaults. Throws ARGUMENT_INVALID. */
export function termsOf(options: SwapTermsOptions): Terms {
  const { swapId = "", force = false, bakeMs = 0, bakeMaxErrorRate = 0.5, bakeMinCalls = 20 } = options;
  const { gateTimeoutMs = DEFAULT_GATE_TIMEOUT_MS, maxPauseMs, shadow, canary } = options;
  refuse(
    suiteViolation(["swap_id"], swapId) ??
      within(["bake_duration"], bakeMs, 0, MAX_PHASE_MS) ??
      within(["bake_max_error_rate"], bakeMaxErrorRate, 0, 1) ??
      within(["bake_min_calls"], bakeMinCalls, 1, MAX_COMPARED_CALLS) ??
      within(["max_pause"], maxPauseMs ?? 1, 1, MAX_PAUSE_MS) ??
      within(["gate_timeout"], gateTimeoutMs, 1, MAX_PHASE_MS),
  );
  const bake = { bakeMs, bakeMaxErrorRate, bakeMinCalls };
  const comparisons = { shadow: shadow && shadowTerms(shadow), canary: canary && canaryTerms(canary) };
  return { force, ...bake, maxPauseMs, gateTimeoutMs, ...comparisons };
}

function shadowTerms(options: ShadowOptions): ShadowTerms {
  const { percentage = 100, durationMs = DEFAULT_SHADOW_MS, minCalls = 100, maxDifferenceRate = 0 } = options;
  const { relativeTolerance = 0, absoluteTolerance = 0 } = options;
  refuse(
    share(["shadow", "percentage"], percentage) ??
      within(["shadow", "duration"], durationMs, 1, MAX_PHASE_MS) ??
      within(["shadow", "min_calls"], minCalls, 1, MAX_COMPARED_CALLS) ??
      within(["shadow", "relative_tolerance"], relativeTolerance, 0, 1) ??
      within(["shadow", "absolute_tolerance"], absoluteTolerance, 0, Number.MAX_VALUE) ??
      within(["shadow", "max_difference_rate"], maxDifferenceRate, 0, 1),
  );
  return { percentage, durationMs, minCalls, relativeTolerance, absoluteTolerance, maxDifferenceRate };
}

function canaryTerms(options: CanaryOptions): CanaryTerms {
  const { percentage = 5, durationMs = DEFAULT_CANARY_MS, minCalls = 100 } = options;
  const { maxErrorRateIncrease = 0.01, maxLatencyRatio = 1.5 } = options;
  refuse(
    share(["canary", "percentage"], percentage) ??
      within(["canary", "duration"], durationMs, 1, MAX_PHASE_MS) ??
      within(["canary", "min_calls"], minCalls, 1, MAX_COMPARED_CALLS) ??
      within(["canary", "max_error_rate_increase"], maxErrorRateIncrease, 0, 1) ??
      within(["canary", "max_latency_ratio"], maxLatencyRatio, 1, MAX_LATENCY_RATIO),
  );
  return { percentage, durationMs, minCalls, maxErrorRateIncrease, maxLatencyRatio };
}

function share(path: JsonPath, value: number): Violation | undefined {
  return typeof value === "number" && value > 0
    ? within(path, value, 0, 100)
    : violation(path, value, "above 0, at most 100");
}

function within(path: JsonPath, value: number, least: number, most: number): Violation | undefined {
  const isWithin = typeof value === "number" && value >= least && value <= most;
  return isWithin ? undefined : violation(path, value, `a number from ${least} to ${most}`);
}

/** Returns a request as canonical JSON. The text is the same only for equal requests. */
export function contentOf(operation: string, parts: readonly unknown[]): string {
  return `${operation} ${canonicalJson(parts)}`;
}
