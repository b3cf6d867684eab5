import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { Code, type ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { errorInfo } from "../../clients/typescript/src/index.ts";
import { FlagService } from "../../gen/helios/v1/flag_service_pb.ts";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";

const LIMIT = 12;

let engine: Engine;
let server: Server;
const ends: (() => void)[] = [];
beforeAll(async () => {
  engine = await createEngine({ modulesRoot: `${import.meta.dirname}/../fixtures/modules` });
  server = await startServer({
    engine,
    host: "127.0.0.1",
    port: 0,
    version: "",
    log() {},
    graceMs: 0,
    maxOpenCalls: LIMIT,
  });
});
afterEach(async () => {
  for (const end of ends.splice(0)) end();
  await gone();
});
afterAll(async () => {
  await server.drain();
  await engine.close();
});

function open(): ClientHttp2Session {
  const session = connectHttp2(server.url);
  session.on("error", () => {});
  ends.push(() => session.destroy());
  return session;
}

/** A call on that connection that stays open. Resolves to its gRPC status. Undefined: it has no status yet. */
function watch(session: ClientHttp2Session): Promise<[string | undefined, ClientHttp2Stream]> {
  const path = "/helios.v1.FlagService/WatchFlags";
  const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
  const stream = session.request(headers);
  stream.on("error", () => {});
  stream.end(Buffer.alloc(5));
  return new Promise((resolve) => {
    stream.on("data", () => resolve([undefined, stream]));
    stream.on("trailers", (trailers) => resolve([String(trailers["grpc-status"]), stream]));
  });
}

/** Makes as many calls as one connection may have, and resolves to them. */
async function fill(session: ClientHttp2Session): Promise<ClientHttp2Stream[]> {
  const streams: ClientHttp2Stream[] = [];
  for (;;) {
    const [status, stream] = await watch(session);
    if (status !== undefined) return streams;
    streams.push(stream);
  }
}

/** Resolves when all ended calls are gone. */
async function gone(): Promise<void> {
  const session = connectHttp2(server.url);
  for (;;) {
    const own: ClientHttp2Stream[] = [];
    for (let call = 0; call < LIMIT / 2; call += 1) {
      const [status, stream] = await watch(session);
      if (status === undefined) own.push(stream);
    }
    for (const stream of own) {
      stream.close();
      await once(stream, "close");
    }
    if (own.length === LIMIT / 2) break;
  }
  session.destroy();
}

const baseUrl = (): string => server.url;
const TRANSPORTS: readonly (readonly [string, () => Transport])[] = [
  ["gRPC", () => createGrpcTransport({ baseUrl: baseUrl() })],
  ["gRPC-Web", () => createGrpcWebTransport({ baseUrl: baseUrl(), httpVersion: "1.1" })],
  ["Connect", () => createConnectTransport({ baseUrl: baseUrl(), httpVersion: "1.1" })],
];

describe("calls beyond the limit", () => {
  it("are refused so that each connection keeps a share, and health checks are answered", async () => {
    const first = open();
    const streams = await fill(first);
    expect(streams).toHaveLength(LIMIT / 2);
    expect(await fill(open())).toHaveLength(LIMIT / 3 - 1);
    // A connection without calls gets one.
    const [status] = await watch(open());
    expect(status).toBeUndefined();
    for (const path of ["/healthz", "/readyz"]) expect((await fetch(`${server.url}${path}`)).status).toBe(200);
    // A call that has ended frees its place.
    for (const stream of streams.slice(0, 3)) {
      stream.close();
      await once(stream, "close");
    }
    for (;;) if ((await watch(first))[0] === undefined) break;
  });

  it("take no share of other connections, even if their client does not read the refusals", async () => {
    const deaf = connectHttp2(server.url, { settings: { initialWindowSize: 0 } });
    deaf.on("error", () => {});
    ends.push(() => deaf.destroy());
    const statuses: unknown[] = [];
    for (let call = 0; call < 3 * LIMIT; call += 1) {
      const stream = deaf.request({ ":path": "/api/modularity/feature-flags/watch" });
      stream.on("error", () => {});
      const [headers] = await once(stream, "response");
      statuses.push(headers[":status"]);
    }
    expect(statuses).toEqual(statuses.map((_, call) => (call < LIMIT / 2 ? 200 : 429)));
    expect(await fill(open())).toHaveLength(LIMIT / 3 - 1);
  });

  it("get the reason and the limit in each protocol", async () => {
    for (let call = 0; call < LIMIT; call += 1) expect((await watch(open()))[0]).toBeUndefined();
    const metadata = { limit: String(LIMIT), own: "0" };
    for (const [name, transport] of TRANSPORTS) {
      const client = createClient(FlagService, transport());
      const refused = await client.listFlags({}).catch((error: unknown) => error as ConnectError);
      expect([name, refused]).toMatchObject([name, { code: Code.ResourceExhausted }]);
      expect(errorInfo(refused)).toMatchObject({ reason: "TOO_MANY_CALLS", metadata });
    }
    const answer = await fetch(`${server.url}/api/modularity/feature-flags`);
    expect([answer.status, answer.headers.get("retry-after"), await answer.json()]).toMatchObject([
      429,
      "1",
      { error: { reason: "TOO_MANY_CALLS", metadata } },
    ]);
  });

  it("end a connection that pipelines them", async () => {
    const socket = connect(server.port, "127.0.0.1");
    ends.push(() => socket.destroy());
    socket.on("error", () => {});
    socket.resume();
    const closed = once(socket, "close");
    socket.write("GET /api/modularity/feature-flags/watch HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(200));
    await closed;
    expect((await watch(open()))[0]).toBeUndefined();
  });
});
