import type { OnStale } from "../../../kernel/flags/rule.ts";
import { type Violation, violation } from "../../errors/violation.ts";

export const ON_STALES = ["KEEP", "OFF"] as const satisfies readonly OnStale[];

/** Shortest `max_staleness` of a flag; a shorter one is refused with `ARGUMENT_INVALID`. @limit ms */
const SHORTEST_MS = 1000;
/** Longest `max_staleness` of a flag; a longer one is refused with `ARGUMENT_INVALID`. @limit ms */
const LONGEST_MS = 365 * 86_400_000;

/** Returns what is wrong with `onStale` and `maxStalenessMs`. */
export function stalenessViolation(onStale: unknown, maxStalenessMs: unknown): Violation | undefined {
  const path = ["max_staleness"];
  if (maxStalenessMs === undefined) {
    if (onStale !== "OFF") return undefined;
    return { path, problem: "missing", expected: "a duration, because on_stale is OFF" };
  }
  const ms = Number.isInteger(maxStalenessMs) ? Number(maxStalenessMs) : Number.NaN;
  if (ms >= SHORTEST_MS && ms <= LONGEST_MS) return undefined;
  return violation(path, maxStalenessMs, "a duration from 1 s to 365 days, in whole milliseconds");
}
