import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import { type SpanRange, spanProblem } from "../../../src/kernel/span.ts";

/** Returns `ms` if it is a span of time in that range. Otherwise throws a TypeError that names the option. */
export function checkSpan(option: string, ms: number, range?: SpanRange): number {
  const problem = spanProblem(ms, range);
  if (problem !== undefined) throw new TypeError(`${option}: ${problem}`);
  return ms;
}

/** The same, for an option that may be absent. */
export function checkOptionalSpan(option: string, ms: number | undefined, range?: SpanRange): void {
  if (ms !== undefined) checkSpan(option, ms, range);
}

/** A message's span of time in ms. */
export function fromDuration({ seconds, nanos }: Pick<Duration, "seconds" | "nanos">): number {
  return Number(seconds) * 1000 + nanos / 1e6;
}

/** A span of time in ms as a message, to the microsecond. Throws a TypeError that names the option where it is not a span. */
export function toDuration(option: string, ms: number, range?: SpanRange): Duration {
  const micros = Math.round(checkSpan(option, ms, range) * 1000);
  const seconds = Math.trunc(micros / 1e6);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: (micros - seconds * 1e6) * 1000 });
}
