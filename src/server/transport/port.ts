import { createServer as createHttp1Server, type Server as Http1Server } from "node:http";
import { constants, createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import { createServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Clock, HeliosError, seconds, type Timer } from "../../core/index.ts";
import { fromHeliosError } from "../errors.ts";
import { toFailure } from "../rest/failure.ts";
import { createBucket } from "./bucket.ts";
import { type DetectedProtocol, detectProtocol } from "./detect.ts";
import { DirectConnection } from "./direct/connection.ts";
import { SocketSink, type Track } from "./direct/sink.ts";
import type { Accept } from "./direct/stream.ts";
import { closeAfterCalls, type OpenCalls, sayGoodbye } from "./farewell.ts";
import { FrameGate } from "./frame-gate.ts";
import { boundHalfClosed, endHalfClosed } from "./half-closed.ts";
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
import { peerOf, rememberSocket } from "./peer.ts";
import type { RequestHandler } from "./request-handler.ts";
import { createTls, negotiated, type TlsOptions } from "./tls.ts";
import type { UnfinishedHeaders } from "./unfinished.ts";

export interface PortOptions {
  readonly handler: RequestHandler;
  /** Accepts requests over HTTP/2 that `handler` need not see. Default: none. */
  readonly accept?: Accept | undefined;
  /** Watches answers that clients may be slow to read. Default: nobody does. */
  readonly track?: Track | undefined;
  readonly clock: Clock;
  /**
   * Time after which a connection that has not sent its protocol is closed, however many bytes it has sent. It includes the
   * handshake of TLS.
   */
  readonly firstByteTimeoutMs: number;
  /** Interval of pings on a silent HTTP/2 connection, and the time that the client has to answer. */
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  /** Certificates, if connections use TLS. Default: connections are in plaintext. */
  readonly tls?: TlsOptions | undefined;
}

/**
 * One port for HTTP/1.1 and HTTP/2. The protocol of a connection is the one that its TLS handshake agrees on (ALPN). In
 * plaintext, its first bytes determine it.
 */
export interface Port {
  /** Rejects if the server cannot listen on the address. Resolves to the port, also if 0 was requested. */
  listen(host: string, port: number): Promise<number>;
  /** Accepts no new connections, and asks the existing ones to close. Resolves when the last one has closed. */
  close(): Promise<void>;
  /** Closes every connection at once. */
  destroy(): void;
  /** What all clients hold now. */
  usage(): PortUsage;
}

export interface PortUsage {
  readonly connections: number;
  /** Streams that are served directly and have not ended. */
  readonly streams: number;
  readonly unfinishedHeaderBytes: number;
}

/** Throws ARGUMENT_INVALID if the certificates cannot be used. */
export function createPort(options: PortOptions): Port {
  const sockets = new Set<Socket>();
  /** Connections whose protocol is not known yet. */
  const silent = new Set<Socket>();
  const sessions = new Map<ServerHttp2Session, DirectConnection | undefined>();
  const calls = closeAfterCalls(options.handler);
  const http1 = createHttp1(calls, options.clock);
  const unfinished: UnfinishedHeaders = { bytes: 0 };
  const http2 = createHttp2(options, sessions, unfinished);
  const take: Record<DetectedProtocol, (socket: Socket) => void> = {
    "HTTP/1.1": (socket) => {
      socket.once("end", () => calls.halfClosed(socket));
      http1.emit("connection", socket);
    },
    "HTTP/2": http2,
  };
  const secure = options.tls === undefined ? undefined : createTls(options.tls);
  // HTTP/1.1 has no pings. With TCP keep-alive, at least the kernel notices in time when a client is gone.
  const keepAliveInitialDelay = options.pingIntervalMs;
  // A client may end its half before it has got its answers.
  const accepting = { noDelay: true, keepAlive: true, keepAliveInitialDelay, allowHalfOpen: true };
  const listener = createServer(accepting, (socket) => {
    sockets.add(socket);
    silent.add(socket);
    const tooLate = options.clock.setTimer(options.firstByteTimeoutMs, () => socket.destroy());
    socket.once("close", () => {
      tooLate.cancel();
      sockets.delete(socket);
      silent.delete(socket);
    });
    // It is normal that clients reset connections, so it is not logged.
    socket.on("error", () => socket.destroy());
    const begin = (connection: Socket, agreed?: DetectedProtocol): void => {
      connection.once("end", () => silent.has(socket) && socket.destroy());
      detectProtocol(connection, (detected) => {
        silent.delete(socket);
        tooLate.cancel();
        boundHalfClosed(connection, options.clock);
        take[agreed ?? detected](connection);
      });
    };
    if (secure === undefined) begin(socket);
    else secure(socket, (secured) => begin(secured, negotiated(secured)));
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
        for (const [session, direct] of sessions) sayGoodbye(session, direct, options.clock);
        // A connection without a request has no answer to wait for.
        for (const socket of silent) socket.destroy();
      }),
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
    usage() {
      const streams = [...sessions.values()].reduce((sum, direct) => sum + (direct?.size ?? 0), 0);
      return { connections: sockets.size, streams, unfinishedHeaderBytes: unfinished.bytes };
    },
  };
}

