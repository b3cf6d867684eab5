import { createServer as createHttp1Server, type Server as Http1Server } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import { createServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Clock, HeliosError } from "../../core/index.ts";
import { fromHeliosError } from "../errors.ts";
import { toFailure } from "../rest/failure.ts";
import { type DetectedProtocol, detectProtocol } from "./detect.ts";
import { closeAfterCalls, sayGoodbye } from "./farewell.ts";
import { FrameGate, type UnfinishedHeaders } from "./frame-gate.ts";
import { rememberGate } from "./headers.ts";
import { boundUnfinishedHeaders } from "./http1-headers.ts";
import { keepAlive } from "./keep-alive.ts";
import {
  ANNOUNCED_HTTP2_HEADERS_BYTES,
  HEADERS_TIMEOUT_MS,
  HTTP1_KEEP_ALIVE_MS,
  MAX_CONNECTION_STREAMS,
  MAX_CONNECTIONS,
  MAX_HEADERS,
  MAX_HTTP1_HEADERS_BYTES,
  MAX_REFUSED_REQUEST_MS,
  MAX_SESSION_MEMORY_MB,
  STREAM_RESETS_BURST,
  STREAM_RESETS_PER_SECOND,
  TIMEOUT_CHECK_MS,
} from "./limits.ts";
import { rememberSocket } from "./peer.ts";
import type { RequestHandler } from "./request-handler.ts";

export interface PortOptions {
  readonly handler: RequestHandler;
  readonly clock: Clock;
  /** A connection that has not said for so long what it speaks is closed, however many bytes it trickles. */
  readonly firstByteTimeoutMs: number;
  /** How often a silent HTTP/2 connection is asked whether it is still there, and how long it may take to answer. */
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
}

/** One cleartext port for HTTP/1.1 and HTTP/2: the first bytes of each connection say which it speaks. */
export interface Port {
  /** Rejects when the address cannot be listened on. Resolves to the port, also where 0 was asked for. */
  listen(host: string, port: number): Promise<number>;
  /** Takes no new connections and tells those that are there to go; resolves when the last one has gone. */
  close(): Promise<void>;
  /** Cuts every connection. */
  destroy(): void;
}

export function createPort(options: PortOptions): Port {
  const sockets = new Set<Socket>();
  /** Those that have not said yet what they speak. */
  const silent = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const calls = closeAfterCalls(options.handler);
  const http1 = createHttp1(calls.handler, options.clock);
  const http2 = createHttp2(options, sessions);
  const take: Record<DetectedProtocol, (socket: Socket) => void> = {
    "HTTP/1.1": (socket) => http1.emit("connection", socket),
    "HTTP/2": http2,
  };
  // HTTP/1.1 has no pings: of a peer that is gone without a word, at least the kernel finds out in the end.
  const keepAliveInitialDelay = options.pingIntervalMs;
  const listener = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay }, (socket) => {
    sockets.add(socket);
    silent.add(socket);
    const tooLate = options.clock.setTimer(options.firstByteTimeoutMs, () => socket.destroy());
    socket.once("close", () => {
      tooLate.cancel();
      sockets.delete(socket);
      silent.delete(socket);
    });
    // Peers that reset a connection are nothing to be told of.
    socket.on("error", () => socket.destroy());
    detectProtocol(socket, (protocol) => {
      silent.delete(socket);
      tooLate.cancel();
      take[protocol](socket);
    });
  });

  listener.maxConnections = MAX_CONNECTIONS;

  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        listener.once("error", reject);
        listener.listen({ host, port }, () => {
          listener.off("error", reject);
          const address = listener.address();
          resolve(typeof address === "object" && address !== null ? address.port : port);
        });
      }),
    close: () =>
      new Promise((resolve) => {
        listener.close(() => resolve());
        calls.close();
        http1.close();
        for (const session of sessions) sayGoodbye(session, options.clock);
        // Whoever has asked nothing yet has nothing to wait for.
        for (const socket of silent) socket.destroy();
      }),
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function createHttp1(handler: RequestHandler, clock: Clock): Http1Server {
  const options = {
    keepAliveTimeout: HTTP1_KEEP_ALIVE_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    maxHeaderSize: MAX_HTTP1_HEADERS_BYTES,
    // What Node would refuse by itself it refuses without a word: the handler says why.
    requireHostHeader: false,
  };
  const server = createHttp1Server(options, handler);
  boundUnfinishedHeaders(server, clock);
  server.on("checkExpectation", handler);
  server.on("clientError", ({ code }: NodeJS.ErrnoException, socket) => {
    if (code === "ECONNRESET") socket.destroy();
    else refuse(socket, clock, ...refusalOf(code));
  });
  server.on("connect", ({ url = "" }, socket) => {
    const error = { method: "CONNECT", path: url.slice(0, 200), allowed: "GET, HEAD, POST, PATCH, DELETE" };
    refuse(socket, clock, "Method Not Allowed", HeliosError.of("HTTP_METHOD_NOT_ALLOWED", error));
  });
  // Node enforces the header timeouts of servers that listen; this one is handed its connections by another.
  server.emit("listening");
  return server;
}

