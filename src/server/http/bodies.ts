import { type Clock, HeliosError, type Limit, race, type Timer } from "../../core/index.ts";
import { fromHeliosError } from "../errors.ts";
import { MAX_CONNECTION_BODIES_BYTES, MAX_REQUEST_BODIES_BYTES, REQUEST_BODY_TIMEOUT_MS } from "../transport/limits.ts";
import { connectionOf } from "../transport/peer.ts";
import type { RequestHandler } from "../transport/request-handler.ts";
import { createEnvelopes } from "./envelopes.ts";

type Request = Parameters<RequestHandler>[0];
type Response = Parameters<RequestHandler>[1];

/**
 * Time after which a client should retry after `REQUESTS_TOO_LARGE`: about as long as a large request takes. @limit ms
 */
const RETRY_AFTER_MS = 1000;

/** Reads the bodies of requests, within what all of them and those of one connection may hold together. */
export interface Bodies {
  /**
   * From now on the request's body is read through here. What was read counts until its answer is written; of a stream
   * that may go on for ever (not `ends`), until the message that it is of has been handed on. Reading fails with
   * REQUESTS_TOO_LARGE beyond a limit, and with REQUEST_TOO_SLOW where the body, or a message of such a stream, does not
   * end in time.
   */
  bound(request: Request, response: Response, ends: boolean): void;
  /** Held now. */
  readonly bytes: number;
}

/** What the requests of one connection hold. */
interface Connection {
  bytes: number;
}

export function createBodies(clock: Clock): Bodies {
  let all = 0;
  const connections = new WeakMap<object, Connection>();
  const heldOf = (request: Request): Connection => {
    const key = connectionOf(request);
    const known = connections.get(key) ?? { bytes: 0 };
    connections.set(key, known);
    return known;
  };
  const tooLarge = (limit: number, scope: string): Error =>
    fromHeliosError(
      HeliosError.of("REQUESTS_TOO_LARGE", { limit: String(limit), scope }, { retryAfterMs: RETRY_AFTER_MS }),
    );
  const check = ({ bytes }: Connection): void => {
    if (bytes > MAX_CONNECTION_BODIES_BYTES) throw tooLarge(MAX_CONNECTION_BODIES_BYTES, "on this connection");
    // A connection holds no more than what is left then, so that there is always some for those that hold little.
    if (bytes <= MAX_REQUEST_BODIES_BYTES - all) return;
    throw tooLarge(MAX_REQUEST_BODIES_BYTES, "in all, less a share that is kept for other connections");
  };

  return {
    get bytes() {
      return all;
    },
    bound(request, response, ends) {
      const connection = heldOf(request);
      let held = 0;
      const hold = (bytes: number): void => {
        all += bytes - held;
        connection.bytes += bytes - held;
        held = bytes;
      };
      const release = (): void => hold(0);
      response.once("close", release);
      // What is read of a request that was refused is thrown away.
      response.once("finish", release);

      async function* read(): AsyncGenerator<Uint8Array> {
        const chunks = request.iterator({ destroyOnReturn: false });
        const late = createDeadline(clock);
        response.once("close", late.cancel);
        const messages = ends ? undefined : createEnvelopes();
        if (ends) late.start();
        try {
          for (;;) {
            const { done, value } = await race(chunks.next(), [late.limit]);
            if (done === true) return;
            const chunk = value as Uint8Array;
            hold(held + chunk.length);
            check(connection);
            const begun = messages?.add(chunk);
            // A message has ended in time, however long its taker works then.
            if (begun !== undefined && begun < held) late.cancel();
            yield chunk;
            if (begun === undefined) continue;
            // Whoever asks for more has taken the messages that came as a whole. Before, nobody reads what comes of the next.
            if (begun > 0) late.start();
            hold(begun);
          }
        } catch (error) {
          // Whatever was collected of it is nobody's now.
          release();
          throw error;
        } finally {
          late.cancel();
          void chunks.return?.().catch(() => {});
        }
      }
      request[Symbol.asyncIterator] = () => read() as never;
    },
  };
}

/** By when what is read must have ended. */
interface Deadline {
  /** The time runs from now on, unless it does already. */
  start(): void;
  cancel(): void;
  /** Ends a wait with REQUEST_TOO_SLOW when the time is over. One at a time. */
  readonly limit: Limit;
}

function createDeadline(clock: Clock): Deadline {
  let timer: Timer | undefined;
  let error: Error | undefined;
  let fail: ((error: Error) => void) | undefined;
  const expire = (): void => {
    error = fromHeliosError(HeliosError.of("REQUEST_TOO_SLOW", { timeout: `${REQUEST_BODY_TIMEOUT_MS / 1000} s` }));
    fail?.(error);
  };
  return {
    start() {
      timer ??= clock.setTimer(REQUEST_BODY_TIMEOUT_MS, expire);
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
