import { HeliosError } from "../errors.ts";
import type { OverrideRequest } from "./breakers.ts";
import type { Hold, OverrideKind } from "./policy/holds.ts";
import { RECORDED_MS } from "./recording.ts";

const MAX_HOLD_ID = 128;
const MAX_TTL_MS = 365 * 86_400_000;
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
  if (!(ttlMs >= 1 && ttlMs <= MAX_TTL_MS)) throw invalid("ttl", `must be from 1 ms to 365 d, not ${ttlMs} ms`);
  return { ...hold, ttlMs };
}

export function checkSpan(spanMs = RECORDED_MS): number {
  if (spanMs >= MIN_SPAN_MS && spanMs <= RECORDED_MS) return spanMs;
  throw invalid("span", `must be from 1 s to 1 h, not ${spanMs} ms`);
}
