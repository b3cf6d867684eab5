import type { Violation } from "../../errors/violation.ts";
import { encodedSize, knownSize } from "../../json/size.ts";
import { refuseTooLarge } from "../../size.ts";
import { type FlagDefinition, type FlagRecord, isTombstone } from "../record.ts";

/** Size of a flag, in the larger of its encodings; a larger one is refused with `RESOURCE_TOO_LARGE`. @limit bytes */
const MAX_FLAG_BYTES = 1024 * 1024;

/**
 * RESOURCE_TOO_LARGE for a flag above `MAX_FLAG_BYTES`. One that an earlier version wrote larger can be switched, and
 * made smaller, but not larger.
 */
export function checkFlagSize(name: string, after: FlagRecord, before: FlagRecord | undefined): void {
  if (isTombstone(after)) return;
  const size = knownSize(after);
  if (size <= MAX_FLAG_BYTES) return;
  if (before !== undefined && !isTombstone(before) && textsOf(after) <= textsOf(before)) return;
  refuseTooLarge("flag", name, size, MAX_FLAG_BYTES);
}

/** Returns what is wrong with the size of a flag in a file. */
export function flagSizeViolation(definition: FlagDefinition): Violation | undefined {
  const size = knownSize(definition);
  if (size <= MAX_FLAG_BYTES) return undefined;
  return { path: [], problem: `the flag would have ${size} bytes`, expected: `at most ${MAX_FLAG_BYTES}` };
}

/** Bytes of the members that can grow: lists, values and texts. */
function textsOf({
  enabled: _,
  killed: __,
  strategy: ___,
  percentage: ____,
  gradual: _____,
  ...texts
}: FlagDefinition) {
  return encodedSize(texts);
}
