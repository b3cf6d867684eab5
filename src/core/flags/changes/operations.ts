import type { Strategy } from "../../../kernel/flags/rule.ts";
import { shareAt } from "../../../kernel/flags/share.ts";
import { HeliosError } from "../../errors/error.ts";
import { invalid } from "../../errors/invalid.ts";
import { refuse } from "../../errors/violation.ts";
import { type FlagDefinition, type FlagFields, withFields, withoutKill } from "../record.ts";
import { percentageViolation } from "../validate.ts";
import type { EnableOptions, GradualOptions, WhitelistOptions } from "./options.ts";
import { refusePast } from "./schedule.ts";

// Each function computes the flag after one operation; `flag` is undefined if it does not exist yet. They are pure. The
// writer validates what they return.

/** `liftsKill`: a killed flag may be enabled, too. */
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

/** Throws ARGUMENT_INVALID if the options contradict each other, or the schedule is in the past. */
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
    const problem = "must be after start_time, which is now if it is not given";
    throw invalid("end_time", problem);
  }
  const gradual = { initialPercentage, targetPercentage, startTime, endTime };
  const after = withFields(name, flag, { enabled: true, strategy: "GRADUAL", gradual });
  if (!options.allowPast) refusePast(flag, after, nowMs, ["end_time"]);
  return after;
}

/**
 * Pauses the schedule at its present share. A schedule that is already paused stays as it is; the schedule of a flag that
 * is not enabled always is. Throws FLAG_NOT_SCHEDULED.
 */
export function paused(name: string, flag: FlagDefinition, nowMs: number): FlagDefinition {
  const { gradual, endTime } = scheduleOf(name, flag, "pause");
  if (gradual.pausedAt !== undefined) return flag;
  if (nowMs >= endTime) throw notScheduled(name, "pause", "it has arrived");
  return withFields(name, flag, { gradual: { ...gradual, pausedAt: nowMs } });
}

/**
 * Resumes the schedule: start and end move by the length of the pause, so that the rest of its time is left. A pause that
 * ends before the start moves nothing. A schedule that runs stays as it is. FLAG_NOT_SCHEDULED, also for a flag that is not
 * enabled.
 */
export function resumed(name: string, flag: FlagDefinition, nowMs: number): FlagDefinition {
  const { gradual, startTime, endTime } = scheduleOf(name, flag, "resume");
  if (!flag.enabled) throw notScheduled(name, "resume", "it is not enabled; EnableFlag with resume_gradual does both");
  const { pausedAt, ...schedule } = gradual;
  if (pausedAt === undefined) return flag;
  // A schedule that was paused after its end is at its target: it ends now, however late the pause was.
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

/**
 * Adds entries to the whitelist so that they are on from now on: either the strategy becomes WHITELIST, or the whitelist
 * comes before the share (`whitelistFirst`).
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
