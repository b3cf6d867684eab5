import { type SpanRange, spanProblem } from "../../kernel/span.ts";
import { HeliosError } from "./error.ts";

/** `ms` if it is a span of time in that range; else ARGUMENT_INVALID names the field. */
export function checkSpan(field: string, ms: number, range?: SpanRange): number {
  const problem = spanProblem(ms, range);
  if (problem !== undefined) throw HeliosError.of("ARGUMENT_INVALID", { field, problem });
  return ms;
}
