import { encodedSize, knownSize } from "../../json/size.ts";
import { cut } from "../../text/cut.ts";
import type { RunRecord } from "./record.ts";
import type { TestResult } from "./runner.ts";

/**
 * Size of a report, in the larger of its encodings; outputs and messages of its tests are shortened to fit.
 * @limit bytes
 */
export const MAX_REPORT_BYTES = 1024 * 1024;
/** Limits that are tried one after the other: bytes of an output, and characters of a message. */
const LEVELS: readonly { readonly output: number; readonly message: number }[] = [
  { output: 1024, message: 1000 },
  { output: 256, message: 500 },
  { output: 0, message: 200 },
  { output: 0, message: 40 },
  { output: 0, message: 0 },
];

/** The report; if it is too large, with outputs and messages cut as little as necessary. */
export function fitReport(record: RunRecord): RunRecord {
  if (knownSize(record) <= MAX_REPORT_BYTES) return record;
  const before = fitted.get(record);
  if (before !== undefined) return before;
  let shorter = record;
  for (const level of LEVELS) {
    shorter = { ...record, tests: record.tests.map((test) => shorten(test, level)), shortened: true };
    if (encodedSize(shorter) <= MAX_REPORT_BYTES) break;
  }
  fitted.set(record, shorter);
  return shorter;
}

const fitted = new WeakMap<RunRecord, RunRecord>();

function shorten({ output, ...test }: TestResult, level: (typeof LEVELS)[number]): TestResult {
  const kept = output !== undefined && encodedSize(output) <= level.output ? { output } : {};
  return { ...test, message: cut(test.message, level.message), ...kept };
}
