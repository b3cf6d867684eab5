import { Code, ConnectError } from "@connectrpc/connect";
import { pause } from "../../../src/kernel/async/pause.ts";
import { backoffMs } from "../../../src/kernel/async/retry.ts";
import { joined, onAbort } from "../../../src/kernel/async/signal.ts";
import { setRepeatingTimer, systemClock, type Timer } from "../../../src/kernel/clock.ts";
import { errorInfo } from "./errors.ts";
import { checkSpan, fromDuration } from "./spans.ts";

/** The fields of every watch frame, of each service. */
export interface WatchFrame {
  readonly revision: bigint;
  /** Empty in all chunks of a snapshot but the last. */
  readonly resumeToken: string;
  /** The interval that the service keeps. Set in the first frame of a stream. */
  readonly heartbeatInterval?: { readonly seconds: bigint; readonly nanos: number } | undefined;
  /** The name of the stream. Set in its first frame. */
  readonly watchId?: string;
}

/** A change of the connection that a watch uses. */
export type WatchConnection =
  | { readonly state: "connected" }
  | { readonly state: "disconnected"; readonly error: ConnectError; readonly retryInMs: number };

export interface ResumeOptions {
  /** Aborting it ends the watch; the iteration then ends without an error. */
  readonly signal?: AbortSignal;
  /**
   * The position from which to resume. Empty or absent: begins with a snapshot, or in a watch of events, with the next event.
   */
  readonly resumeToken?: string;
  /**
   * Longest first wait before connecting again, in ms. It doubles with each failure in a row. The wait is a random part of it,
   * and is added to the wait that the service asks for. A stream that has lived for 10 s ends the row. Default: 100.
   */
  readonly minBackoffMs?: number;
  /** Longest wait before any attempt to connect again, in ms, besides the wait that the service asks for. Default: 10,000. */
  readonly maxBackoffMs?: number;
  /** Number of heartbeat intervals without a frame after which the stream is opened again. Default: 3. */
  readonly missedHeartbeats?: number;
  /** Time in ms within which a new stream must send its first frame. Otherwise it is opened again. Default: 30,000. */
  readonly firstFrameTimeoutMs?: number;
  /** Called whenever a stream has sent its first frame, or has ended. */
  readonly onConnection?: (connection: WatchConnection) => void;
  /** For tests. Waits; rejects when the signal is aborted. */
  readonly delay?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** For tests. Returns a number from 0 up to 1. */
  readonly random?: () => number;
  /** For tests. Monotonic ms. */
  readonly now?: () => number;
}

/** Time that a stream must live after its first frame to reset the backoff of the watch. @limit ms */
export const STEADY_MS = 10_000;
/**
 * Longest backoff before the first attempt to reopen a broken watch (`minBackoffMs`); it doubles with each failure.
 * @limit ms
 */
const MIN_BACKOFF_MS = 100;
/** Longest backoff before any attempt to reopen a broken watch (`maxBackoffMs`). @limit ms */
const MAX_BACKOFF_MS = 10_000;
/**
 * Consecutive heartbeats that a stream may miss (`missedHeartbeats`); then it counts as broken and is reopened.
 * @limit heartbeats
 */
const MISSED_HEARTBEATS_LIMIT = 3;
/**
 * Time that the first frame of a stream may take (`firstFrameTimeoutMs`); then the stream counts as broken and is
 * reopened. @limit ms
 */
const FIRST_FRAME_TIMEOUT_MS = 30_000;

/** Opens one stream that resumes from the token. Without a token, it begins with a snapshot. Aborting the signal ends it. */
export type OpenStream<F extends WatchFrame> = (resumeToken: string, signal: AbortSignal) => AsyncIterable<F>;

/** Errors that a retry would repeat. */
const FINAL: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.NotFound,
  Code.OutOfRange,
  Code.PermissionDenied,
  Code.Unauthenticated,
  Code.Unimplemented,
]);

/**
 * Consecutive times that a stream may end with RESOURCE_EXHAUSTED at the same token; then the watch ends with that
 * error. @limit times
 */
const MOST_EXHAUSTED = 3;

/**
 * Whether a retry would repeat the error. `exhausted` is the number of RESOURCE_EXHAUSTED errors at the same token, including
 * this one. That code has two causes: a frame that is too large, which a retry does not change, and a proxy that limits rates,
 * which accepts the client later.
 */
function isFinal(error: ConnectError, exhausted: number): boolean {
  if (error.code !== Code.ResourceExhausted) return FINAL.has(error.code);
  const reason = errorInfo(error)?.reason;
  return reason === "MESSAGE_TOO_LARGE" || (reason === undefined && exhausted >= MOST_EXHAUSTED);
}

/**
 * Iterates over the frames of a watch without end. When the stream ends, breaks or sends nothing, it is opened again at the
 * last token, so that no change is missed or repeated. It ends when the signal is aborted or the loop is left. It throws only
 * errors that a retry would repeat, such as a wrong request or a frame that is too large.
 *
 * @param applied called with each frame that has a resume token and with the name of the stream, as soon as the reader asks for
 *   the next frame.
 */
export function resumeWatch<F extends WatchFrame>(
  open: OpenStream<F>,
  options: ResumeOptions = {},
  applied: (frame: F, watchId: string) => void = () => {},
): AsyncGenerator<F, void, undefined> {
  return leavable(options, (ending) => resumed(open, ending, applied));
}

