import { type Clock, HeliosError } from "../../core/index.ts";
import { fromHeliosError } from "../errors.ts";
import type { RequestHandler } from "./handler.ts";
import { MAX_CONNECTION_BODIES_BYTES, MAX_REQUEST_BODIES_BYTES, REQUEST_BODY_TIMEOUT_MS } from "./limits.ts";

type Request = Parameters<RequestHandler>[0];
type Response = Parameters<RequestHandler>[1];

/**
 * Time after which a client that was told `REQUESTS_TOO_LARGE` should try again: about as long as a large request
 * takes. @limit ms
 */
const RETRY_AFTER_MS = 1000;

/** Reads the bodies of requests, within what all of them and those of one connection may hold together. */
export interface Bodies {
  /**
   * From now on the request's body is read through here. What was read counts until its answer is written. Reading fails
   * with REQUESTS_TOO_LARGE beyond a limit, and with REQUEST_TOO_SLOW where a body that must end (`ends`) does not in time.
   */
  bound(request: Request, response: Response, ends: boolean): void;
  /** Held now. */
  readonly bytes: number;
}

export function createBodies(clock: Clock): Bodies {
  let all = 0;
  const byConnection = new WeakMap<object, number>();
  const add = (connection: object, bytes: number): void => {
    all += bytes;
    byConnection.set(connection, (byConnection.get(connection) ?? 0) + bytes);
  };
  const tooLarge = (limit: number, scope: string): Error =>
    fromHeliosError(
      HeliosError.of("REQUESTS_TOO_LARGE", { limit: String(limit), scope }, { retryAfterMs: RETRY_AFTER_MS }),
    );
  const check = (connection: object): void => {
    if (all > MAX_REQUEST_BODIES_BYTES) throw tooLarge(MAX_REQUEST_BODIES_BYTES, "in all");
    if ((byConnection.get(connection) ?? 0) <= MAX_CONNECTION_BODIES_BYTES) return;
    throw tooLarge(MAX_CONNECTION_BODIES_BYTES, "on this connection");
  };

  return {
    get bytes() {
      return all;
    },
    bound(request, response, ends) {
      // Of HTTP/2, the request's own socket is a stand-in for each stream.
      const connection = "stream" in request ? (request.stream.session ?? request) : request.socket;
      let held = 0;
      const release = (): void => {
        add(connection, -held);
        held = 0;
      };
      response.once("close", release);
      // What is read of a request that was refused is thrown away.
      response.once("finish", release);

      async function* read(): AsyncGenerator<Uint8Array> {
        const { promise: late, reject } = Promise.withResolvers<never>();
        late.catch(() => {});
        const timeout = `${REQUEST_BODY_TIMEOUT_MS / 1000} s`;
        const expire = (): void => reject(fromHeliosError(HeliosError.of("REQUEST_TOO_SLOW", { timeout })));
        const timer = clock.setTimer(ends ? REQUEST_BODY_TIMEOUT_MS : Number.POSITIVE_INFINITY, expire);
        response.once("close", () => timer.cancel());
        const chunks = request.iterator({ destroyOnReturn: false });
        try {
          for (;;) {
            const { done, value } = await Promise.race([chunks.next(), late]);
            if (done === true) return;
            const chunk = value as Uint8Array;
            held += chunk.length;
            add(connection, chunk.length);
            check(connection);
            yield chunk;
          }
        } catch (error) {
          // Whatever was collected of it is nobody's now.
          release();
          throw error;
        } finally {
          timer.cancel();
          void chunks.return?.().catch(() => {});
        }
      }
      request[Symbol.asyncIterator] = () => read() as never;
    },
  };
}
