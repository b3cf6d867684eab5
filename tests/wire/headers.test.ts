import { once } from "node:events";
import { Agent, request } from "node:http";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { Code, type ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { errorInfo } from "../../clients/typescript/src/index.ts";
import { FlagService } from "../../gen/helios/v1/flag_service_pb.ts";
import { createEngine, createManualClock, type Engine } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import {
  MAX_HTTP1_HEADERS_BYTES,
  MAX_HTTP2_FIELD_BYTES,
  MAX_HTTP2_HEADERS_BYTES,
  MAX_UNFINISHED_HEADERS_BYTES,
} from "../../src/server/transport/limits.ts";
import { turn } from "../support/turns.ts";
import { frame } from "./abuse/frames.ts";

const KIB = 1024;

let engine: Engine;
let server: Server;
const ends: (() => void)[] = [];
beforeAll(async () => {
  engine = await createEngine({ modulesRoot: `${import.meta.dirname}/../fixtures/modules` });
  server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "", log() {}, graceMs: 0 });
});
afterEach(() => {
  for (const end of ends.splice(0)) end();
});
afterAll(async () => {
  await server.drain();
  await engine.close();
});

/** Headers of that many KiB in total, each of that many. */
function headersOf(kib: number, each: number): Record<string, string> {
  const value = "aZ9{!~".repeat(each * KIB).slice(0, each * KIB);
  return Object.fromEntries(Array.from({ length: kib / each }, (_, index) => [`x-large-${index}`, value]));
}

const SHAPES: readonly (readonly [kib: number, each: number])[] = [
  [300, 300],
  [300, 100],
  [300, 8],
  [300, 1],
  [1024, 1024],
  [1024, 4],
];

const http2 = { httpVersion: "2", nodeOptions: { maxSendHeaderBlockLength: 1 << 26, maxSessionMemory: 100 } } as const;
const TRANSPORTS: readonly (readonly [string, (interceptors: Interceptor[]) => Transport])[] = [
  [
    "gRPC",
    (interceptors) => createGrpcTransport({ baseUrl: server.url, interceptors, nodeOptions: http2.nodeOptions }),
  ],
  ["gRPC-Web over HTTP/2", (interceptors) => createGrpcWebTransport({ baseUrl: server.url, interceptors, ...http2 })],
  ["Connect over HTTP/2", (interceptors) => createConnectTransport({ baseUrl: server.url, interceptors, ...http2 })],
];