/**
 * Returns a watch that ends as soon as it is left, even while the reader waits for the next frame. A generator alone would end
 * only when that frame has arrived.
 */
export function leavable<T, O extends { readonly signal?: AbortSignal }>(
  options: O,
  watch: (options: O & { readonly signal: AbortSignal }) => AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  const { signal } = options;
  const left = new AbortController();
  const leave = (): void => left.abort(signal?.reason);
  async function* frames(): AsyncGenerator<T, void, undefined> {
    const stopListening = onAbort(signal, leave);
    try {
      yield* watch({ ...options, signal: left.signal });
    } finally {
      stopListening();
    }
  }
  const watching = frames();
  const end = watching.return.bind(watching);
  watching.return = (value) => {
    leave();
    return end(value);
  };
  return watching;
}

/** Like `resumeWatch`, but if the watch is left while the reader waits for the next frame, it ends only after that frame. */
export async function* resumed<F extends WatchFrame>(
  open: OpenStream<F>,
  options: ResumeOptions & { readonly signal: AbortSignal },
  applied: (frame: F, watchId: string) => void = () => {},
): AsyncGenerator<F, void, undefined> {
  const { minBackoffMs = MIN_BACKOFF_MS, maxBackoffMs = MAX_BACKOFF_MS, random = Math.random } = options;
  const { delay = pauseAwaited, now = () => systemClock.monotonic() } = options;
  const { missedHeartbeats = MISSED_HEARTBEATS_LIMIT, firstFrameTimeoutMs = FIRST_FRAME_TIMEOUT_MS } = options;
  checkSpan("minBackoffMs", minBackoffMs);
  checkSpan("maxBackoffMs", maxBackoffMs);
  checkSpan("firstFrameTimeoutMs", firstFrameTimeoutMs, { isAbove: true, mayBeInfinite: true });
  if (!(missedHeartbeats >= 1)) throw new TypeError(`missedHeartbeats: must be at least 1, not ${missedHeartbeats}`);
  const outer = options.signal;
  let token = options.resumeToken ?? "";
  let failures = 0;
  let isUp = false;
  let exhausted = 0;
  while (!outer.aborted) {
    const stream = joined([outer]);
    const silent = (): void => stream.abort(new ConnectError("the stream fell silent", Code.Unavailable));
    const watchdog = new Watchdog(missedHeartbeats, silent);
    let watchId = "";
    let begunAt: number | undefined;
    try {
      watchdog.watch(firstFrameTimeoutMs / missedHeartbeats);
      for await (const frame of open(token, stream.signal)) {
        begunAt ??= now();
        if (!isUp) options.onConnection?.({ state: "connected" });
        isUp = true;
        if (frame.heartbeatInterval !== undefined) watchdog.intervalMs = fromDuration(frame.heartbeatInterval);
        if (frame.resumeToken !== "") [token, exhausted] = [frame.resumeToken, 0];
        watchId = frame.watchId || watchId;
        // While the reader works on the frame, no further frame is read, so that the stream cannot show that it is alive.
        watchdog.stop();
        yield frame;
        if (frame.resumeToken !== "") applied(frame, watchId);
        watchdog.watch();
      }
      throw new ConnectError("the stream ended", Code.Unavailable);
    } catch (thrown) {
      watchdog.stop();
      if (outer.aborted) return;
      const error = stream.signal.aborted ? ConnectError.from(stream.signal.reason) : ConnectError.from(thrown);
      if (error.code === Code.ResourceExhausted) exhausted += 1;
      if (isFinal(error, exhausted)) throw error;
      isUp = false;
      // If a stream ended soon after its first frame, the next one may do the same.
      if (begunAt !== undefined && now() - begunAt >= STEADY_MS) failures = 0;
      failures += 1;
      const waitMs = backoffMs(failures, { minMs: minBackoffMs, maxMs: maxBackoffMs }, random);
      const retryInMs = (errorInfo(error)?.retryAfterMs ?? 0) + waitMs;
      options.onConnection?.({ state: "disconnected", error, retryInMs });
      await delay(retryInMs, outer).catch(() => {});
    } finally {
      watchdog.stop();
      stream.abort();
    }
  }
}

/**
 * Calls `bark` when `most` intervals have passed without a frame. It counts them one by one. If the process was stopped for a
 * while, that time counts as one interval, because no frame could be read in it.
 */
class Watchdog {
  /** The heartbeat interval. Infinite until the service has sent it. */
  intervalMs = Number.POSITIVE_INFINITY;
  readonly #most: number;
  readonly #bark: () => void;
  #timer: Timer | undefined;

  constructor(most: number, bark: () => void) {
    this.#most = most;
    this.#bark = bark;
  }

  /** Counts the intervals from now on. */
  watch(intervalMs = this.intervalMs): void {
    this.stop();
    if (!Number.isFinite(intervalMs)) return;
    let missed = 0;
    const miss = (): void => {
      missed += 1;
      if (missed >= this.#most) this.#bark();
    };
    this.#timer = setRepeatingTimer(systemClock, intervalMs, miss, true);
  }

  stop(): void {
    this.#timer?.cancel();
  }
}

/** Waits, and keeps the process alive meanwhile. */
function pauseAwaited(ms: number, signal: AbortSignal): Promise<void> {
  return pause(systemClock, ms, signal, true);
}
