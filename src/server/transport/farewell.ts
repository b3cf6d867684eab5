import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../../core/index.ts";
import type { DirectConnection } from "./direct/connection.ts";
import type { RequestHandler } from "./request-handler.ts";

/**
 * Time that an HTTP/2 client of an ending server may take to answer a ping. Until then, calls that it had sent are
 * refused with `SERVER_DRAINING`; then its connection accepts no more. @limit ms
 */
const LAST_CALLS_MS = 1000;

/**
 * Closes a connection when its streams have ended, and opens no more. The session does not know the direct streams, and alone would
 * close the connection before they have ended.
 */
export function closeInOrder(session: ServerHttp2Session, direct: DirectConnection | undefined): void {
  if (session.destroyed) return;
  if (direct === undefined) session.close();
  else direct.leave(() => !session.destroyed && session.close());
}

/**
 * Asks the client to open no more streams (GOAWAY), and closes the connection when its streams have ended. Calls that are
 * already on their way are accepted first, so that they are refused with a reason. A reset stream would have none.
 */
export function sayGoodbye(session: ServerHttp2Session, direct: DirectConnection | undefined, clock: Clock): void {
  if (session.destroyed || session.closed) return;
  const close = (): void => {
    timer.cancel();
    closeInOrder(session, direct);
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
  /**
   * Runs `then` when all requests of a connection that have arrived whole are answered. Only the first `then` of a connection is
   * run.
   */
  whenAnswered(socket: Duplex, then: () => void): void;
  /**
   * The client has ended its half of a connection. A stream that waits for its next message ends with the connection, because
   * until that comes, nothing would show whether the client is still there.
   */
  halfClosed(socket: Socket): void;
}

type Response = Parameters<RequestHandler>[1];

export function closeAfterCalls(handler: RequestHandler): OpenCalls {
  let closing = false;
  const open = new Map<Duplex, Set<Response>>();
  const waiting = new WeakSet<Duplex>();
  const announce = (response: Response): void => {
    if (!response.headersSent) response.setHeader("connection", "close");
  };
  const add = (socket: Duplex, response: Response): void => {
    const calls = open.get(socket) ?? new Set();
    open.set(socket, calls.add(response));
    response.once("close", () => {
      calls.delete(response);
      if (calls.size === 0) open.delete(socket);
    });
  };
  return {
    handler(request, response) {
      const { socket } = request;
      add(socket, response);
      if (closing) announce(response);
      // Its headers may have said that the connection stays open.
      response.once("finish", () => {
        if (closing) socket.end();
      });
      handler(request, response);
    },
    close() {
      closing = true;
      for (const calls of open.values()) for (const response of calls) announce(response);
    },
    halfClosed(socket) {
      for (const { headersSent, writableEnded, writableLength } of open.get(socket) ?? [])
        if (headersSent && !writableEnded && writableLength === 0) socket.destroySoon();
    },
    whenAnswered(socket, then) {
      if (waiting.has(socket)) return;
      waiting.add(socket);
      const whole = [...(open.get(socket) ?? [])].filter(({ req }) => req.complete);
      let left = whole.length;
      if (left === 0) then();
      for (const response of whole) {
        response.once("close", () => {
          left -= 1;
          if (left === 0) then();
        });
      }
    },
  };
}
