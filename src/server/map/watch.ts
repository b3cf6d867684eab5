import type { DescMessage } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { type Delta, encodedSize, type Frame, type Resource, textSize } from "../../core/index.ts";
import { toCause, toTimestamp } from "./common.ts";
import { whole } from "./message.ts";
import { wireSize } from "./size.ts";

/** The head of every frame of a watch. */
export interface FrameHead {
  readonly revision: bigint;
  readonly resumeToken: string;
  /** Only present in the first frame. */
  readonly heartbeatInterval?: Duration;
  readonly watchId?: string;
}

/** How the frames of a watch are created. */
export interface Frames<I, S, Out> {
  /** Upper bound of the bytes of an item in any protocol. */
  sizeOf(item: I | S): number;
  map(frame: Frame<I, S>, head: FrameHead): Out | Promise<Out>;
}

/** Bytes of a change in addition to its resource and its cause. */
const CHANGE_BYTES = 256;

/**
 * Returns how the frames of a watch of resources are created. `put` creates the message of a resource, which has the type
 * `desc`. `snapshot` creates the message of a chunk of resources.
 */
export function resourceFrames<T, Message extends object, Snapshot>(
  desc: DescMessage,
  put: (resource: Resource<T>) => Message,
  snapshot: (messages: Message[], complete: boolean) => Snapshot,
) {
  // Messages that were measured. They are sent right afterwards.
  const measured = new Map<Resource<T>, Message>();
  const taken = (resource: Resource<T>): Message => measured.get(resource) ?? put(resource);
  const sizeOf = (item: Delta<T> | Resource<T>): number => {
    const isDelta = !("record" in item);
    const resource = isDelta ? item.resource : item;
    const around = isDelta ? encodedSize(item.cause) + textSize(item.name) + CHANGE_BYTES : 0;
    if (resource === undefined) return around;
    const message = put(resource);
    measured.set(resource, message);
    return wireSize(desc, message) + around;
  };
  const map = (frame: Frame<Delta<T>, Resource<T>>, head: FrameHead) => {
    const mapped = toFrame(frame, head, taken, snapshot);
    measured.clear();
    return mapped;
  };
  return { sizeOf, map };
}

function toFrame<T, Message, Snapshot>(
  frame: Frame<Delta<T>, Resource<T>>,
  head: FrameHead,
  put: (resource: Resource<T>) => Message,
  snapshot: (messages: Message[], complete: boolean) => Snapshot,
) {
  switch (frame.kind) {
    case "heartbeat": {
      const value = { serverTime: toTimestamp(frame.time), headRevision: whole(frame.head) };
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
  const deleted = { name, revision: whole(revision), deleteTime: toTimestamp(time) };
  return {
    change:
      resource === undefined
        ? { case: "deleted" as const, value: deleted }
        : { case: "put" as const, value: put(resource) },
    cause: toCause(cause),
  };
}
