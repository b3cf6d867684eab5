import { type SpanRange, spanProblem } from "../../kernel/span.ts";
import { invalid } from "./invalid.ts";

/** Returns `ms` if it is a duration within the range. Otherwise throws ARGUMENT_INVALID, which names the field. */
export function checkSpan(field: string, ms: number, range?: SpanRange): number {
  const problem = spanProblem(ms, range);
  if (problem !== undefined) throw invalid(field, problem);
  return ms;
}
