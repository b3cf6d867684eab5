import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { createEngine } from "../../../src/core/index.ts";
import { type Server, type ServerOptions, startServer } from "../../../src/server/server.ts";
import { countedClock } from "../../support/clocks.ts";
import { until } from "../../support/until.ts";
import { block, END_HEADERS, END_STREAM, type Field, frame, HEADERS, message, NOTHING } from "./frames.ts";
import { createPeer, type Peer } from "./peer.ts";

/** Calls at once on all connections. Few, so that each one that is left over is noticed. */
const MOST_CALLS = 12;
/** Timers that serve all clients may go on: for bodies that are late, and for unfinished headers over HTTP/1.1. */
const SHARED_TIMERS = 2;
export const LIST = "/helios.v1.FlagService/ListFlags";
export const WATCH = "/helios.v1.FlagService/WatchFlags";

/** A server that is abused by some clients, while another one uses it as it should be used. */
export interface Abused {
  readonly port: number;
  /** Opens a connection that may send anything. */
  peer(settings?: Buffer, isReading?: boolean): Promise<Peer>;
  /**
   * Resolves when the other client has been served on its old connection and on a new one, its stream is still open, and no
   * call of an abuser is in progress any more. Rejects if the server has met an unforeseen error.
   */
  recovers(): Promise<void>;
  /** What clients hold of the server now. */
  readonly usage: Server["usage"];
  /** Ends the server in order. */
  drain(): Promise<void>;
  /** Resolves when all clients are gone and nothing of them is left: no stream, no byte, no timer. */
  close(): Promise<void>;
}

/** Starts a server. `options` may select another implementation of a protocol. */
export async function startAbused(options: Partial<ServerOptions> = {}): Promise<Abused> {
  const engine = await createEngine({ modulesRoot: `${import.meta.dirname}/../../fixtures/modules` });
  const unforeseen: unknown[] = [];
  const { clock, timers } = countedClock();
  const server = await startServer({
    engine,
    clock,
    host: "127.0.0.1",
    port: 0,
    version: "",
    log: (_, text, fields) => text === "unforeseen error" && unforeseen.push(fields),
    graceMs: 0,
    maxOpenCalls: MOST_CALLS,
    ...options,
  });
  const peers: Peer[] = [];
  const bystander = connect(server.url);
  const watch = await call(bystander, WATCH);
  const idle = await openCalls(server.url);
  return {
    port: server.port,
    async peer(settings, isReading) {
      const made = await createPeer(server.port, settings, isReading);
      peers.push(made);
      return made;
    },
    async recovers() {
      if ((await call(bystander, LIST)).status !== "0") throw new Error("the call of another client has failed");
      if (watch.stream.closed) throw new Error("the stream of another client has ended");
      for (const peer of peers.splice(0)) peer.destroy();
      await until(async () => (await openCalls(server.url)) === idle);
      if (unforeseen.length > 0) throw new Error(`the server has met an error: ${JSON.stringify(unforeseen)}`);
    },
    usage: server.usage,
    drain: () => server.drain(),
    async close() {
      for (const peer of peers) peer.destroy();
      bystander.destroy();
      await until(() => Object.values(server.usage()).every((amount) => amount === 0));
      await server.drain();
      await until(() => timers() <= SHARED_TIMERS);
      await engine.close();
    },
  };
}

/** Resolves to the status of a call. If it is a stream, to undefined as soon as it has begun. */
async function call(session: ClientHttp2Session, path: string) {
  const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
  const stream: ClientHttp2Stream = session.request(headers);
  stream.end(message(NOTHING));
  const status = await new Promise<string | undefined>((resolve, reject) => {
    stream.on("error", reject);
    stream.on("trailers", (trailers) => resolve(String(trailers["grpc-status"])));
    stream.on("data", () => path === WATCH && resolve(undefined));
  });
  return { status, stream };
}

/** Returns how many streams a new connection may open. It is fewer for each call that is in progress elsewhere. */
async function openCalls(url: string): Promise<number> {
  const session = connect(url);
  try {
    const calls = await Promise.all(Array.from({ length: MOST_CALLS }, () => call(session, WATCH)));
    // Otherwise, the next count might still find them.
    for (const { stream } of calls) stream.close(constants.NGHTTP2_CANCEL);
    await Promise.all(calls.map(({ stream }) => stream.closed || once(stream, "close")));
    // Its answer comes after the server has read the resets, which would be lost with the connection.
    await new Promise((resolve) => session.ping(resolve));
    return calls.filter(({ status }) => status === undefined).length;
  } finally {
    session.destroy();
    await once(session, "close");
  }
}

/** The fields of a call by gRPC, with others at the end. */
export function grpc(path: string, more: readonly Field[] = [], type = "application/grpc"): readonly Field[] {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "127.0.0.1"],
    ["content-type", type],
    ["te", "trailers"],
    ...more,
  ];
}

/** The HEADERS of a request. */
export function request(stream: number, fields = grpc(LIST), flags = END_HEADERS): Buffer {
  return frame(HEADERS, flags, stream, block(fields));
}

export const ENDS = END_HEADERS | END_STREAM;
