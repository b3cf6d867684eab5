import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import { type SpanRange, spanProblem } from "../../../src/kernel/span.ts";

/** Returns `ms` if it is a span of time in that range. Otherwise throws a TypeError that names the option. */
export function checkSpan(option: string, ms: number, range?: SpanRange): number {
  const problem = spanProblem(ms, range);
  if (problem !== undefined) throw new TypeError(`${option}: ${problem}`);
  return ms;
}

/** Like `checkSpan`, for an option that may be absent. */
export function checkOptionalSpan(option: string, ms: number | undefined, range?: SpanRange): void {
  if (ms !== undefined) checkSpan(option, ms, range);
}

/** Converts a duration of the contract to ms. */
export function fromDuration({ seconds, nanos }: Pick<Duration, "seconds" | "nanos">): number {
  return Number(seconds) * 1000 + nanos / 1e6;
}

/**
 * Converts ms to a duration of the contract, rounded to microseconds. If `ms` is not a span in the range, throws a TypeError
 * that names the option.
 */
export function toDuration(option: string, ms: number, range?: SpanRange): Duration {
  const micros = Math.round(checkSpan(option, ms, range) * 1000);
  const seconds = Math.trunc(micros / 1e6);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: (micros - seconds * 1e6) * 1000 });
}
