import { type Limit, race } from "../../core/async/index.ts";
import { type Clock, HeliosError, seconds, type Timer } from "../../core/index.ts";
import { Gathered } from "../calls/gathered.ts";
import { fromHeliosError } from "../errors.ts";
import { MAX_CONNECTION_BODIES_BYTES, MAX_REQUEST_BODIES_BYTES, REQUEST_BODY_TIMEOUT_MS } from "../transport/limits.ts";
import { connectionOf, perConnection } from "../transport/peer.ts";
import type { RequestHandler } from "../transport/request-handler.ts";
import { timedOut } from "./deadline.ts";
import { createEnvelopes } from "./envelopes.ts";

type Request = Parameters<RequestHandler>[0];
type Response = Parameters<RequestHandler>[1];

/**
 * Time after which a client should retry after `REQUESTS_TOO_LARGE`: about as long as a large request takes. @limit ms
 */
const RETRY_AFTER_MS = 1000;

/** Reads the bodies of requests within the limits for one connection and for all of them. */
export interface Bodies {
  /**
   * From now on, the request's body is counted. It counts until the answer is written. In a stream that may stay open
   * forever (`ends` is false), each message counts until it has been handed on. Reading fails with REQUESTS_TOO_LARGE
   * beyond a limit, and with REQUEST_TOO_SLOW if the body, or a message of such a stream, does not end in time. `timeoutMs`: the
   * caller's timeout, after which reading fails with DEADLINE_EXCEEDED. NaN: it has none.
   */
  bound(request: Request, response: Response, ends: boolean, timeoutMs?: number): void;
  /** Returns what counts one body on a connection, for a call without Node's request. */
  holder(connection: object): Holder;
  /** Bytes that are held now. */
  readonly bytes: number;
}

/** Counts the bytes of one body. */
export interface Holder {
  /** From now on, the body holds that many bytes. Throws REQUESTS_TOO_LARGE beyond a limit. */
  hold(bytes: number): void;
  release(): void;
}

/** Bytes that the requests of one connection hold. */
interface Connection {
  bytes: number;
}

export function createBodies(clock: Clock): Bodies {
  let all = 0;
  const heldOf = perConnection((): Connection => ({ bytes: 0 }));
  const tooLarge = (limit: number, scope: string): Error =>
    fromHeliosError(
      HeliosError.of("REQUESTS_TOO_LARGE", { limit: String(limit), scope }, { retryAfterMs: RETRY_AFTER_MS }),
    );
  const check = ({ bytes }: Connection): void => {
    if (bytes > MAX_CONNECTION_BODIES_BYTES) throw tooLarge(MAX_CONNECTION_BODIES_BYTES, "on this connection");
    // A connection may hold at most as much as is left. So there is always space for connections that hold little.
    if (bytes <= MAX_REQUEST_BODIES_BYTES - all) return;
    throw tooLarge(
      MAX_REQUEST_BODIES_BYTES,
      "in all connections together, minus the part that is reserved for other connections",
    );
  };
  /** Returns the function that says how many bytes one body holds from now on. */
  const counter = (connection: Connection): ((bytes: number) => void) => {
    let held = 0;
    return (bytes) => {
      all += bytes - held;
      connection.bytes += bytes - held;
      held = bytes;
    };
  };

  return {
    get bytes() {
      return all;
    },
    holder(identity) {
      const connection = heldOf(identity);
      const count = counter(connection);
      return {
        hold(bytes) {
          count(bytes);
          check(connection);
        },
        release: () => count(0),
      };
    },
    bound(request, response, ends, timeoutMs = Number.NaN) {
      const connection = heldOf(connectionOf(request));
      const count = counter(connection);
      let held = 0;
      const hold = (bytes: number): void => {
        count(bytes);
        held = bytes;
      };
      const release = (): void => hold(0);
      response.once("close", release);
      // A refused request is still read, but its body is discarded.
      response.once("finish", release);
      const deadline = createTimeLimit(clock, timeoutMs, timedOut);
      if (!Number.isNaN(timeoutMs)) {
        deadline.start();
        response.once("close", deadline.cancel);
      }

      async function* read(): AsyncGenerator<Uint8Array> {
        const chunks = request.iterator({ destroyOnReturn: false });
        const late = createTimeLimit(clock, REQUEST_BODY_TIMEOUT_MS, tooSlow);
        response.once("close", late.cancel);
        const joined = new Gathered();
        const messages = ends ? undefined : createEnvelopes();
        if (ends) late.start();
        try {
          for (;;) {
            const { done, value } = await race(chunks.next(), [late.limit, deadline.limit]);
            if (done === true) {
              if (joined.size > 0) yield joined.take();
              return;
            }
            const chunk = value as Uint8Array;
            hold(held + chunk.length);
            check(connection);
            const begun = messages?.add(chunk);
            const isMessageOver = begun !== undefined && begun < held;
            // The message has ended in time. How long it is processed does not matter.
            if (isMessageOver) late.cancel();
            if (!isMessageOver && held > JOINED_BYTES && joined.size + chunk.length <= JOINED_BYTES) {
              joined.add(chunk);
              continue;
            }
            if (joined.size > 0) yield joined.take();
            yield chunk;
            if (begun === undefined) continue;
            // A reader that asks for more has taken all complete messages. Until then, nobody reads the next message, so
            // its time does not run.
            if (begun > 0) late.start();
            hold(begun);
          }
        } catch (error) {
          // The collected bytes are not needed any more.
          release();
          throw error;
        } finally {
          late.cancel();
          deadline.cancel();
          void chunks.return?.().catch(() => {});
        }
      }
      request[Symbol.asyncIterator] = () => read() as never;
    },
  };
}

/**
 * Small pieces of a body are joined to pieces of that size. Connect copies all that it holds of a message with every piece, so
 * that a message in pieces of one byte would hold up the process. The first bytes are passed on at once, because they may be
 * refused already. @limit bytes
 */
const JOINED_BYTES = 16 * 1024;

/** The time limit of a body or message. */
interface TimeLimit {
  /** Starts the timer, unless it is running. */
  start(): void;
  cancel(): void;
  /** Ends a wait with the error when the time is over. Only one wait at a time. */
  readonly limit: Limit;
}

function createTimeLimit(clock: Clock, ms: number, errorOf: () => Error): TimeLimit {
  let timer: Timer | undefined;
  let error: Error | undefined;
  let fail: ((error: Error) => void) | undefined;
  const expire = (): void => {
    error = errorOf();
    fail?.(error);
  };
  return {
    start() {
      timer ??= clock.setTimer(ms, expire);
    },
    cancel() {
      timer?.cancel();
      timer = undefined;
    },
    limit(end) {
      if (error !== undefined) end(error);
      fail = end;
      return () => {
        fail = undefined;
      };
    },
  };
}

const tooSlow = (): Error =>
  fromHeliosError(HeliosError.of("REQUEST_TOO_SLOW", { timeout: seconds(REQUEST_BODY_TIMEOUT_MS) }));
