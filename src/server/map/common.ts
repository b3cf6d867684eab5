import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { type Cause as CauseMessage, CauseSchema } from "../../../gen/helios/v1/watch_pb.ts";
import {
  ACTOR_LIMIT,
  type By,
  type Cause,
  checkEtag,
  EARLIEST_TIME,
  invalid,
  LATEST_TIME,
  MAX_WHOLE_NUMBER,
  REASON_LIMIT,
} from "../../core/index.ts";
import { make, whole } from "./message.ts";

/** Converts a wall time in ms. A time out of range becomes the nearest one in range, and NaN becomes 1970. */
export function toTimestamp(ms: number): Timestamp {
  const time = Number.isNaN(ms) ? 0 : Math.min(Math.max(Math.round(ms), EARLIEST_TIME), Math.floor(LATEST_TIME));
  const seconds = Math.floor(time / 1000);
  return { $typeName: "google.protobuf.Timestamp", seconds: whole(seconds), nanos: (time - seconds * 1000) * 1e6 };
}

/** Like `toTimestamp`, for a time that may be undefined. */
export const toOptionalTimestamp = (ms: number | undefined): Timestamp | undefined =>
  ms === undefined ? undefined : toTimestamp(ms);

/**
 * Converts a timestamp to wall time in ms. Finer digits are cut. Throws ARGUMENT_INVALID with the field if it is out of
 * range.
 */
export function fromTimestamp(timestamp: Timestamp | undefined, field: string): number | undefined {
  if (timestamp === undefined) return undefined;
  const ms = Number(timestamp.seconds) * 1000 + Math.floor(timestamp.nanos / 1e6);
  if (ms >= EARLIEST_TIME && ms <= LATEST_TIME) return ms;
  throw invalid(field, "must be from year 1 to 9999");
}

/** Converts a 64-bit number. A number that a double cannot hold exactly is refused. */
export function fromWhole(
  value: bigint,
  field: string,
  refusal = (text: string) => invalid(field, `must be at most ${MAX_WHOLE_NUMBER}, but is ${text}`),
): number {
  if (value > MAX_WHOLE_NUMBER) throw refusal(String(value));
  return Number(value);
}

/** The longest Duration of protobuf: 10,000 years. */
const MAX_SPAN_MS = 315_576_000_000_000;

/** Converts a measured time in ms, rounded to the microsecond. NaN becomes 0, and a time out of range the longest one. */
export const toDuration = (ms: number): Duration => toExactDuration(Math.round(ms * 1000) / 1000);

/** Converts a configured time in ms, exact to the nanosecond. */
export function toExactDuration(ms: number): Duration {
  const span = Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, -MAX_SPAN_MS), MAX_SPAN_MS);
  const seconds = Math.trunc(span / 1000);
  const nanos = Math.round((span - seconds * 1000) * 1e6);
  const carried = Math.trunc(nanos / 1e9);
  const whole64 = whole(seconds + carried);
  return { $typeName: "google.protobuf.Duration", seconds: whole64, nanos: nanos - carried * 1e9 };
}

/** Converts a Duration to ms. */
export function fromDuration(duration: Duration): number;
export function fromDuration(duration: Duration | undefined): number | undefined;
export function fromDuration(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

/** Returns the actor, reason and etag of a request. */
export function byOf(request: { readonly actor?: string; readonly reason?: string; readonly etag?: string }): By {
  const { actor, reason, etag } = request;
  return { actor, reason, etag };
}

/**
 * The same for a request that contains the resource, whose own etag counts too. Throws ARGUMENT_INVALID if the two differ.
 */
export function byOfUpdate(
  request: { readonly actor?: string; readonly reason?: string; readonly etag: string },
  field: string,
  resource: { readonly etag: string },
): By {
  if (request.etag !== "" && resource.etag !== "" && request.etag !== resource.etag) {
    const problem = `is ${resource.etag}, but etag (If-Match over REST) is ${request.etag}; send one of them, or the same value in both`;
    throw invalid(`${field}.etag`, problem);
  }
  return byOf({ ...request, etag: request.etag || resource.etag });
}

/**
 * Refuses an update of `field` that changes none of the `known` fields: ARGUMENT_INVALID. Errors of `get` (the resource
 * does not exist) and ETAG_MISMATCH take precedence.
 */
export function refuseNothing(
  fields: object,
  {
    field,
    known,
    etag,
  }: { readonly field: string; readonly known: readonly string[]; readonly etag?: string | undefined },
  get: () => { readonly name: string; readonly etag: string },
): void {
  if (Object.values(fields).some((value) => value !== undefined)) return;
  const present = get();
  checkEtag(present.name, present, etag);
  const problem = `is empty, and ${field} sets no field; name the fields to change: ${known.join(", ")}`;
  throw invalid("update_mask", problem);
}

/** Converts a cause. Texts that an earlier version allowed are cut to today's limits. */
export function toCause({ action, actor = "", reason = "" }: Cause): CauseMessage {
  return make(CauseSchema, { action, actor: atMost(actor, ACTOR_LIMIT), reason: atMost(reason, REASON_LIMIT) });
}

/** A character is a code point. The number of code units is cheap to check first. */
function atMost(text: string, limit: number): string {
  return text.length <= limit ? text : [...text].slice(0, limit).join("");
}

/** Converts a plain JSON object to a Struct. */
export const toStruct = (value: Readonly<Record<string, unknown>>): JsonObject =>
  JSON.parse(JSON.stringify(value)) as JsonObject;

export type { JsonObject, JsonValue };
