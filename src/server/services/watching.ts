import type { Duration } from "@bufbuild/protobuf/wkt";
import type { HandlerContext } from "@connectrpc/connect";
import { OnCompacted } from "../../../gen/helios/v1/watch_pb.ts";
import { onAbort } from "../../core/async/index.ts";
import type { Clock, Frame, WatchOptions } from "../../core/index.ts";
import { fromDuration, toDuration } from "../map/common.ts";
import type { Frames } from "../map/watch.ts";
import { PEER } from "../transport/peer.ts";

/** Heartbeat interval of a watch, unless `heartbeat_interval` says otherwise. @limit ms */
const DEFAULT_HEARTBEAT_MS = 15_000;
/** Shortest heartbeat interval of a watch; a shorter `heartbeat_interval` is raised to it. @limit ms */
const MIN_HEARTBEAT_MS = 1000;
/** Longest heartbeat interval of a watch; a longer `heartbeat_interval` is reduced to it. @limit ms */
const MAX_HEARTBEAT_MS = 300_000;

export interface WatchRequest {
  readonly names: readonly string[];
  readonly resumeToken: string;
  readonly heartbeatInterval?: Duration | undefined;
  readonly onCompacted: OnCompacted;
  readonly clientId: string;
}

/** The parts of a hub that a watch needs. */
interface Source<I, S> {
  watch(
    options: WatchOptions,
    sizeOf: (item: I | S) => number,
  ): { next(): Promise<Frame<I, S> | undefined>; close(): void };
}

/** Serves a watch until its caller leaves or the hub ends it. A watch always ends with an error. */
export async function* watchFrames<I, S, Out>(
  source: Source<I, S>,
  request: WatchRequest,
  { signal, values }: Pick<HandlerContext, "signal" | "values">,
  { clock, newId }: { readonly clock: Clock; readonly newId: () => string },
  frames: Frames<I, S, Out>,
): AsyncGenerator<Out, void, undefined> {
  const heartbeatMs = effectiveHeartbeatMs(request.heartbeatInterval);
  const watchId = newId();
  const options: WatchOptions = {
    clock,
    names: request.names,
    resumeToken: request.resumeToken,
    onCompacted: request.onCompacted === OnCompacted.ERROR ? "error" : "snapshot",
    heartbeatMs,
    who: { watchId, clientId: request.clientId, peer: values.get(PEER) },
  };
  const watcher = source.watch(options, frames.sizeOf);
  // The `finally` of a generator that waits for its reader may never run, but the call's signal is always aborted.
  const stopListening = onAbort(signal, () => watcher.close());
  try {
    let first = true;
    for (;;) {
      const frame = await watcher.next();
      if (signal.aborted) throw signal.reason;
      if (frame === undefined) throw new Error("the watcher was closed while it was being read");
      const mapped = frames.map(frame, first ? { watchId, heartbeatInterval: toDuration(heartbeatMs) } : undefined);
      first = false;
      yield mapped instanceof Promise ? await mapped : mapped;
    }
  } finally {
    stopListening();
    watcher.close();
  }
}

function effectiveHeartbeatMs(asked: Duration | undefined): number {
  const ms = fromDuration(asked) ?? DEFAULT_HEARTBEAT_MS;
  return Math.min(MAX_HEARTBEAT_MS, Math.max(MIN_HEARTBEAT_MS, ms));
}
