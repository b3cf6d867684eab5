import type { Gradual } from "../../../kernel/flags/rule.ts";
import { refuse, type Violation } from "../../errors/violation.ts";
import type { JsonPath } from "../../json/path.ts";
import { printTime } from "../../text/rfc3339.ts";
import type { FlagDefinition } from "../record.ts";

// A schedule runs only while its flag is enabled with GRADUAL. Otherwise it is paused, so that the share is still the same
// when the flag is enabled again.

type Timed = Gradual & { readonly startTime: number; readonly endTime: number };

/** The flag with its schedule paused at `nowMs` if the flag does not run it. A schedule past its end stays as it is. */
export function settled(flag: FlagDefinition, nowMs: number): FlagDefinition {
  const { gradual } = flag;
  if (runsSchedule(flag) || !isTimed(gradual) || gradual.pausedAt !== undefined || nowMs >= gradual.endTime)
    return flag;
  return { ...flag, gradual: { ...gradual, pausedAt: nowMs } };
}

/** Whether the flag is on with a paused schedule. */
export function isHeld({ enabled, strategy, gradual }: FlagDefinition): boolean {
  return enabled && strategy === "GRADUAL" && gradual?.pausedAt !== undefined;
}

/**
 * `after` with the pause of `before` if both have the same shares and times: only ResumeGradual, or another schedule, ends a
 * pause.
 */
export function withPauseOf(
  before: Pick<FlagDefinition, "gradual"> | undefined,
  after: FlagDefinition,
): FlagDefinition {
  const { gradual } = after;
  const pausedAt = before?.gradual?.pausedAt;
  if (pausedAt === undefined || gradual?.pausedAt !== undefined || !isSameSchedule(before?.gradual, gradual)) {
    return after;
  }
  return { ...after, gradual: { ...(gradual as Gradual), pausedAt } };
}

/**
 * The result of a revert to `then`, the flag at `thenMs`. A schedule that was running then is paused at the share of that
 * time. It keeps running if the present flag runs the same schedule, or if it has not started yet.
 */
export function comeBack(
  then: FlagDefinition,
  thenMs: number,
  present: FlagDefinition | undefined,
  nowMs: number,
): FlagDefinition {
  const was = settled(then, thenMs);
  const { gradual } = was;
  if (!runsSchedule(was) || !isTimed(gradual) || gradual.pausedAt !== undefined) return was;
  if (thenMs >= gradual.endTime || nowMs <= gradual.startTime) return was;
  const goesOn =
    present !== undefined &&
    runsSchedule(present) &&
    present.gradual?.pausedAt === undefined &&
    isSameSchedule(present.gradual, gradual);
  return goesOn ? was : { ...was, gradual: { ...gradual, pausedAt: thenMs } };
}

/** ARGUMENT_INVALID for a new schedule whose end is in the past: the share would be at its target at once. */
export function refusePast(
  before: FlagDefinition | undefined,
  after: FlagDefinition,
  nowMs: number,
  path: JsonPath = ["gradual", "end_time"],
): void {
  const { gradual } = after;
  if (!isTimed(gradual) || gradual.endTime > nowMs || isSameSchedule(before?.gradual, gradual)) return;
  const { endTime, pausedAt = endTime, targetPercentage } = gradual;
  if (pausedAt < endTime) return;
  const problem = `${printTime(endTime)} is past: the share would be ${targetPercentage} % at once`;
  refuse({ path, problem, expected: "a future time, or allow_past" });
}

/**
 * Returns what is wrong with a pause in the future: the share would be that of a future time at once. A pause that the flag already
 * has is accepted; it may be older than this rule, or the clock was set back.
 */
export function pauseViolation(
  before: FlagDefinition | undefined,
  after: FlagDefinition,
  nowMs: number,
): Violation | undefined {
  const pausedAt = after.gradual?.pausedAt;
  if (pausedAt === undefined || pausedAt <= nowMs || pausedAt === before?.gradual?.pausedAt) return undefined;
  const path = ["gradual", "paused_at"];
  return { path, problem: `${printTime(pausedAt)} is in the future`, expected: "a time in the past, or no pause" };
}

function runsSchedule({ enabled, strategy }: FlagDefinition): boolean {
  return enabled && strategy === "GRADUAL";
}

function isTimed(gradual: Gradual | undefined): gradual is Timed {
  return Number.isFinite(gradual?.startTime) && Number.isFinite(gradual?.endTime);
}

function isSameSchedule(a: Gradual | undefined, b: Gradual | undefined): boolean {
  return (
    a !== undefined &&
    b !== undefined &&
    a.initialPercentage === b.initialPercentage &&
    a.targetPercentage === b.targetPercentage &&
    a.startTime === b.startTime &&
    a.endTime === b.endTime
  );
}
