import { type Strategy, shareAt } from "../../../kernel/flags/evaluate.ts";
import { HeliosError } from "../../errors/error.ts";
import { refuse } from "../../errors/violation.ts";
import { type FlagDefinition, type FlagFields, withFields, withoutKill } from "../record.ts";
import { percentageViolation } from "../validate.ts";
import { refusePast } from "./schedule.ts";

// What the operations make of a flag (undefined: there is none yet). Pure; the result is validated by who writes it.

export interface EnableOptions {
  /** Absent: the flag keeps its own, except that ALL_OFF becomes ALL_ON; a new flag gets ALL_ON. */
  readonly strategy?: Strategy | undefined;
  /** False: set the strategy if one is given, and switch the flag off. Default true. */
  readonly enabled?: boolean | undefined;
  /**
   * Let a paused schedule move on from where it is. Default false: it stays paused. FLAG_NOT_SCHEDULED for a flag without
   * a schedule.
   */
  readonly resume?: boolean | undefined;
  /** Create the flag where it does not exist. Default false: FLAG_NOT_FOUND. */
  readonly allowMissing?: boolean | undefined;
}

/** `liftsKill`: a killed flag comes back, too. */
export function enabled(
  name: string,
  flag: FlagDefinition | undefined,
  options: EnableOptions,
  liftsKill: boolean,
  nowMs: number,
): FlagDefinition {
  const { strategy, enabled: on = true, resume = false } = options;
  const own = on && flag?.strategy === "ALL_OFF" ? "ALL_ON" : flag?.strategy;
  const base = on && liftsKill && flag !== undefined ? withoutKill(flag) : flag;
  const switched = withFields(name, base, { ...strategyField(strategy ?? own), enabled: on });
  return resume ? resumed(name, switched, nowMs) : switched;
}

export function withPercentage(name: string, flag: FlagDefinition | undefined, percentage: number): FlagDefinition {
  return withFields(name, flag, { enabled: true, strategy: "PERCENTAGE", percentage });
}

export interface GradualOptions {
  /** Absent: the share in force now, where the flag is enabled with PERCENTAGE or GRADUAL; else 0. */
  readonly initialPercentage?: number | undefined;
  readonly targetPercentage: number;
  /** Wall time in ms; absent: now. */
  readonly startTime?: number | undefined;
  /** Wall time in ms, after `startTime`. */
  readonly endTime: number;
  /** Take a schedule that has arrived already. Default false: ARGUMENT_INVALID. */
  readonly allowPast?: boolean | undefined;
  /** Create the flag where it does not exist. Default false: FLAG_NOT_FOUND. */
  readonly allowMissing?: boolean | undefined;
}

export function withGradual(
  name: string,
  flag: FlagDefinition | undefined,
  options: GradualOptions,
  nowMs: number,
): FlagDefinition {
  const { targetPercentage, startTime = nowMs, endTime } = options;
  const inForce = flag?.enabled ? shareAt(flag, nowMs) : undefined;
  const initialPercentage = options.initialPercentage ?? inForce ?? 0;
  refuse(percentageViolation(["initial_percentage"], initialPercentage));
  refuse(percentageViolation(["target_percentage"], targetPercentage));
  if (!(endTime > startTime)) {
    const problem = "must be after start_time, which is now where it is not given";
    throw HeliosError.of("ARGUMENT_INVALID", { field: "end_time", problem });
  }
  const gradual = { initialPercentage, targetPercentage, startTime, endTime };
  const after = withFields(name, flag, { enabled: true, strategy: "GRADUAL", gradual });
  if (!options.allowPast) refusePast(flag, after, nowMs, ["end_time"]);
  return after;
}

/**
 * The schedule stopped: the share stays where it is now. One that is paused, as it is in a flag that is not enabled,
 * stays as it is. FLAG_NOT_SCHEDULED.
 */
export function paused(name: string, flag: FlagDefinition, nowMs: number): FlagDefinition {
  const { gradual, endTime } = scheduleOf(name, flag, "pause");
  if (gradual.pausedAt !== undefined) return flag;
  if (nowMs >= endTime) throw notScheduled(name, "pause", "it has arrived");
  return withFields(name, flag, { gradual: { ...gradual, pausedAt: nowMs } });
}

/**
 * The schedule going on from where it was paused, with what was left of its time. A pause that ends before the start
 * moves nothing. One that is not paused stays as it is. FLAG_NOT_SCHEDULED, also for a flag that is not enabled.
 */
export function resumed(name: string, flag: FlagDefinition, nowMs: number): FlagDefinition {
  const { gradual, startTime, endTime } = scheduleOf(name, flag, "resume");
  if (!flag.enabled) throw notScheduled(name, "resume", "it is not enabled; EnableFlag with resume_gradual does both");
  const { pausedAt, ...schedule } = gradual;
  if (pausedAt === undefined) return flag;
  // One that is held behind its end has arrived: it ends now, however far behind.
  const lost = pausedAt < startTime ? Math.max(0, nowMs - startTime) : nowMs - Math.min(pausedAt, endTime);
  return withFields(name, flag, { gradual: { ...schedule, startTime: startTime + lost, endTime: endTime + lost } });
}

function scheduleOf(name: string, { strategy, gradual }: FlagDefinition, operation: string) {
  if (strategy !== "GRADUAL" || gradual === undefined) {
    throw notScheduled(name, operation, `its strategy is ${strategy}`);
  }
  const { startTime, endTime } = gradual;
  if (startTime === undefined || endTime === undefined) throw notScheduled(name, operation, "it has no times");
  return { gradual, startTime, endTime };
}

function notScheduled(name: string, operation: string, problem: string): HeliosError {
  return HeliosError.of("FLAG_NOT_SCHEDULED", { name, operation, problem });
}

export interface WhitelistOptions {
  /** Whether to switch the flag to its whitelist. Absent: exactly where it is not enabled, or new. */
  readonly setStrategy?: boolean | undefined;
  /** Create the flag where it does not exist. Default false: FLAG_NOT_FOUND. */
  readonly allowMissing?: boolean | undefined;
}

/**
 * Who is added is on from now on wherever the flag is for some: it switches to its whitelist, or lets who is listed in
 * before its share.
 */
export function withEntries(
  name: string,
  flag: FlagDefinition | undefined,
  entries: readonly string[],
  { setStrategy }: WhitelistOptions,
): FlagDefinition {
  const whitelist = [...new Set([...(flag?.whitelist ?? []), ...entries])];
  const switches = setStrategy ?? !flag?.enabled;
  if (switches) return withFields(name, flag, { whitelist, enabled: true, strategy: "WHITELIST" });
  const strategy = flag?.strategy ?? "WHITELIST";
  const joins = strategy === "PERCENTAGE" || strategy === "GRADUAL";
  return withFields(name, flag, { whitelist, strategy, ...(joins ? { whitelistFirst: true } : {}) });
}

export function withoutEntries(name: string, flag: FlagDefinition, entries: readonly string[]): FlagDefinition {
  const gone = new Set(entries);
  return withFields(name, flag, { whitelist: flag.whitelist.filter((entry) => !gone.has(entry)) });
}

function strategyField(strategy: Strategy | undefined): FlagFields {
  return strategy === undefined ? {} : { strategy };
}