/** Answers what never becomes a request of the handler, in words of its own: Node's answer has none. */
function refuse(socket: Duplex, clock: Clock, phrase: string, error: HeliosError): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const { status, headers, body: told } = toFailure(fromHeliosError(error));
  const body = `${JSON.stringify(told)}\n`;
  const all = {
    connection: "close",
    ...headers,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
  };
  const lines = [`HTTP/1.1 ${status} ${phrase}`, ...Object.entries(all).map(([name, value]) => `${name}: ${value}`)];
  const enough = clock.setTimer(MAX_REFUSED_REQUEST_MS, () => socket.destroy());
  socket.once("close", () => enough.cancel());
  socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
}

function refusalOf(code: string | undefined): readonly [string, HeliosError] {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return [
        "Request Header Fields Too Large",
        HeliosError.of("HTTP_HEADERS_TOO_LARGE", { limit: MAX_HTTP1_HEADERS_BYTES }),
      ];
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return ["Request Timeout", HeliosError.of("REQUEST_TOO_SLOW", { timeout: `${HEADERS_TIMEOUT_MS / 1000} s` })];
    default:
      return ["Bad Request", HeliosError.of("REQUEST_MALFORMED", { problem: "this is no HTTP request" })];
  }
}

/** Takes connections over HTTP/2. */
function createHttp2(options: PortOptions, sessions: Set<ServerHttp2Session>): (socket: Socket) => void {
  const { clock, pingIntervalMs, pingTimeoutMs } = options;
  const server = createHttp2Server(
    {
      settings: {
        maxConcurrentStreams: MAX_CONNECTION_STREAMS,
        maxHeaderListSize: ANNOUNCED_HTTP2_HEADERS_BYTES,
        // Headers that refer to no earlier ones can be left out without a trace where they are too large.
        headerTableSize: 0,
      },
      maxHeaderListPairs: MAX_HEADERS,
      streamResetBurst: STREAM_RESETS_BURST,
      streamResetRate: STREAM_RESETS_PER_SECOND,
      maxSessionMemory: MAX_SESSION_MEMORY_MB,
    },
    options.handler,
  );
  server.on("sessionError", () => {});
  server.on("checkExpectation", options.handler);
  const unfinished: UnfinishedHeaders = { bytes: 0 };
  return (socket) => {
    let session: ServerHttp2Session | undefined;
    const gate = new FrameGate({ socket, clock, unfinished, refuse: (code) => destroyWith(session, code) });
    server.once("session", (made) => {
      session = made;
      sessions.add(made);
      rememberSocket(made, socket);
      rememberGate(made, gate);
      const stop = keepAlive(clock, made, socket, pingIntervalMs, pingTimeoutMs);
      made.once("close", () => {
        stop();
        sessions.delete(made);
      });
      made.on("error", () => made.destroy());
    });
    // A session is made at once.
    server.emit("connection", gate);
  };
}

/** Closes a connection, and says why: of an error that is undefined Node takes its default instead, which has no code. */
function destroyWith(session: ServerHttp2Session | undefined, code: number): void {
  session?.destroy(null as unknown as undefined, code);
}
