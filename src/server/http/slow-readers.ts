import { constants } from "node:http2";
import { type Clock, seconds, setRepeatingTimer, type Timer } from "../../core/index.ts";
import { MAX_UNREAD_BYTES, SLOW_READER_CHECK_MS, SLOW_READER_TIMEOUT_MS } from "../transport/limits.ts";
import { peerOf, socketOf } from "../transport/peer.ts";
import type { RequestHandler } from "../transport/request-handler.ts";

type Request = Parameters<RequestHandler>[0];
type Response = Parameters<RequestHandler>[1];

/** Ends answers whose client does not read them. */
export interface SlowReaders {
  /** From now on, the client must read the answer while there is something to send. */
  add(request: Request, response: Response): void;
  /** The same for an answer without Node's response. The returned object must be told of each write, and of the end. */
  track(answer: UnreadAnswer): Tracked;
  /**
   * Measures which connections (by their peers) have space for more messages of streams. A connection may have unread data
   * of at most half of what the limit leaves. So there is space for the others, and a client on a slow line is not cut off.
   * A connection without unread data always has space.
   */
  room(): (peer: string) => boolean;
  /** Number of answers that are watched. */
  readonly answers: number;
}

/** An answer that a client may be slow to read. */
export interface UnreadAnswer {
  readonly peer: string;
  readonly path: string;
  /** Bytes that were written but not read. */
  readonly waiting: number;
  /** Ends the answer at once. */
  cut(): void;
}

export interface Tracked {
  wrote(bytes: number): void;
  ended(): void;
}

interface Entry {
  readonly answer: UnreadAnswer;
  /** Bytes written so far. */
  written: number;
  /** Unread bytes at the last check. */
  waiting: number;
  /** Bytes that were read, and when, at the last check that found progress. */
  taken: number;
  since: number;
}

/** Called when an answer is ended, with its unread bytes and the reason. */
export type ReportSlowReader = (path: string, waitingBytes: number, problem: string) => void;

/**
 * Unread answers hold memory, and a client that never reads would hold it forever. An answer without progress for
 * `SLOW_READER_TIMEOUT_MS` is ended. If all unread answers exceed `MAX_UNREAD_BYTES`, the largest of those without progress
 * since the last check are ended. With HTTP/2, only the stream is reset (ENHANCE_YOUR_CALM, which gRPC shows as
 * RESOURCE_EXHAUSTED). With HTTP/1.1, the connection is closed.
 */
export function createSlowReaders(
  clock: Clock,
  report: ReportSlowReader,
  maxUnreadBytes = MAX_UNREAD_BYTES,
): SlowReaders {
  // Answers are also checked after this many written bytes, so the total exceeds its limit by at most that.
  const lookBytes = maxUnreadBytes / 8;
  const open = new Set<Entry>();
  let timer: Timer | undefined;
  /** Bytes written since the last check. */
  let fresh = 0;
  /** Upper bound of all unread bytes. */
  let most = 0;

  const end = (entry: Entry, problem: string): void => {
    open.delete(entry);
    report(entry.answer.path, entry.waiting, problem);
    entry.answer.cut();
  };
  const look = (): void => {
    const now = clock.monotonic();
    fresh = 0;
    let unread = 0;
    const stuck: Entry[] = [];
    for (const entry of open) {
      const { waiting } = entry.answer;
      const taken = entry.written - waiting;
      // More unread data than before is not progress.
      const isStuck = waiting > 0 && taken <= entry.taken;
      entry.waiting = waiting;
      unread += waiting;
      if (!isStuck) Object.assign(entry, { taken, since: now });
      else if (now - entry.since < SLOW_READER_TIMEOUT_MS) stuck.push(entry);
      else {
        unread -= waiting;
        end(entry, `the client read nothing for ${seconds(SLOW_READER_TIMEOUT_MS)}`);
      }
    }
    if (unread <= maxUnreadBytes) return;
    for (const entry of stuck.toSorted((one, other) => other.waiting - one.waiting)) {
      if (unread <= maxUnreadBytes) break;
      unread -= entry.waiting;
      end(entry, `unread answers hold more than ${maxUnreadBytes} bytes`);
    }
  };

  const track = (answer: UnreadAnswer): Tracked => {
    const entry: Entry = { answer, written: 0, waiting: 0, taken: 0, since: clock.monotonic() };
    open.add(entry);
    timer ??= setRepeatingTimer(clock, SLOW_READER_CHECK_MS, look);
    return {
      wrote(bytes) {
        entry.written += bytes;
        fresh += bytes;
        most += bytes;
        if (fresh > lookBytes) look();
      },
      ended() {
        open.delete(entry);
        if (open.size > 0) return;
        timer?.cancel();
        timer = undefined;
      },
    };
  };

  return {
    get answers() {
      return open.size;
    },
    room() {
      // Measuring takes time for each answer, and most of the time nothing is unread.
      if (most < lookBytes) return () => true;
      most = 0;
      const byPeer = new Map<string, number>();
      for (const { answer } of open) {
        const { waiting, peer } = answer;
        most += waiting;
        byPeer.set(peer, (byPeer.get(peer) ?? 0) + waiting);
      }
      // Answers to single calls are not paced, so unread data can exceed the limit. A connection without unread data may go
      // on even then.
      const share = Math.max(0, (maxUnreadBytes - most) / 2);
      return (peer) => (byPeer.get(peer) ?? 0) <= share;
    },
    track,
    add(request, response) {
      const tracked = track(new NodeAnswer(request, response));
      countWrites(response, tracked.wrote);
      response.once("close", tracked.ended);
    },
  };
}

function countWrites(response: Response, count: (bytes: number) => void): void {
  // In HTTP/2, `end` calls `write`.
  for (const method of "stream" in response ? (["write"] as const) : (["write", "end"] as const)) {
    const original = response[method] as (...args: unknown[]) => never;
    response[method] = (...args: unknown[]) => {
      const [chunk] = args;
      const isTaken = original.apply(response, args);
      if (typeof chunk === "string" || chunk instanceof Uint8Array) count(Buffer.byteLength(chunk));
      return isTaken;
    };
  }
}

class NodeAnswer implements UnreadAnswer {
  readonly peer: string;
  readonly #request: Request;
  readonly #response: Response;

  constructor(request: Request, response: Response) {
    this.peer = peerOf(socketOf(request) ?? {});
    this.#request = request;
    this.#response = response;
  }

  get path(): string {
    return (this.#request.url ?? "").split("?", 1)[0] ?? "";
  }

  get waiting(): number {
    const response = this.#response;
    return "stream" in response ? (response.stream?.writableLength ?? 0) : response.writableLength;
  }

  cut(): void {
    const response = this.#response;
    if ("stream" in response) response.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    else response.destroy();
  }
}
