import type { Gradual } from "../../../kernel/flags/rule.ts";
import { refuse, type Violation } from "../../errors/violation.ts";
import type { JsonPath } from "../../json/source.ts";
import { printTime } from "../../text/rfc3339.ts";
import type { FlagDefinition } from "../record.ts";

// A schedule moves only while its flag is enabled with GRADUAL. Whenever it is not, it is paused, so that no time that
// passes meanwhile moves the share that is in force when the flag comes back.

type Timed = Gradual & { readonly startTime: number; readonly endTime: number };

/** The flag with its schedule paused at `nowMs` where the flag does not run it. One that has arrived stays where it is. */
export function settled(flag: FlagDefinition, nowMs: number): FlagDefinition {
  const { gradual } = flag;
  if (runsSchedule(flag) || !isTimed(gradual) || gradual.pausedAt !== undefined || nowMs >= gradual.endTime)
    return flag;
  return { ...flag, gradual: { ...gradual, pausedAt: nowMs } };
}

/** Whether the flag's share is held by a pause. */
export function isHeld({ enabled, strategy, gradual }: FlagDefinition): boolean {
  return enabled && strategy === "GRADUAL" && gradual?.pausedAt !== undefined;
}

/**
 * `after` with the pause of `before` where both have the same shares and times: only ResumeGradual, or a schedule of its
 * own, lets a paused one move.
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
 * What a revert makes of a flag that was `then` at `thenMs`: a schedule that was under way comes back at the share that
 * was in force then, paused. It goes on where the present flag runs the same one, or where it has not begun yet.
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

/** Refuses a new schedule that has arrived before it is set: the share would be at its target at once. */
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
  refuse({ path, problem, expected: "a time to come, or allow_past" });
}

/**
 * That a pause is yet to come: it would hold the share of a time that has not been, from now on. One that the flag has
 * already, from before there was this rule or before the clock was set back, may stay.
 */
export function pauseViolation(
  before: FlagDefinition | undefined,
  after: FlagDefinition,
  nowMs: number,
): Violation | undefined {
  const pausedAt = after.gradual?.pausedAt;
  if (pausedAt === undefined || pausedAt <= nowMs || pausedAt === before?.gradual?.pausedAt) return undefined;
  const path = ["gradual", "paused_at"];
  return { path, problem: `${printTime(pausedAt)} is yet to come`, expected: "a time that is past, or none" };
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