describe("headers over the limit", () => {
  it.each(TRANSPORTS)(
    "are refused with the limit, and other calls on the connection continue: %s",
    async (_, transport) => {
      let more: Record<string, string> = {};
      const client = createClient(
        FlagService,
        transport([
          (next) => (call) => {
            for (const [name, value] of Object.entries(more)) call.header.set(name, value);
            return next(call);
          },
        ]),
      );
      const stop = new AbortController();
      ends.push(() => stop.abort());
      const frames = client.watchFlags({}, { signal: stop.signal })[Symbol.asyncIterator]();
      await frames.next();
      const next = frames.next();
      for (const [kib, each] of SHAPES) {
        more = headersOf(kib, each);
        const refusals = [client.listFlags({}), client.watchFlags({})[Symbol.asyncIterator]().next()].map((call) =>
          call.catch((error: unknown) => error as ConnectError),
        );
        for (const refused of await Promise.all(refusals)) {
          expect(refused).toMatchObject({ code: Code.ResourceExhausted });
          const limit = each > 64 ? MAX_HTTP2_FIELD_BYTES : MAX_HTTP2_HEADERS_BYTES;
          expect(errorInfo(refused)).toMatchObject({
            reason: "HTTP_HEADERS_TOO_LARGE",
            metadata: { limit: String(limit) },
          });
        }
        more = {};
        expect((await client.listFlags({})).flags).toHaveLength(8);
      }
      // The watch from before is still open.
      expect(await Promise.race([next.then(() => "ended"), client.listFlags({}).then(() => "open")])).toBe("open");
    },
  );

  it("are refused with the limit, and the next call works: grpc-js", async () => {
    const client = new Client(server.url.slice(7), credentials.createInsecure());
    ends.push(() => client.close());
    const call = (metadata: Metadata) =>
      new Promise<{ code: number; details: string } | undefined>((resolve) => {
        const path = "/helios.v1.FlagService/ListFlags";
        const same = (bytes: Buffer): Buffer => bytes;
        client.makeUnaryRequest(path, same, same, Buffer.alloc(0), metadata, (error) => resolve(error ?? undefined));
      });
    for (const [kib, each] of SHAPES) {
      const metadata = new Metadata();
      for (const [name, value] of Object.entries(headersOf(kib, each))) metadata.set(name, value);
      const refused = await call(metadata);
      expect(refused).toMatchObject({ code: 8, details: expect.stringContaining("the headers have more than") });
      expect(await call(new Metadata())).toBeUndefined();
    }
  });

  it.each([
    ["a path", { ":path": `/api/modularity/feature-flags?names=${"a".repeat(300 * KIB)}` }],
    ["a header", { ":path": "/api/modularity/feature-flags", "x-large": "a".repeat(100 * KIB) }],
    ["many", { ":path": "/healthz", ...headersOf(300, 1) }],
  ])("are refused with 431 over REST by HTTP/2, and the next request works: %s", async (_, headers) => {
    const session = open();
    const [status, body] = await ask(session, headers);
    expect([status, body]).toEqual([431, expect.stringMatching(/HTTP_HEADERS_TOO_LARGE.*more than \d+ bytes/)]);
    expect((await ask(session, { ":path": "/healthz" }))[0]).toBe(200);
  });

  it("are refused with 431 over HTTP/1.1, and the next request works", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    ends.push(() => agent.destroy());
    const get = (headers: Record<string, string>): Promise<[number | undefined, string]> =>
      new Promise((resolve, reject) => {
        const sent = request(`${server.url}/healthz`, { agent, headers }, async (answer) => {
          let body = "";
          for await (const chunk of answer.setEncoding("utf8")) body += chunk;
          resolve([answer.statusCode, body]);
        });
        sent.on("error", reject).end();
      });
    const [status, body] = await get(headersOf(300, 8));
    expect([status, body]).toEqual([431, expect.stringContaining(`more than ${MAX_HTTP1_HEADERS_BYTES} bytes`)]);
    expect((await get({}))[0]).toBe(200);
  });

  it("headers within the limit are read, however they are divided", async () => {
    const session = open();
    for (const [kib, each] of [
      [120, 60],
      [120, 8],
      [100, 1],
    ] as const) {
      expect((await ask(session, { ":path": "/healthz", ...headersOf(kib, each) }))[0]).toBe(200);
    }
  });
});

describe("unfinished headers on a connection", () => {
  it("are timed out over HTTP/2, and other connections continue", async () => {
    const other = open();
    await ask(other, { ":path": "/healthz" });
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    ends.push(() => socket.destroy());
    socket.write(PREFACE);
    socket.write(frame(1, 0, 1, Buffer.from([0x82])));
    const closed = once(socket, "close");
    socket.resume();
    // Another frame in the middle of the headers.
    socket.write(frame(6, 0, 0, Buffer.alloc(8)));
    await closed;
    expect((await ask(other, { ":path": "/healthz" }))[0]).toBe(200);
  });
});

const PREFACE = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0, Buffer.alloc(0))]);

function open(): ClientHttp2Session {
  const session = connectHttp2(server.url, http2.nodeOptions);
  session.on("error", () => {});
  ends.push(() => session.destroy());
  return session;
}

async function ask(session: ClientHttp2Session, headers: Record<string, string>): Promise<[number, string]> {
  if (session.connecting) await once(session, "remoteSettings");
  const stream = session.request(headers);
  const [answer] = await once(stream, "response");
  let body = "";
  for await (const chunk of stream.setEncoding("utf8")) body += chunk;
  return [answer[":status"], body];
}

it("unfinished HTTP/1.1 headers share a limit over all connections, and others are answered", async () => {
  const clock = createManualClock();
  const other = await startServer({ engine, host: "127.0.0.1", port: 0, version: "", log() {}, graceMs: 0, clock });
  const each = 250 * KIB;
  const most = Math.floor(MAX_UNFINISHED_HEADERS_BYTES / each);
  const part = Buffer.concat([Buffer.from("GET / HTTP/1.1\r\nhost: a\r\nx: "), Buffer.alloc(each, "x")]);
  let closed = 0;
  const sockets = Array.from({ length: most + 10 }, () => {
    const socket = connect(other.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.on("close", () => {
      closed += 1;
    });
    socket.write(part);
    return socket;
  });
  while (closed < 10) {
    await turn();
    clock.advance(1000);
  }
  expect((await fetch(`${other.url}/healthz`)).status).toBe(200);
  clock.advance(1000);
  await turn();
  expect(closed).toBeLessThan(20);
  for (const socket of sockets) socket.destroy();
  await other.drain();
});
