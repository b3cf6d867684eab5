import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { type Duration, DurationSchema, type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Cause as CauseMessage, CauseSchema } from "../../../gen/helios/v1/watch_pb.ts";
import {
  ACTOR_LIMIT,
  type By,
  type Cause,
  checkEtag,
  EARLIEST_TIME,
  HeliosError,
  LATEST_TIME,
  MAX_WHOLE_NUMBER,
  REASON_LIMIT,
} from "../../core/index.ts";
import { make, whole } from "./message.ts";

/** Wall time in ms as a message: at the nearest that one holds where it is out of range, and 1970 for NaN. */
export function toTimestamp(ms: number): Timestamp {
  const time = Number.isNaN(ms) ? 0 : Math.min(Math.max(Math.round(ms), EARLIEST_TIME), Math.floor(LATEST_TIME));
  return timestampFromMs(time);
}

/** The same where there may be none. */
export const toOptionalTimestamp = (ms: number | undefined): Timestamp | undefined =>
  ms === undefined ? undefined : toTimestamp(ms);

/** A message as wall time in ms, finer digits cut. ARGUMENT_INVALID names the field where it is out of range. */
export function fromTimestamp(timestamp: Timestamp | undefined, field: string): number | undefined {
  if (timestamp === undefined) return undefined;
  const ms = Number(timestamp.seconds) * 1000 + Math.floor(timestamp.nanos / 1e6);
  if (ms >= EARLIEST_TIME && ms <= LATEST_TIME) return ms;
  throw HeliosError.of("ARGUMENT_INVALID", { field, problem: "must be from year 1 to 9999" });
}

/** A number of 64 bits as the engine has it. One that doubles do not hold exactly is refused, as it was sent. */
export function fromWhole(
  value: bigint,
  field: string,
  refusal = (text: string) =>
    HeliosError.of("ARGUMENT_INVALID", { field, problem: `must be at most ${MAX_WHOLE_NUMBER}, is ${text}` }),
): number {
  if (value > MAX_WHOLE_NUMBER) throw refusal(String(value));
  return Number(value);
}

/** The longest that a message holds: 10,000 years. */
const MAX_SPAN_MS = 315_576_000_000_000;

/** What was measured, in ms, as a message: to the microsecond. The longest that one holds where it is more, 0 for NaN. */
export const toDuration = (ms: number): Duration => toExactDuration(Math.round(ms * 1000) / 1000);

/** What was set, in ms, as a message: to the nanosecond, as messages have it. */
export function toExactDuration(ms: number): Duration {
  const span = Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, -MAX_SPAN_MS), MAX_SPAN_MS);
  const seconds = Math.trunc(span / 1000);
  const nanos = Math.round((span - seconds * 1000) * 1e6);
  const carried = Math.trunc(nanos / 1e9);
  return make(DurationSchema, { seconds: whole(seconds + carried), nanos: nanos - carried * 1e9 });
}

/** A message as milliseconds. */
export function fromDuration(duration: Duration): number;
export function fromDuration(duration: Duration | undefined): number | undefined;
export function fromDuration(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

/** Who asks, why, and of what state they know; of any request that has these fields. */
export function byOf(request: { readonly actor?: string; readonly reason?: string; readonly etag?: string }): By {
  const { actor, reason, etag } = request;
  return { actor, reason, etag };
}

/** The same of a request that holds the resource, whose own etag counts, too. ARGUMENT_INVALID where they differ. */
export function byOfUpdate(
  request: { readonly actor?: string; readonly reason?: string; readonly etag: string },
  field: string,
  resource: { readonly etag: string },
): By {
  if (request.etag !== "" && resource.etag !== "" && request.etag !== resource.etag) {
    const problem = `is ${resource.etag}, and etag (If-Match over REST) is ${request.etag}; give one of them, or both alike`;
    throw HeliosError.of("ARGUMENT_INVALID", { field: `${field}.etag`, problem });
  }
  return byOf({ ...request, etag: request.etag || resource.etag });
}

/**
 * Refuses an update of `field` that sets nothing of what can be changed, `known`: ARGUMENT_INVALID, after what `get` says of
 * a resource that is not there, and ETAG_MISMATCH.
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
  const problem = `is empty, and ${field} sets nothing; name the fields to change: ${known.join(", ")}`;
  throw HeliosError.of("ARGUMENT_INVALID", { field: "update_mask", problem });
}

/** What an earlier version let pass is cut to what is allowed now. */
export function toCause({ action, actor = "", reason = "" }: Cause): CauseMessage {
  return make(CauseSchema, { action, actor: atMost(actor, ACTOR_LIMIT), reason: atMost(reason, REASON_LIMIT) });
}

/** Characters are code points: the cheap bound first. */
function atMost(text: string, limit: number): string {
  return text.length <= limit ? text : [...text].slice(0, limit).join("");
}

/** A plain JSON object as a Struct. */
export const toStruct = (value: Readonly<Record<string, unknown>>): JsonObject =>
  JSON.parse(JSON.stringify(value)) as JsonObject;

export type { JsonObject, JsonValue };
