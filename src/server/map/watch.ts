import type { Duration } from "@bufbuild/protobuf/wkt";
import type { Delta, Frame, Resource } from "../../core/index.ts";
import { toCause, toTimestamp } from "./common.ts";

/** The head that the frames of all watches share. */
export interface FrameHead {
  readonly revision: bigint;
  readonly resumeToken: string;
  /** These in the first frame. */
  readonly heartbeatInterval?: Duration;
  readonly watchId?: string;
}

/**
 * A frame of a watch of resources. `put` makes the message of a resource, `snapshot` the message of a chunk of them.
 */
export function toFrame<T, Message, Snapshot>(
  frame: Frame<Delta<T>, Resource<T>>,
  head: FrameHead,
  put: (resource: Resource<T>) => Message,
  snapshot: (messages: Message[], complete: boolean) => Snapshot,
) {
  switch (frame.kind) {
    case "heartbeat": {
      const value = { serverTime: toTimestamp(frame.time), headRevision: BigInt(frame.head) };
      return { ...head, frame: { case: "heartbeat" as const, value } };
    }
    case "snapshot": {
      const value = snapshot(frame.items.map(put), frame.complete);
      return { ...head, frame: { case: "snapshot" as const, value } };
    }
    case "changes": {
      const value = { changes: frame.items.map((delta) => toChange(delta, put)) };
      return { ...head, frame: { case: "changes" as const, value } };
    }
  }
}

function toChange<T, Message>(
  { name, revision, time, cause, resource }: Delta<T>,
  put: (resource: Resource<T>) => Message,
) {
  const deleted = { name, revision: BigInt(revision), deleteTime: toTimestamp(time) };
  return {
    change:
      resource === undefined
        ? { case: "deleted" as const, value: deleted }
        : { case: "put" as const, value: put(resource) },
    cause: toCause(cause),
  };
}