function createHttp1({ handler, whenAnswered }: OpenCalls, clock: Clock): Http1Server {
  const options = {
    keepAliveTimeout: HTTP1_KEEP_ALIVE_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    maxHeaderSize: MAX_HTTP1_HEADERS_BYTES,
    // Node would refuse such a request without an explanation. The handler explains it.
    requireHostHeader: false,
  };
  const server = createHttp1Server(options, handler);
  // Otherwise, Node gives up all calls of a client that has ended its half.
  Object.assign(server, { httpAllowHalfOpen: true });
  boundUnfinishedHeaders(server, clock);
  server.on("checkExpectation", handler);
  server.on("clientError", ({ code }: NodeJS.ErrnoException, socket) => {
    if (code === "ECONNRESET") socket.destroy();
    else whenAnswered(socket, () => refuse(socket, clock, ...refusalOf(code)));
  });
  server.on("connect", ({ url = "" }, socket) => {
    const error = { method: "CONNECT", path: url.slice(0, 200), allowed: "GET, HEAD, POST, PATCH, DELETE" };
    refuse(socket, clock, "Method Not Allowed", HeliosError.of("HTTP_METHOD_NOT_ALLOWED", error));
  });
  // Node only enforces header timeouts for a server that listens. This server gets its connections from another one.
  server.emit("listening");
  return server;
}

/** Answers invalid data that never becomes a request, with an explanation, which Node's own answer lacks. */
function refuse(socket: Duplex, clock: Clock, phrase: string, error: HeliosError): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const { status, headers, body: failure } = toFailure(fromHeliosError(error));
  const body = `${JSON.stringify(failure)}\n`;
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
      return ["Request Timeout", HeliosError.of("REQUEST_TOO_SLOW", { timeout: seconds(HEADERS_TIMEOUT_MS) })];
    default:
      return ["Bad Request", HeliosError.of("REQUEST_MALFORMED", { problem: "this is not an HTTP request" })];
  }
}

/** Accepts connections over HTTP/2. */
function createHttp2(
  options: PortOptions,
  sessions: Map<ServerHttp2Session, DirectConnection | undefined>,
  unfinished: UnfinishedHeaders,
): (socket: Socket) => void {
  const { clock, pingIntervalMs, pingTimeoutMs } = options;
  const server = createHttp2Server(
    {
      settings: {
        maxConcurrentStreams: MAX_CONNECTION_STREAMS,
        maxHeaderListSize: ANNOUNCED_HTTP2_HEADERS_BYTES,
        // Without a dynamic table, headers do not refer to earlier ones, so too large headers can be left out without side
        // effects.
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
  return (socket) => {
    let session: ServerHttp2Session | undefined;
    let end: (() => void) | undefined;
    const refuse = (code: number): void => destroyWith(session, code);
    const refuseAll = (code: number): void => gate.refuse(code);
    const direct = options.accept && createDirect(options.accept, options.track, { socket, clock, refuse: refuseAll });
    const ended = (): void => end?.();
    const gate: FrameGate = new FrameGate({ socket, clock, unfinished, refuse, ended, direct });
    server.once("session", (made) => {
      session = made;
      end = endHalfClosed(made, gate, direct, clock);
      if (direct !== undefined) direct.identity = made;
      sessions.set(made, direct);
      rememberSocket(made, socket);
      rememberGate(made, gate);
      // Also Node itself calls it, and tells nobody before the end.
      lingerBefore(made, gate, clock);
      const stop = keepAlive(clock, made, socket, pingIntervalMs, pingTimeoutMs);
      made.once("close", () => {
        stop();
        sessions.delete(made);
      });
      made.on("error", () => made.destroy());
    });
    // The session is created synchronously.
    server.emit("connection", gate);
  };
}

/**
 * Node:http2 destroys a session that is to be closed when its streams have ended, as far as it knows. What it has sent may still
 * wait in the gate. So an orderly end waits for that, for a limited time, and every other end gives it up.
 */
function lingerBefore(session: ServerHttp2Session, gate: FrameGate, clock: Clock): void {
  const destroy = session.destroy.bind(session);
  let lingering: Timer | undefined;
  const end = (...why: Parameters<typeof destroy>): void => {
    lingering?.cancel();
    destroy(...why);
    gate.abandon();
  };
  session.destroy = (error, code) => {
    const isOrderly = !error && !code && gate.isWaiting && !session.destroyed;
    if (!isOrderly) {
      end(error, code);
      return;
    }
    if (lingering !== undefined) return;
    lingering = clock.setTimer(MAX_REFUSED_REQUEST_MS, () => end());
    gate.whenSent(() => end());
  };
}

interface Connection {
  readonly socket: Socket;
  readonly clock: Clock;
  readonly refuse: (code: number) => void;
}

function createDirect(
  accept: Accept,
  track: Track = () => ({ wrote() {}, ended() {} }),
  { socket, clock, refuse }: Connection,
): DirectConnection {
  const resets = createBucket(clock, STREAM_RESETS_BURST, STREAM_RESETS_PER_SECOND);
  const peer = peerOf(socket);
  const cut = (): void => refuse(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  const sink = new SocketSink({ socket, peer, track, cut });
  return new DirectConnection({ accept, sink, clock, peer, mayReset: () => resets.take(), refuse });
}

/** Closes a connection with an error code. Without an error, Node would use a default error, which has no code. */
function destroyWith(session: ServerHttp2Session | undefined, code: number): void {
  session?.destroy(null as unknown as undefined, code);
}
