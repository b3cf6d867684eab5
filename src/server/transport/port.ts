import { createServer as createHttp1Server, type Server as Http1Server } from "node:http";
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Session } from "node:http2";
import { createServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Clock, HeliosError } from "../../core/index.ts";
import { fromHeliosError } from "../errors.ts";
import { toFailure } from "../rest/failure.ts";
import { type DetectedProtocol, detectProtocol } from "./detect.ts";
import { closeAfterCalls, sayGoodbye } from "./farewell.ts";
import type { RequestHandler } from "./handler.ts";
import { keepAlive } from "./keep-alive.ts";
import { MAX_CONNECTIONS } from "./limits.ts";

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
  const http1 = createHttp1(calls.handler);
  const http2 = createHttp2(options, sessions);
  const servers: Record<DetectedProtocol, Http1Server | Http2Server> = { "HTTP/1.1": http1, "HTTP/2": http2 };
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
      servers[protocol].emit("connection", socket);
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

/**
 * Size of all headers of a request; more are refused with `HTTP_HEADERS_TOO_LARGE` (431). Over HTTP/2 the connection is
 * closed by a GOAWAY with COMPRESSION_ERROR. @limit bytes
 */
const MAX_HEADER_BYTES = 256 * 1024;
/** Time that an HTTP/1.1 connection without requests stays open. @limit ms */
const HTTP1_KEEP_ALIVE_MS = 60_000;
/** Time that the headers of an HTTP/1.1 request may take; then the connection is closed. @limit ms */
const HTTP1_HEADERS_TIMEOUT_MS = 10_000;
/** Calls at once on one HTTP/2 connection; a client waits with further ones. @limit calls */
const MAX_STREAMS_PER_CONNECTION = 10_000;
/**
 * Calls that an HTTP/2 client may cancel in one burst; beyond them it is taken for an attacker, and its connection is
 * closed. @limit calls
 */
const STREAM_RESET_BURST_LIMIT = 100_000;
/**
 * Calls that an HTTP/2 client may cancel in the long run; beyond them its connection is closed. @limit calls a second
 */
const STREAM_RESET_RATE_LIMIT = 10_000;
/** Memory of one HTTP/2 connection; new calls on it are refused beyond it. @limit MB */
const MAX_SESSION_MEMORY_MB = 256;

function createHttp1(handler: RequestHandler): Http1Server {
  const options = {
    keepAliveTimeout: HTTP1_KEEP_ALIVE_MS,
    headersTimeout: HTTP1_HEADERS_TIMEOUT_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
  };
  const server = createHttp1Server(options, handler);
  server.on("clientError", refuse);
  // Node enforces the header timeouts of servers that listen; this one is handed its connections by another.
  server.emit("listening");
  return server;
}

/** Answers what is no request, in words of its own: Node's answer has none. */
function refuse({ code }: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const [phrase, error] =
    code === "HPE_HEADER_OVERFLOW"
      ? ["Request Header Fields Too Large", HeliosError.of("HTTP_HEADERS_TOO_LARGE", { limit: MAX_HEADER_BYTES })]
      : ["Bad Request", HeliosError.of("REQUEST_MALFORMED", { problem: "this is no HTTP request" })];
  const { status, body: told } = toFailure(fromHeliosError(error));
  const body = `${JSON.stringify(told)}\n`;
  const head = [`HTTP/1.1 ${status} ${phrase}`, "connection: close", "content-type: application/json"];
  socket.end(`${[...head, `content-length: ${Buffer.byteLength(body)}`].join("\r\n")}\r\n\r\n${body}`);
}

function createHttp2(options: PortOptions, sessions: Set<ServerHttp2Session>): Http2Server {
  const server = createHttp2Server(
    {
      settings: { maxConcurrentStreams: MAX_STREAMS_PER_CONNECTION, maxHeaderListSize: MAX_HEADER_BYTES },
      // Node's default (1,000 at once, 33 a second) takes a client that cancels a lot for an attacker (CVE-2023-44487)
      // and cuts all of its streams.
      streamResetBurst: STREAM_RESET_BURST_LIMIT,
      streamResetRate: STREAM_RESET_RATE_LIMIT,
      // In MB. With Node's default (10), one large message or a few thousand streams make it refuse new ones.
      maxSessionMemory: MAX_SESSION_MEMORY_MB,
    },
    options.handler,
  );
  server.on("session", (session) => {
    sessions.add(session);
    const stop = keepAlive(options.clock, session, options.pingIntervalMs, options.pingTimeoutMs);
    session.once("close", () => {
      stop();
      sessions.delete(session);
    });
    session.on("error", () => session.destroy());
  });
  server.on("sessionError", () => {});
  return server;
}
