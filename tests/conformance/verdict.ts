/** The outcome of the suite's test cases for one configuration. */
export interface Verdict {
  readonly cases: number;
  readonly passed: number;
  /** Cases that differ from what the suite expects only by the reason that Helios adds to an error. */
  readonly withReason: number;
  /** What the suite says about all other cases that failed. */
  readonly failures: readonly string[];
}

/**
 * What the suite says about an answer that is as it expects, with an ErrorInfo added. Helios gives every error a reason, and the
 * protocols allow that. The suite expects exactly the details that the service has set, and the debug text of Connect only for
 * the types that it knows.
 */
const ABOUT_REASON: readonly RegExp[] = [
  /^actual error contain 1 details; expecting 0$/,
  /^connect error JSON: details\[0\]: could not check debug data because message type "google\.rpc\.ErrorInfo" could not be resolved: proto: not found$/,
];

/** Reads what the suite has printed. Throws if it is not a complete report. */
export function readVerdict(printed: string): Verdict {
  const totals = /^Total cases: (\d+)\n(\d+) passed, (\d+) failed$/m.exec(printed);
  const [, cases, passed, failed] = (totals ?? []).map(Number);
  if (cases === undefined || passed === undefined || failed === undefined) throw incomplete("it has no totals");
  if (cases === 0) throw incomplete("no case was run");
  const found = [...printed.matchAll(/^FAILED: .*\n(?:\t.*\n)*/gm)].map(([text]) => text.trimEnd());
  if (found.length !== failed) throw incomplete(`it explains ${found.length} of ${failed} failures`);
  if (passed + failed !== cases) throw incomplete(`it has no result for ${cases - passed - failed} cases`);
  const unrun = /^Another \d+ could not be run.*$/m.exec(printed);
  const failures = found.filter((text) => !isAboutReason(text));
  return {
    cases,
    passed,
    withReason: failed - failures.length,
    failures: unrun === null ? failures : [...failures, unrun[0]],
  };
}

/** Returns the name of the case that failed. */
export function nameOf(failure: string): string {
  return /^FAILED: (.+?):?$/m.exec(failure)?.[1] ?? "";
}

/** Whether the case that failed expects an answer within a certain time. */
export function measuresTime(failure: string): boolean {
  return /^(Deadline Propagation|Timeouts)\//.test(nameOf(failure));
}

const incomplete = (problem: string): Error => new Error(`the report of the suite is not complete: ${problem}`);

function isAboutReason(failure: string): boolean {
  const [, ...lines] = failure.split("\n");
  // The parts of a failure are on lines of their own, or joined by a semicolon. Go varies the spaces in some of its messages.
  const parts = lines.map((line) => line.replace(/\s+/g, " ").replace(/^ (; )?/, "")).filter((line) => line !== "");
  return parts.length > 0 && parts.every((part) => ABOUT_REASON.some((pattern) => pattern.test(part)));
}
