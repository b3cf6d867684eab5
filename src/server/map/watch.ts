import type { DescMessage } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { type Clock, type Delta, encodedSize, type Frame, type Resource, textSize } from "../../core/index.ts";
import { toCause, toTimestamp } from "./common.ts";
import { whole } from "./message.ts";
import { wireSize } from "./size.ts";

/** What only the first frame of a watch has. */
export interface FirstHead {
  readonly heartbeatInterval: Duration;
  readonly watchId: string;
}

/** How the frames of the watches of one kind are created. */
export interface Frames<I, S, Out> {
  /** Upper bound of the bytes of an item in any protocol. */
  sizeOf(item: I | S): number;
  /**
   * `first`: given for the first frame of a watch. Watches that get the same frame after that get the same object, so that it
   * can be encoded once for all.
   */
  map(frame: Frame<I, S>, first: FirstHead | undefined): Out;
}

/** Bytes of a change in addition to its resource and its cause. */
const CHANGE_BYTES = 256;
/**
 * Time for which the message of a resource may be sent to further watches. It has details that change without a change of
 * the resource, such as the present percentage of a gradual flag. @limit ms
 */
const SHARED_MS = 1000;

/**
 * Returns how the frames of all watches of a kind of resource are created. `put` creates the message of a resource, which has
 * the type `desc`. `snapshot` creates the message of a chunk of resources.
 */
export function resourceFrames<T, Message extends object, Snapshot>(
  desc: DescMessage,
  clock: Clock,
  put: (resource: Resource<T>) => Message,
  snapshot: (messages: Message[], complete: boolean) => Snapshot,
) {
  type Item = Delta<T> | Resource<T>;
  type Out = ReturnType<typeof toFrame<T, Message, Snapshot>>;
  const isFresh = ({ at }: { readonly at: number }): boolean => clock.monotonic() - at < SHARED_MS;
  /** The messages of changes, which many watches send at about the same time. */
  const changes = new WeakMap<Delta<T>, { readonly message: Message; readonly bytes: number; readonly at: number }>();
  /** Messages that were measured for the snapshot of one watch. They are sent right afterwards. */
  const measured = new Map<Resource<T>, Message>();
  const shared = new WeakMap<Frame<Delta<T>, Resource<T>>, { readonly out: Out; readonly at: number }>();

  const ofChange = (delta: Delta<T>, resource: Resource<T>) => {
    const known = changes.get(delta);
    if (known !== undefined && isFresh(known)) return known;
    const message = put(resource);
    const one = { message, bytes: wireSize(desc, message), at: clock.monotonic() };
    changes.set(delta, one);
    return one;
  };
  const sizeOf = (item: Item): number => {
    if (!("record" in item)) {
      const around = encodedSize(item.cause) + textSize(item.name) + CHANGE_BYTES;
      return around + (item.resource === undefined ? 0 : ofChange(item, item.resource).bytes);
    }
    const message = put(item);
    measured.set(item, message);
    return wireSize(desc, message);
  };
  const putMeasured = (resource: Resource<T>): Message => measured.get(resource) ?? put(resource);
  const putChange = (delta: Delta<T>, resource: Resource<T>): Message => ofChange(delta, resource).message;
  const map = (frame: Frame<Delta<T>, Resource<T>>, first: FirstHead | undefined): Out => {
    const known = first === undefined ? shared.get(frame) : undefined;
    if (known !== undefined && isFresh(known)) return known.out;
    const out = toFrame(frame, first, { putMeasured, putChange, snapshot });
    measured.clear();
    if (first === undefined && frame.kind === "changes") shared.set(frame, { out, at: clock.monotonic() });
    return out;
  };
  return { sizeOf, map };
}

/** Returns the head of a frame. */
export function headOf(
  { revision, resumeToken }: Pick<Frame<unknown, unknown>, "revision" | "resumeToken">,
  first?: FirstHead,
) {
  return { revision: whole(revision), resumeToken, ...first };
}

interface Puts<T, Message, Snapshot> {
  readonly putMeasured: (resource: Resource<T>) => Message;
  readonly putChange: (delta: Delta<T>, resource: Resource<T>) => Message;
  readonly snapshot: (messages: Message[], complete: boolean) => Snapshot;
}

function toFrame<T, Message, Snapshot>(
  frame: Frame<Delta<T>, Resource<T>>,
  first: FirstHead | undefined,
  { putMeasured, putChange, snapshot }: Puts<T, Message, Snapshot>,
) {
  const head = headOf(frame, first);
  switch (frame.kind) {
    case "heartbeat": {
      const value = { serverTime: toTimestamp(frame.time), headRevision: whole(frame.head) };
      return { ...head, frame: { case: "heartbeat" as const, value } };
    }
    case "snapshot": {
      const value = snapshot(frame.items.map(putMeasured), frame.complete);
      return { ...head, frame: { case: "snapshot" as const, value } };
    }
    case "changes": {
      const value = { changes: frame.items.map((delta) => toChange(delta, putChange)) };
      return { ...head, frame: { case: "changes" as const, value } };
    }
  }
}

function toChange<T, Message>(delta: Delta<T>, put: (delta: Delta<T>, resource: Resource<T>) => Message) {
  const { name, revision, time, cause, resource } = delta;
  const deleted = { name, revision: whole(revision), deleteTime: toTimestamp(time) };
  return {
    change:
      resource === undefined
        ? { case: "deleted" as const, value: deleted }
        : { case: "put" as const, value: put(delta, resource) },
    cause: toCause(cause),
  };
}
