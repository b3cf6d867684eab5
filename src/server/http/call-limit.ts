import { HeliosError } from "../../core/index.ts";
import { connectionOf, perConnection } from "../transport/peer.ts";
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
  /** The same for a call without Node's request: counts it until `leave`, unless it is refused. */
  enter(connection: object): HeliosError | undefined;
  leave(connection: object): void;
  /** Number of calls in progress. */
  readonly calls: number;
}

export function createCallLimit(limit: number): CallLimit {
  let all = 0;
  const callsOf = perConnection(() => ({ calls: 0 }));
  const enter = (connection: object): HeliosError | undefined => {
    const own = callsOf(connection);
    if (own.calls >= limit - all) {
      return HeliosError.of("TOO_MANY_CALLS", { limit, own: own.calls }, { retryAfterMs: RETRY_AFTER_MS });
    }
    all += 1;
    own.calls += 1;
    return undefined;
  };
  const leave = (connection: object): void => {
    all -= 1;
    callsOf(connection).calls -= 1;
  };
  return {
    get calls() {
      return all;
    },
    enter,
    leave,
    add(request, response) {
      const connection = connectionOf(request);
      const refusal = enter(connection);
      if (refusal === undefined) response.once("close", () => leave(connection));
      else if (request.httpVersionMajor === 1 && callsOf(connection).calls > 0) request.socket.destroy();
      return refusal;
    },
  };
}
