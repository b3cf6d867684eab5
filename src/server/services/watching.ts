import type { Duration } from "@bufbuild/protobuf/wkt";
import type { HandlerContext } from "@connectrpc/connect";
import { OnCompacted } from "../../../gen/helios/v1/watch_pb.ts";
import type { Clock, Frame, WatchOptions } from "../../core/index.ts";
import { whenAborted } from "../calls/context.ts";
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
}

/** The parts of a hub that a watch needs. */
interface Source<I, S> {
  watch(
    options: WatchOptions,
    sizeOf: (item: I | S) => number,
  ): { next(): Promise<Frame<I, S> | undefined>; close(): void };
}

interface Tools {
  readonly clock: Clock;
  readonly newId: () => string;
}

/** Serves a watch until its caller leaves or the hub ends it. A watch always ends with an error. */
export function watchFrames<I, S, Out>(
  source: Source<I, S>,
  request: WatchRequest,
  context: HandlerContext,
  tools: Tools,
  frames: Frames<I, S, Out>,
): AsyncIterableIterator<Out> {
  return new FrameStream(source, request, context, tools, frames);
}

/** Not a generator, because thousands of watches get the same change, and a generator takes more promises for each. */
class FrameStream<I, S, Out> implements AsyncIterableIterator<Out> {
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
    this.#source = source;
    this.#request = request;
    this.#context = context;
    this.#tools = tools;
    this.#frames = frames;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Out, undefined>> {
    if (this.#isOver) return { done: true, value: undefined };
    try {
      this.#watcher ??= this.#open();
      const frame = await this.#watcher.next();
      if (this.#isAborted) throw this.#context.signal.reason;
      if (frame === undefined) throw new Error("the watcher was closed while it was being read");
      const mapped = this.#frames.map(frame, this.#first);
      this.#first = undefined;
      return { done: false, value: mapped instanceof Promise ? await mapped : mapped };
    } catch (error) {
      this.#close();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<Out, undefined>> {
    this.#close();
    return { done: true, value: undefined };
  }

  #open(): ReturnType<Source<I, S>["watch"]> {
    const { names, resumeToken, onCompacted, clientId, heartbeatInterval } = this.#request;
    const { clock, newId } = this.#tools;
    const heartbeatMs = effectiveHeartbeatMs(heartbeatInterval);
    const watchId = newId();
    const options: WatchOptions = {
      clock,
      names,
      resumeToken,
      onCompacted: onCompacted === OnCompacted.ERROR ? "error" : "snapshot",
      heartbeatMs,
      who: { watchId, clientId, peer: this.#context.values.get(PEER) },
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

  #close(): void {
    this.#isOver = true;
    this.#stopListening();
    this.#watcher?.close();
  }
}

function effectiveHeartbeatMs(asked: Duration | undefined): number {
  const ms = fromDuration(asked) ?? DEFAULT_HEARTBEAT_MS;
  return Math.min(MAX_HEARTBEAT_MS, Math.max(MIN_HEARTBEAT_MS, ms));
}
