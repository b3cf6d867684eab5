import { HeliosError } from "../../core/index.ts";
import { connectionOf } from "../transport/peer.ts";
import type { RequestHandler } from "../transport/request-handler.ts";

type Request = Parameters<RequestHandler>[0];
type Response = Parameters<RequestHandler>[1];

/** Time after which a client should retry after `TOO_MANY_CALLS`. @limit ms */
const RETRY_AFTER_MS = 1000;

/** Counts the calls under way. */
export interface CallLimit {
  /**
   * The call counts until its answer is closed. Returns why it is refused where its connection has as many as all others
   * leave: so there is always room for connections that have few. What is refused does not count, else who does not read
   * the refusals would use up the room. A connection over HTTP/1.1 that has some calls then is cut: it pipelines, and its
   * refusals would pile up behind the answers that it waits for.
   */
  add(request: Request, response: Response): HeliosError | undefined;
}

export function createCallLimit(limit: number): CallLimit {
  let all = 0;
  const connections = new WeakMap<object, { calls: number }>();
  return {
    add(request, response) {
      const key = connectionOf(request);
      const connection = connections.get(key) ?? { calls: 0 };
      connections.set(key, connection);
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
