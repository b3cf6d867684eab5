import type { ServerHttp2Session } from "node:http2";
import type { Clock } from "../../core/index.ts";
import type { DirectConnection } from "./direct/connection.ts";
import type { RequestHandler } from "./request-handler.ts";

/**
 * Time that an HTTP/2 client of an ending server may take to answer a ping. Until then, calls that it had sent are
 * refused with `SERVER_DRAINING`; then its connection accepts no more. @limit ms
 */
const LAST_CALLS_MS = 1000;

/**
 * Asks the client to open no more streams (GOAWAY), and closes the connection when its streams have ended. Calls that are
 * already on their way are accepted first, so that they are refused with a reason. A reset stream would have none.
 */
export function sayGoodbye(session: ServerHttp2Session, direct: DirectConnection | undefined, clock: Clock): void {
  if (session.destroyed || session.closed) return;
  const close = (): void => {
    timer.cancel();
    if (session.destroyed) return;
    // The session does not know the direct streams, and would close the connection before they have ended.
    if (direct === undefined) session.close();
    else direct.leave(() => !session.destroyed && session.close());
  };
  const timer = clock.setTimer(LAST_CALLS_MS, close);
  session.once("close", () => timer.cancel());
  // The answer to the ping comes after everything that the client has sent before.
  if (!session.ping(close)) close();
}

/** Calls over HTTP/1.1. Their connections are closed as the calls end. */
export interface OpenCalls {
  readonly handler: RequestHandler;
  /** From now on, each connection is closed when its call ends. */
  close(): void;
}

export function closeAfterCalls(handler: RequestHandler): OpenCalls {
  let closing = false;
  type Response = Parameters<RequestHandler>[1];
  const open = new Set<Response>();
  const announce = (response: Response): void => {
    if (!response.headersSent) response.setHeader("connection", "close");
  };
  return {
    handler(request, response) {
      const { socket } = request;
      open.add(response);
      if (closing) announce(response);
      // Its headers may have said that the connection stays open.
      response.once("finish", () => {
        if (closing) socket.end();
      });
      response.once("close", () => open.delete(response));
      handler(request, response);
    },
    close() {
      closing = true;
      for (const response of open) announce(response);
    },
  };
}
