import type { Duration } from "@bufbuild/protobuf/wkt";
import type { HandlerContext } from "@connectrpc/connect";
import { OnCompacted } from "../../../gen/helios/v1/watch_pb.ts";
import type { Clock, Frame, WatchOptions } from "../../core/index.ts";
import { fromDuration, toDuration } from "../map/common.ts";
import type { FrameHead } from "../map/watch.ts";

const DEFAULT_HEARTBEAT_MS = 15_000;
const MIN_HEARTBEAT_MS = 1000;
const MAX_HEARTBEAT_MS = 300_000;

export interface WatchRequest {
  readonly names: readonly string[];
  readonly resumeToken: string;
  readonly heartbeatInterval?: Duration | undefined;
  readonly onCompacted: OnCompacted;
}

/** What a watcher of the engine is to the edge. */
interface Source<I, S> {
  watch(options: WatchOptions): { next(): Promise<Frame<I, S> | undefined>; close(): void };
}

/** A frame of the engine, mapped; undefined: nothing that this watcher is to see. */
export type MapFrame<I, S, Out> = (frame: Frame<I, S>, head: FrameHead) => Out | undefined;

/** Serves a watch until its caller goes away or the hub ends it. */
export async function* watchFrames<I, S, Out>(
  source: Source<I, S>,
  request: WatchRequest,
  { signal }: Pick<HandlerContext, "signal">,
  clock: Clock,
  map: MapFrame<I, S, Out>,
): AsyncGenerator<Out, void, undefined> {
  const heartbeatMs = effectiveHeartbeatMs(request.heartbeatInterval);
  const watcher = source.watch({
    clock,
    names: request.names,
    resumeToken: request.resumeToken,
    onCompacted: request.onCompacted === OnCompacted.ERROR ? "error" : "snapshot",
    heartbeatMs,
  });
  // A generator that waits for its reader may never run its `finally`; the call's signal always comes.
  const close = (): void => watcher.close();
  signal.addEventListener("abort", close, { once: true });
  try {
    let first = true;
    for (;;) {
      const frame = await watcher.next();
      if (signal.aborted) throw signal.reason;
      if (frame === undefined) return;
      const head = { revision: BigInt(frame.revision), resumeToken: frame.resumeToken };
      const out = map(frame, first ? { ...head, heartbeatInterval: toDuration(heartbeatMs) } : head);
      if (out === undefined) continue;
      first = false;
      yield out;
    }
  } finally {
    signal.removeEventListener("abort", close);
    watcher.close();
  }
}

function effectiveHeartbeatMs(asked: Duration | undefined): number {
  const ms = fromDuration(asked) ?? DEFAULT_HEARTBEAT_MS;
  return Math.min(MAX_HEARTBEAT_MS, Math.max(MIN_HEARTBEAT_MS, ms));
}
