import { type SpanRange, spanProblem } from "../../kernel/span.ts";
import { HeliosError } from "./error.ts";

/** Returns `ms` if it is a duration within the range. Otherwise throws ARGUMENT_INVALID, which names the field. */
export function checkSpan(field: string, ms: number, range?: SpanRange): number {
  const problem = spanProblem(ms, range);
  if (problem !== undefined) throw HeliosError.of("ARGUMENT_INVALID", { field, problem });
  return ms;
}
