import type { FieldMask } from "@bufbuild/protobuf/wkt";
import type { Flag as FlagMessage } from "../../../gen/helios/v1/flag_pb.ts";
import type { UpdateFlagRequest } from "../../../gen/helios/v1/flag_service_pb.ts";
import { type By, type Flags, type FlagUpdate, type HeliosError, invalid, isReason, placed } from "../../core/index.ts";
import { byOfUpdate, refuseNothing } from "../map/common.ts";
import { FLAG_PATHS } from "../map/flag/fields.ts";
import { clearedUnsaid, fromUpdate } from "../map/flag/update.ts";

export function missing(field: string): HeliosError {
  return invalid(field, "is required");
}

/** Refuses an update that sets no field of a flag. A flag that is to be created may have only a name. */
function refuseEmptyUpdate(flags: Flags, { name, fields, allowMissing = false, etag }: FlagUpdate): void {
  try {
    refuseNothing(fields, { field: "flag", known: FLAG_PATHS, etag }, () => flags.get(name));
  } catch (error) {
    if (!allowMissing || !isReason(error, "FLAG_NOT_FOUND")) throw error;
  }
}

/** Refuses a flag that was read, had fields cleared or switched off, and was sent back without a mask: ARGUMENT_INVALID. */
function refuseUnsaid(message: FlagMessage, mask: FieldMask | undefined, flags: Flags, nowMs: number): void {
  const present = presentOf(flags, message.name);
  const { etag } = message;
  if (present === undefined || (etag !== "" && etag !== present.etag)) return;
  const cleared = clearedUnsaid(message, mask, present, nowMs);
  if (cleared.length === 0) return;
  const problem = `is empty, but flag clears ${cleared.join(", ")}, which needs a mask; name the fields to change`;
  throw invalid("update_mask", problem);
}

function presentOf(flags: Flags, name: string): ReturnType<Flags["get"]> | undefined {
  try {
    return flags.get(name);
  } catch (error) {
    if (isReason(error, "FLAG_NOT_FOUND")) return undefined;
    throw error;
  }
}

/**
 * Returns what an update asks for. Throws ARGUMENT_INVALID if it changes nothing or is ambiguous.
 *
 * @param check refuses further requests, after those that have two etags.
 */
export function readUpdate(
  request: UpdateFlagRequest,
  flags: Flags,
  nowMs: number,
  check: () => void = () => {},
): { update: FlagUpdate; by: By } {
  const { flag, updateMask, allowPast, rebucket, allowMissing } = request;
  if (flag === undefined) throw missing("flag");
  const by = byOfUpdate(request, "flag", flag);
  check();
  const { name } = flag;
  const fields = fromUpdate(flag, updateMask, () => presentOf(flags, name), nowMs);
  const update = { name, fields, allowPast, rebucket, allowMissing, etag: by.etag };
  refuseEmptyUpdate(flags, update);
  refuseUnsaid(flag, updateMask, flags, nowMs);
  return { update, by };
}

/** Like `readUpdate`, for one request of a batch. Its errors name the request. */
export function readBatched(request: UpdateFlagRequest, index: number, flags: Flags, nowMs: number): FlagUpdate {
  return placed(index, `requests[${index}]`, () => {
    const refuseShared = (): void => {
      for (const field of ["requestId", "actor", "reason"] as const) {
        if (request[field] === "") continue;
        const problem = "must be empty; set it once for the whole batch, beside requests";
        throw invalid(field === "requestId" ? "request_id" : field, problem);
      }
    };
    return readUpdate(request, flags, nowMs, refuseShared).update;
  });
}
