import { Code, ConnectError } from "@connectrpc/connect";
import { pause } from "../../../src/kernel/async/pause.ts";
import { backoffMs } from "../../../src/kernel/async/retry.ts";
import { joined, onAbort } from "../../../src/kernel/async/signal.ts";
import { setRepeatingTimer, systemClock, type Timer } from "../../../src/kernel/clock.ts";
import { errorInfo } from "./errors.ts";
import { checkSpan } from "./spans.ts";

/** What every watch frame carries, of whichever service. */
export interface WatchFrame {
  readonly revision: bigint;
  /** Empty within a snapshot until its last chunk. */
  readonly resumeToken: string;
  /** Set in the first frame of a stream: the interval in force. */
  readonly heartbeatInterval?: { readonly seconds: bigint; readonly nanos: number } | undefined;
  /** Names the stream; set in its first frame. */
  readonly watchId?: string;
}

/** What happens to the connection beneath a watch. */
export type WatchConnection =
  | { readonly state: "connected" }
  | { readonly state: "disconnected"; readonly error: ConnectError; readonly retryInMs: number };

export interface ResumeOptions {
  /** Ends the watch; the iteration then ends without an error. */
  readonly signal?: AbortSignal;
  /** Where to resume; empty or absent: at a snapshot (events: from now on). */
  readonly resumeToken?: string;
  /**
   * First wait before connecting again, doubled at each failure in a row, with full jitter; on top of what the service
   * asked for. The row ends with a stream that has lived for 10 s. Default 100 ms.
   */
  readonly minBackoffMs?: number;
  /** Longest wait before connecting again. Default 10 s. */
  readonly maxBackoffMs?: number;
  /** A stream that is silent for this many heartbeat intervals is given up. Default 3. */
  readonly missedHeartbeats?: number;
  /** A stream that has not sent its first frame so long after it was opened is given up. Default 30 s. */
  readonly firstFrameTimeoutMs?: number;
  /** Told whenever the stream beneath comes up or goes down. */
  readonly onConnection?: (connection: WatchConnection) => void;
  /** Waits; rejects when the signal is aborted. For tests. */
  readonly delay?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** 0 to 1. For tests. */
  readonly random?: () => number;
  /** Monotonic ms. For tests. */
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

/** Opens one stream from that token on (empty: with a snapshot), to be ended by the signal. */
export type OpenStream<F extends WatchFrame> = (resumeToken: string, signal: AbortSignal) => AsyncIterable<F>;

/** Errors that would come again however often one asks. */
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
 * Whether an error would come again: `exhausted` counts those of its kind at the same token, this one included. What is
 * too large to be read stays so; a proxy that limits rates says the same, and lets one in later.
 */
function isFinal(error: ConnectError, exhausted: number): boolean {
  if (error.code !== Code.ResourceExhausted) return FINAL.has(error.code);
  const reason = errorInfo(error)?.reason;
  return reason === "MESSAGE_TOO_LARGE" || (reason === undefined && exhausted >= MOST_EXHAUSTED);
}

/**
 * Iterates over the frames of a watch for ever: when the stream ends, breaks or falls silent it is opened again at the
 * last token, so that no change is missed and none comes twice. Ends when the signal is aborted or the loop is left;
 * throws only errors that would come again, such as a wrong request or a frame that is too large to be read. `applied` is
 * told of every frame that is a place to resume at, once the reader has asked for the next, and of the stream that it came
 * by.
 */
export function resumeWatch<F extends WatchFrame>(
  open: OpenStream<F>,
  options: ResumeOptions = {},
  applied: (frame: F, watchId: string) => void = () => {},
): AsyncGenerator<F, void, undefined> {
  return leavable(options, (ending) => resumed(open, ending, applied));
}

/**
 * A watch that ends when it is left, also while its next frame is waited for: a generator alone would end when that has
 * come.
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

/** As `resumeWatch`; where it is left while its next frame is waited for, it waits for that. */
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
        if (frame.heartbeatInterval !== undefined) {
          const ms = Number(frame.heartbeatInterval.seconds) * 1000 + frame.heartbeatInterval.nanos / 1e6;
          watchdog.intervalMs = ms;
        }
        if (frame.resumeToken !== "") [token, exhausted] = [frame.resumeToken, 0];
        watchId = frame.watchId || watchId;
        // While the reader is busy with it, it is not the stream that is silent.
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
      // A stream that ends soon after it has begun is no sign that the next one will do better.
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
 * Calls back when so many intervals have passed in silence. It counts them one by one: a process that was stopped for a
 * while has missed one of them, not what it could not hear.
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

  /** From now on. */
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
