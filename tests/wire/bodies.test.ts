import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants,
  type IncomingHttpHeaders,
} from "node:http2";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHeliosClient } from "../../clients/typescript/src/index.ts";
import { createEngine, createManualClock, type Engine, type ManualClock } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import {
  MAX_CONNECTION_BODIES_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_REQUEST_BODIES_BYTES,
  REQUEST_BODY_TIMEOUT_MS,
} from "../../src/server/transport/limits.ts";
import { SOAK } from "../support/soak.ts";
import { turn } from "../support/turns.ts";

const MESSAGE_BYTES = MAX_MESSAGE_BYTES - 100;

let engine: Engine;
let server: Server;
let clock: ManualClock;
let sessions: ClientHttp2Session[];

beforeEach(async () => {
  clock = createManualClock();
  engine = await createEngine({ modulesRoot: `${import.meta.dirname}/../fixtures/modules` });
  server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "", log() {}, clock, graceMs: 0 });
  sessions = [];
});
afterEach(async () => {
  // Not while node:http2 reads an answer (see FrameGate).
  await turn();
  for (const session of sessions) session.destroy();
  const drained = server.drain();
  clock.advance(10_000);
  clock.advance(10_000);
  await drained;
  await engine.close();
});

function open(): ClientHttp2Session {
  const session = connectHttp2(server.url, { maxSessionMemory: 1000 });
  session.on("error", () => {});
  sessions.push(session);
  return session;
}

/** A request whose body has begun and does not end. */
function begin(session: ClientHttp2Session, bytes: number, type = "application/grpc"): ClientHttp2Stream {
  const path = "/helios.v1.FlagService/ListFlags";
  const stream = session.request({ ":method": "POST", ":path": path, "content-type": type, te: "trailers" });
  stream.on("error", () => {});
  const head = Buffer.alloc(5);
  head.writeUInt32BE(MESSAGE_BYTES, 1);
  stream.write(head);
  stream.write(Buffer.alloc(bytes));
  return stream;
}

/** The answer's headers, and its trailers if there are some. */
async function statusOf(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> {
  let all: IncomingHttpHeaders = {};
  stream.on("response", (headers) => {
    all = { ...all, ...headers };
  });
  stream.on("trailers", (headers) => {
    all = { ...all, ...headers };
  });
  stream.resume();
  await once(stream, "end");
  return all;
}

describe("request bodies that do not end", () => {
  it(
    "take up no more than their limits, on one connection and in all, and others are answered meanwhile and afterwards",
    SOAK,
    async () => {
      const first = open();
      const most = MAX_CONNECTION_BODIES_BYTES / MAX_MESSAGE_BYTES;
      const streams = Array.from({ length: most + 1 }, () => begin(first, MESSAGE_BYTES - 1000));
      const refused = await Promise.race(streams.map(statusOf));
      expect(refused["grpc-status"]).toBe("8");
      expect(decodeURIComponent(String(refused["grpc-message"]))).toContain(
        `more than ${MAX_CONNECTION_BODIES_BYTES} bytes on this connection`,
      );
      // Another connection gets no more than the rest.
      const other = open();
      const others = Array.from({ length: most / 2 + 1 }, () => begin(other, MESSAGE_BYTES - 1000));
      const inAll = await Promise.race(others.map(statusOf));
      expect(decodeURIComponent(String(inAll["grpc-message"]))).toContain(
        `more than ${MAX_REQUEST_BODIES_BYTES} bytes in all`,
      );
      // The rest is enough for a large call on a connection that holds nothing.
      const large = begin(open(), MESSAGE_BYTES);
      large.end();
      const read = await statusOf(large);
      expect([read["grpc-status"], decodeURIComponent(String(read["grpc-message"]))]).toEqual([
        "3",
        expect.stringContaining("illegal tag"),
      ]);
      // A small call succeeds as soon as some have ended, on the same connection too.
      // With CANCEL, because a reset with another code while node:http2 reads an answer ends the process (see FrameGate).
      for (const stream of [...streams, ...others]) stream.close(constants.NGHTTP2_CANCEL);
      for (;;) {
        const small = first.request({
          ":path": "/helios.v1.FlagService/ListFlags",
          ":method": "POST",
          "content-type": "application/grpc",
          te: "trailers",
        });
        small.on("error", () => {});
        small.end(Buffer.alloc(5));
        if ((await statusOf(small))["grpc-status"] === "0") break;
      }
      const client = createHeliosClient({ baseUrl: server.url });
      for (let call = 0; call < 3; call += 1) expect((await client.flags.listFlags({})).flags.length).toBe(8);
      client.close();
    },
  );

  it.each(["application/grpc", "application/grpc-web", "application/proto"])("time out: %s", async (type) => {
    const session = open();
    await once(session, "connect");
    const stream = begin(session, 1000, type);
    // The answer over the same connection shows that the server has the request.
    await new Promise((resolve) => stream.session?.ping(resolve));
    clock.advance(REQUEST_BODY_TIMEOUT_MS - 1);
    const texts: string[] = [];
    stream.on("data", (chunk: Buffer) => texts.push(chunk.toString("latin1")));
    const answered = statusOf(stream);
    // Sending byte after byte does not extend the time.
    stream.write(Buffer.alloc(1));
    await new Promise((resolve) => stream.session?.ping(resolve));
    clock.advance(1);
    expect(`${JSON.stringify(await answered)}${texts.join("")}`).toMatch(/30( |%20)s/);
  });

  it("time out over REST, and over a socket that sends byte by byte", async () => {
    const socket = connect(server.port, "127.0.0.1").setEncoding("utf8");
    socket.on("error", () => {});
    socket.write(
      "POST /api/modularity/feature-flags/percentage HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n{",
    );
    const client = createHeliosClient({ baseUrl: server.url });
    await client.flags.listFlags({});
    clock.advance(REQUEST_BODY_TIMEOUT_MS);
    const [answer] = (await once(socket, "data")) as [string];
    expect(answer).toContain("REQUEST_TOO_SLOW");
    socket.destroy();
    client.close();
  });

  it("time out also if the connection sends its protocol's preface byte by byte", async () => {
    const client = createHeliosClient({ baseUrl: server.url });
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    for (const byte of "PRI * H") {
      socket.write(byte);
      clock.advance(1000);
      // The answer over another connection shows that the server has received the byte.
      await client.status.getStatus({});
    }
    client.close();
    expect(socket.destroyed).toBe(false);
    const closed = once(socket, "close");
    clock.advance(10_000);
    await closed;
  });
});
