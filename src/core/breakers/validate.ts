import type { Hold, OverrideKind } from "../../kernel/breakers/policy/holds.ts";
import { checkSpan } from "../errors/check-span.ts";
import { HeliosError } from "../errors/error.ts";
import { RECORDED_MS } from "./simulation/recording.ts";
import type { OverrideRequest } from "./types.ts";

/** Length of a `hold_id`; a longer one is refused with `ARGUMENT_INVALID`. @limit characters */
const MAX_HOLD_ID = 128;
/** Longest `ttl` of a hold; a longer one is refused with `ARGUMENT_INVALID`. @limit ms */
const MAX_TTL_MS = 365 * 86_400_000;
/** Shortest period that `SimulateBreaker` accepts; a shorter one is refused with `ARGUMENT_INVALID`. @limit ms */
const MIN_SPAN_MS = 1000;
const KINDS: readonly OverrideKind[] = ["FORCED_OPEN", "FORCED_CLOSED", "DISABLED", "METRICS_ONLY"];

const invalid = (field: string, problem: string): HeliosError => HeliosError.of("ARGUMENT_INVALID", { field, problem });

/** The id of a hold whose holder gave none is `manual`. */
export function checkHoldId(holdId = ""): string {
  if (typeof holdId === "string" && holdId.length <= MAX_HOLD_ID) return holdId === "" ? "manual" : holdId;
  throw invalid("hold_id", `must be a text of at most ${MAX_HOLD_ID} characters`);
}

export function checkOverride({ kind, holdId, ttlMs }: OverrideRequest): Pick<Hold, "id" | "kind" | "ttlMs"> {
  if (!KINDS.includes(kind)) throw invalid("override", `must be one of ${KINDS.join(", ")}, not ${String(kind)}`);
  const hold = { id: checkHoldId(holdId), kind };
  if (ttlMs === undefined) return hold;
  checkSpan("ttl", ttlMs, { least: 1, most: MAX_TTL_MS });
  return { ...hold, ttlMs };
}

/** How far back a simulation looks. */
export function checkSimulated(spanMs = RECORDED_MS): number {
  return checkSpan("span", spanMs, { least: MIN_SPAN_MS, most: RECORDED_MS });
}
