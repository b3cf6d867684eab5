import { HeliosError } from "../../core/index.ts";
import { perConnection } from "../transport/peer.ts";
import type { RequestHandler } from "../transport/request-handler.ts";

type Request = Parameters<RequestHandler>[0];
type Response = Parameters<RequestHandler>[1];

/** Time after which a client should retry after `TOO_MANY_CALLS`. @limit ms */
const RETRY_AFTER_MS = 1000;

/** Counts the calls in progress. */
export interface CallLimit {
  /**
   * Counts the call until its answer is closed. Returns the error if the call is refused: its connection already has as
   * many calls as the others leave, so there is always space for connections with few calls. A refused call does not count,
   * because a client that does not read refusals would use up the space. An HTTP/1.1 connection with calls in progress is
   * closed, because it pipelines, and its refusals would queue behind the answers.
   */
  add(request: Request, response: Response): HeliosError | undefined;
}

export function createCallLimit(limit: number): CallLimit {
  let all = 0;
  const callsOf = perConnection(() => ({ calls: 0 }));
  return {
    add(request, response) {
      const connection = callsOf(request);
      const own = connection.calls;
      if (own >= limit - all) {
        if (own > 0 && request.httpVersionMajor === 1) request.socket.destroy();
        return HeliosError.of("TOO_MANY_CALLS", { limit, own }, { retryAfterMs: RETRY_AFTER_MS });
      }
      all += 1;
      connection.calls += 1;
      response.once("close", () => {
        all -= 1;
        connection.calls -= 1;
      });
      return undefined;
    },
  };
}
