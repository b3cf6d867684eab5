import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import { type SpanRange, spanProblem } from "../../../src/kernel/span.ts";

/** `ms` if it is a span of time in that range; else a TypeError names the option. */
export function checkSpan(option: string, ms: number, range?: SpanRange): number {
  const problem = spanProblem(ms, range);
  if (problem !== undefined) throw new TypeError(`${option}: ${problem}`);
  return ms;
}

/** The same of an option that may be absent. */
export function checkOptionalSpan(option: string, ms: number | undefined, range?: SpanRange): void {
  if (ms !== undefined) checkSpan(option, ms, range);
}

/** A span of time in ms as a message, to the microsecond; a TypeError names the option where it is not one. */
export function toDuration(option: string, ms: number, range?: SpanRange): Duration {
  const micros = Math.round(checkSpan(option, ms, range) * 1000);
  const seconds = Math.trunc(micros / 1e6);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: (micros - seconds * 1e6) * 1000 });
}
