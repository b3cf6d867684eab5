import { constants } from "node:http2";
import { type Clock, setRepeatingTimer, type Timer } from "../../core/index.ts";
import { MAX_UNREAD_BYTES, SLOW_READER_CHECK_MS, SLOW_READER_TIMEOUT_MS } from "../transport/limits.ts";
import { peerOf, socketOf } from "../transport/peer.ts";
import type { RequestHandler } from "../transport/request-handler.ts";

type Request = Parameters<RequestHandler>[0];
type Response = Parameters<RequestHandler>[1];

/** Ends answers that nobody reads. */
export interface SlowReaders {
  /** From now on the answer has to get on, where there is something of it to send. */
  add(request: Request, response: Response): void;
  /**
   * Measures which connections (by their peers) have room for more messages of streams. What waits of one is to be at most
   * half of what is left, so that there is room for the others, and nobody has to be ended who only shares a slow line. A
   * connection of which nothing waits always has room.
   */
  room(): (peer: string) => boolean;
}

interface Answer {
  readonly peer: string;
  readonly request: Request;
  readonly response: Response;
  /** Bytes that were written by now. */
  written: number;
  /** Of them, those that wait, and those that were taken, when it was last looked. */
  waiting: number;
  taken: number;
  since: number;
}

/** Told of an answer that is ended: what of it waited, in bytes, and why. */
export type ReportSlowReader = (path: string, waitingBytes: number, problem: string) => void;

/**
 * An answer that waits to be read holds memory, and a reader that never reads would have it for good. So one that does not
 * get on for `SLOW_READER_TIMEOUT_MS` is ended, and where all that wait hold more than `MAX_UNREAD_BYTES`, the largest of
 * those that have not got on since they were last looked at. Over HTTP/2 the stream alone is reset (ENHANCE_YOUR_CALM,
 * which gRPC reads as RESOURCE_EXHAUSTED); over HTTP/1.1 there is nothing but the connection to end.
 */
export function createSlowReaders(
  clock: Clock,
  report: ReportSlowReader,
  maxUnreadBytes = MAX_UNREAD_BYTES,
): SlowReaders {
  // Answers are also looked at whenever so much was written: what all of them hold exceeds its limit by no more.
  const lookBytes = maxUnreadBytes / 8;
  const open = new Set<Answer>();
  let timer: Timer | undefined;
  /** Written since the last look. */
  let fresh = 0;
  /** What waits in all, at most. */
  let most = 0;

  const end = (answer: Answer, problem: string): void => {
    open.delete(answer);
    const { request, response } = answer;
    report((request.url ?? "").split("?", 1)[0] ?? "", answer.waiting, problem);
    if ("stream" in response) response.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    else response.destroy();
  };
  const look = (): void => {
    const now = clock.monotonic();
    fresh = 0;
    let unread = 0;
    const stuck: Answer[] = [];
    for (const answer of open) {
      const waiting = waitingOf(answer.response);
      const taken = answer.written - waiting;
      // That more of it waits than before is not that it gets on.
      const isStuck = waiting > 0 && taken <= answer.taken;
      answer.waiting = waiting;
      unread += waiting;
      if (!isStuck) Object.assign(answer, { taken, since: now });
      else if (now - answer.since < SLOW_READER_TIMEOUT_MS) stuck.push(answer);
      else {
        unread -= waiting;
        end(answer, `nothing was read for ${SLOW_READER_TIMEOUT_MS / 1000} s`);
      }
    }
    if (unread <= maxUnreadBytes) return;
    for (const answer of stuck.toSorted((one, other) => other.waiting - one.waiting)) {
      if (unread <= maxUnreadBytes) break;
      unread -= answer.waiting;
      end(answer, `answers that wait to be read hold more than ${maxUnreadBytes} bytes`);
    }
  };

  return {
    room() {
      // To measure takes as long as there are answers, and most of the time nothing waits.
      if (most < lookBytes) return () => true;
      most = 0;
      const byPeer = new Map<string, number>();
      for (const { response, peer } of open) {
        const waiting = waitingOf(response);
        most += waiting;
        byPeer.set(peer, (byPeer.get(peer) ?? 0) + waiting);
      }
      // Answers of calls do not wait for room, so more than the limit can wait; who has nothing that waits may go on then, too.
      const share = Math.max(0, (maxUnreadBytes - most) / 2);
      return (peer) => (byPeer.get(peer) ?? 0) <= share;
    },
    add(request, response) {
      const peer = peerOf(socketOf(request) ?? {});
      const answer: Answer = { peer, request, response, written: 0, waiting: 0, taken: 0, since: clock.monotonic() };
      open.add(answer);
      countWrites(response, (bytes) => {
        answer.written += bytes;
        fresh += bytes;
        most += bytes;
        if (fresh > lookBytes) look();
      });
      timer ??= setRepeatingTimer(clock, SLOW_READER_CHECK_MS, look);
      response.once("close", () => {
        open.delete(answer);
        if (open.size > 0) return;
        timer?.cancel();
        timer = undefined;
      });
    },
  };
}

function countWrites(response: Response, count: (bytes: number) => void): void {
  // Over HTTP/2, `end` writes by `write`.
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

/** What of an answer has been written and not been taken. */
function waitingOf(response: Response): number {
  return "stream" in response ? (response.stream?.writableLength ?? 0) : response.writableLength;
}
