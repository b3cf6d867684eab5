import type { Duration } from "@bufbuild/protobuf/wkt";
import type { HandlerContext } from "@connectrpc/connect";
import { type ClientInfo, OnCompacted } from "../../../gen/helios/v1/watch_pb.ts";
import { END, Polled, type Waker } from "../../core/async/index.ts";
import type { Clock, Frame, WatchOptions } from "../../core/index.ts";
import { whenAborted } from "../calls/context.ts";
import { fromClientInfo } from "../map/clients.ts";
import { fromDuration, toDuration } from "../map/common.ts";
import type { FirstHead, Frames } from "../map/watch.ts";
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
  readonly client?: ClientInfo | undefined;
}

/** The parts of a hub that a watch needs. */
interface Source<I, S> {
  watch(
    options: WatchOptions,
    sizeOf: (item: I | S) => number,
  ): { poll(waker: Waker): Frame<I, S> | undefined; close(): void };
}

interface Tools {
  readonly clock: Clock;
  readonly newId: () => string;
}

/** Serves a watch until its caller leaves or the hub ends it. A watch always ends with an error. */
export function watchFrames<I, S, Out extends object>(
  source: Source<I, S>,
  request: WatchRequest,
  context: HandlerContext,
  tools: Tools,
  frames: Frames<I, S, Out>,
): Polled<Out> {
  return new FrameStream(source, request, context, tools, frames);
}

class FrameStream<I, S, Out extends object> extends Polled<Out> {
  readonly #source: Source<I, S>;
  readonly #request: WatchRequest;
  readonly #context: HandlerContext;
  readonly #tools: Tools;
  readonly #frames: Frames<I, S, Out>;
  #watcher: ReturnType<Source<I, S>["watch"]> | undefined;
  /** Only until the first frame. */
  #first: FirstHead | undefined;
  #stopListening = (): void => {};
  #isAborted = false;
  #isOver = false;

  constructor(
    source: Source<I, S>,
    request: WatchRequest,
    context: HandlerContext,
    tools: Tools,
    frames: Frames<I, S, Out>,
  ) {
    super();
    this.#source = source;
    this.#request = request;
    this.#context = context;
    this.#tools = tools;
    this.#frames = frames;
  }

  override poll(waker: Waker): Out | typeof END | undefined {
    if (this.#isOver) return END;
    try {
      this.#watcher ??= this.#open();
      const frame = this.#watcher.poll(waker);
      if (this.#isAborted) throw this.#context.signal.reason;
      if (frame === undefined) return undefined;
      const out = this.#frames.map(frame, this.#first);
      this.#first = undefined;
      return out;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  override close(): void {
    this.#isOver = true;
    this.#stopListening();
    this.#watcher?.close();
  }

  #open(): ReturnType<Source<I, S>["watch"]> {
    const { names, resumeToken, onCompacted, clientId, client, heartbeatInterval } = this.#request;
    const { clock, newId } = this.#tools;
    const heartbeatMs = effectiveHeartbeatMs(heartbeatInterval);
    const watchId = newId();
    const options: WatchOptions = {
      clock,
      names,
      resumeToken,
      onCompacted: onCompacted === OnCompacted.ERROR ? "error" : "snapshot",
      heartbeatMs,
      who: { watchId, clientId, peer: this.#context.values.get(PEER), info: fromClientInfo(client) },
    };
    const watcher = this.#source.watch(options, this.#frames.sizeOf);
    this.#first = { watchId, heartbeatInterval: toDuration(heartbeatMs) };
    // Nobody may read any more, or call `return`, but the call is always aborted.
    this.#stopListening = whenAborted(this.#context, () => {
      this.#isAborted = true;
      watcher.close();
    });
    return watcher;
  }
}

function effectiveHeartbeatMs(asked: Duration | undefined): number {
  const ms = fromDuration(asked) ?? DEFAULT_HEARTBEAT_MS;
  return Math.min(MAX_HEARTBEAT_MS, Math.max(MIN_HEARTBEAT_MS, ms));
}
