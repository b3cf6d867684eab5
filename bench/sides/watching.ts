import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { BucketBy, type Flag, FlagSchema, Strategy } from "../../gen/helios/v1/flag_pb.ts";
import { type WatchFlagsResponse, WatchFlagsResponseSchema } from "../../gen/helios/v1/flag_service_pb.ts";
import { RULE } from "./flag.ts";

export const WATCH_PATH = "/helios.v1.FlagService/WatchFlags";
export const CHANGE_PATH = "/helios.v1.FlagService/SetPercentage";

const createTime: Timestamp = timestampFromMs(1_700_000_000_000);
let revision = 1;
let flag = flagAt(RULE.percentage);

/** The first frame of a watch, as the peers send it. It has the fields that Helios sends. */
export function snapshotFrame(): WatchFlagsResponse {
  const snapshot = { flags: [flag], complete: true };
  return frameOf({ case: "snapshot", value: snapshot });
}

/** Changes the flag of the peers. Returns the flag, and the frame that tells its watchers. */
export function setPercentage(percentage: number): { readonly flag: Flag; readonly frame: WatchFlagsResponse } {
  revision += 1;
  flag = flagAt(percentage);
  const cause = { action: "SetPercentage" };
  const changes = [{ change: { case: "put" as const, value: flag }, cause }];
  return { flag, frame: frameOf({ case: "changes", value: { changes } }) };
}

function flagAt(percentage: number): Flag {
  return create(FlagSchema, {
    name: RULE.name,
    enabled: true,
    strategy: Strategy.PERCENTAGE,
    percentage,
    currentPercentage: percentage,
    bucketBy: BucketBy.SESSION_ID,
    salt: RULE.salt,
    bucketingVersion: 1,
    revision: BigInt(revision),
    etag: `"${revision}"`,
    createTime,
    updateTime: timestampFromMs(Date.now()),
  });
}

type Frame = NonNullable<MessageInitShape<typeof WatchFlagsResponseSchema>["frame"]>;

function frameOf(frame: Frame): WatchFlagsResponse {
  return create(WatchFlagsResponseSchema, { revision: BigInt(revision), resumeToken: "0".repeat(78), frame });
}
