import { checkSpan } from "../../errors/check-span.ts";
import { invalid } from "../../errors/invalid.ts";
import { checkReporter } from "../../report-log.ts";
import { MAX_COUNT } from "../counts/answers.ts";
import type { UsageReport } from "./types.ts";

/** ARGUMENT_INVALID for a report that no client of this contract sends. */
export function checkUsageReports(clientId: string, seq: number | bigint, reports: readonly UsageReport[]): void {
  checkReporter(clientId, seq);
  for (const [at, { answers }] of reports.entries()) {
    for (const [index, { count }] of answers.entries()) {
      if (Number.isSafeInteger(count) && count >= 1) continue;
      const problem = `must be a whole number from 1 to ${MAX_COUNT}, not ${count}`;
      throw invalid(`reports[${at}].answers[${index}].count`, problem);
    }
  }
}

/** ARGUMENT_INVALID unless the window is a time in ms above 0, at most `mostMs`. */
export function checkUsageWindow(windowMs: number, mostMs: number): void {
  checkSpan("window", windowMs, { isAbove: true, most: mostMs });
}
