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
  /** Where to resume. Empty or absent: begins with a snapshot, or for events, with the next one. */
  readonly resumeToken?: string;
  /**
   * First wait before connecting again. It doubles with each failure in a row, with full jitter, and comes on top of what the
   * service asks for. A stream that has lived for 10 s ends the row. Default 100 ms.
   */
  readonly minBackoffMs?: number;
  /** Longest wait before any new attempt to connect, in ms. Default: 10 s. */
  readonly maxBackoffMs?: number;
  /** Number of heartbeat intervals of silence after which a stream is given up. Default: 3. */
  readonly missedHeartbeats?: number;
  /** Time in ms in which a new stream must send its first frame. Then it is given up. Default: 30 s. */
  readonly firstFrameTimeoutMs?: number;
  /** Called whenever the stream comes up or goes down. */
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

/** Opens one stream from that token on (empty: with a snapshot). Aborting the signal ends the stream. */
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
 * Whether a retry would repeat the error. `exhausted` counts the errors of its kind at the same token, this one included. A
 * frame that is too large stays so. A proxy that limits rates uses the same code, but lets the client in later.
 */
function isFinal(error: ConnectError, exhausted: number): boolean {
  if (error.code !== Code.ResourceExhausted) return FINAL.has(error.code);
  const reason = errorInfo(error)?.reason;
  return reason === "MESSAGE_TOO_LARGE" || (reason === undefined && exhausted >= MOST_EXHAUSTED);
}

/**
 * Iterates over the frames of a watch for ever. When the stream ends, breaks or falls silent, it is opened again at the last
 * token, so that no change is missed or repeated. It ends when the signal is aborted or the loop is left. It throws only
 * errors that a retry would repeat, such as a wrong request or a frame that is too large.
 *
 * @param applied called for every frame at which a watch can resume, once the reader has asked for the next frame, with the
 *   name of the stream.
 */
export function resumeWatch<F extends WatchFrame>(
  open: OpenStream<F>,
  options: ResumeOptions = {},
  applied: (frame: F, watchId: string) => void = () => {},
): AsyncGenerator<F, void, undefined> {
  return leavable(options, (ending) => resumed(open, ending, applied));
}

/**
 * A watch that ends as soon as it is left, also while the reader waits for the next frame. A generator alone would end only
 * when that frame has come.
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

/** As `resumeWatch`, but when it is left while the reader waits for the next frame, it waits for that frame. */
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
        // While the reader is busy with the frame, silence is not the fault of the stream.
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
      // After a stream that ends soon after it has begun, the next one may fail as soon.
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
 * Calls back when so many intervals have passed in silence. It counts them one by one: in a process that was stopped for a
 * while, that time counts as one interval, because nothing could be heard in it.
 */
class Watchdog {
  /** Infinite until it is known. */
  intervalMs = Number.POSITIVE_INFINITY;
  readonly #most: number;
  readonly #bark: () => void;
  #timer: Timer | undefined;

  constructor(most: number, bark: () => void) {
    this.#most = most;
    this.#bark = bark;
  }

  /** Starts to count from now on. */
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

/** The process lives until then. */
function pauseAwaited(ms: number, signal: AbortSignal): Promise<void> {
  return pause(systemClock, ms, signal, true);
}
