import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect as connectHttp2, constants } from "node:http2";
import { connect, type Socket } from "node:net";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { HeliosError, systemClock } from "../../src/core/index.ts";
import { fromHeliosError } from "../../src/server/errors.ts";
import { createHandler } from "../../src/server/http/handler.ts";
import { createRest } from "../../src/server/rest/rest.ts";
import { createHealth, createServingSwitch } from "../../src/server/services/health.ts";
import { createPort, type Port } from "../../src/server/transport/port.ts";
import { soakUnless } from "../support/soak.ts";
import { turn } from "../support/turns.ts";

let port: Port;
let number: number;
let shutdown: AbortController;

const NEVER = 600_000;

/** By default no timeout expires during a test. */
async function start({
  firstByteTimeoutMs = NEVER,
  pingIntervalMs = NEVER,
  pingTimeoutMs = NEVER,
} = {}): Promise<void> {
  const serving = createServingSwitch();
  serving.set(true);
  shutdown = new AbortController();
  const { handle, accept } = createHandler({
    clock: systemClock,
    services: [{ service: Health, impl: createHealth(serving, ["known"]) }],
    newId: () => "error-id",
    report: () => {},
    rest: (transportFor) =>
      createRest({
        services: [],
        transportFor,
        maxBodyBytes: 1,
        clock: systemClock,
        newId: () => "id",
        report: () => {},
      }),
    allowedOrigins: [],
    hosts: { bound: "127.0.0.1", allowed: [] },
    plainRoutes: { "/healthz": () => ({ status: 200, body: { status: "ok" } }) },
    shutdownSignal: shutdown.signal,
  });
  port = createPort({ handler: handle, accept, clock: systemClock, firstByteTimeoutMs, pingIntervalMs, pingTimeoutMs });
  number = await port.listen("127.0.0.1", 0);
}

async function stop(): Promise<void> {
  const closed = port.close();
  port.destroy();
  await closed;
}

beforeEach(() => start());
afterEach(stop);

const baseUrl = (): string => `http://127.0.0.1:${number}`;

async function open(): Promise<Socket> {
  const socket = connect(number, "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

async function answerTo(bytes: string | Buffer): Promise<string> {
  const socket = await open();
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.write(bytes);
  await once(socket, "close");
  return Buffer.concat(chunks).toString();
}

const TRANSPORTS: [string, () => Transport][] = [
  ["gRPC over HTTP/2", () => createGrpcTransport({ baseUrl: baseUrl() })],
  ["gRPC-Web over HTTP/1.1", () => createGrpcWebTransport({ baseUrl: baseUrl(), httpVersion: "1.1" })],
  ["gRPC-Web over HTTP/2", () => createGrpcWebTransport({ baseUrl: baseUrl(), httpVersion: "2" })],
  ["Connect over HTTP/1.1", () => createConnectTransport({ baseUrl: baseUrl(), httpVersion: "1.1" })],
  ["Connect over HTTP/2", () => createConnectTransport({ baseUrl: baseUrl(), httpVersion: "2" })],
];

describe("the single port", () => {
  it.each(TRANSPORTS)("serves %s", async (_, transport) => {
    const client = createClient(Health, transport());
    expect((await client.check({ service: "known" })).status).toBe(Status.SERVING);
    for await (const { status } of client.watch({ service: "known" })) {
      expect(status).toBe(Status.SERVING);
      break;
    }
  });

  it("serves plain GETs over both HTTP versions, and answers unknown paths", async () => {
    expect(await (await fetch(`${baseUrl()}/healthz`)).json()).toEqual({ status: "ok" });
    const missing = await fetch(`${baseUrl()}/nothing`);
    expect([missing.status, await missing.json()]).toMatchObject([404, { code: "unimplemented" }]);
    const session = connectHttp2(baseUrl());
    const stream = session.request({ ":path": "/healthz" });
    const [headers] = await once(stream, "response");
    expect(headers[":status"]).toBe(200);
    session.destroy();
  });

  it("recognises HTTP/2 by its preface even if that arrives byte by byte", async () => {
    const socket = await open();
    const received = once(socket, "data");
    const preface = Buffer.concat([
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      Buffer.from("000000040000000000", "hex"),
    ]);
    for (const byte of preface) {
      socket.write(Buffer.of(byte));
      await turn();
    }
    const [frame] = (await received) as [Buffer];
    // A frame's type is its fourth byte; SETTINGS is 4 (RFC 9113, 6.5).
    expect(frame[3]).toBe(4);
    socket.destroy();
  });

  it("answers 400 to anything but HTTP, and closes", async () => {
    for (const garbage of [
      Buffer.from([0, 1, 2, 255, 254, 10, 10]),
      "\u0016\u0003\u0001",
      "HELO there\r\n\r\n",
      "PRINT\r\n\r\n",
    ]) {
      const answer = await answerTo(garbage);
      expect(answer === "" || answer.startsWith("HTTP/1.1 400")).toBe(true);
    }
    expect((await fetch(`${baseUrl()}/healthz`)).status).toBe(200);
  });

  it("closes an HTTP/2 connection that sends garbage, and serves the next", async () => {
    await answerTo(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.alloc(1000, 0xff)]));
    expect((await fetch(`${baseUrl()}/healthz`)).status).toBe(200);
  });

  it("answers 400 to a request with an invalid host, and lives on", async () => {
    const request =
      "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nHost: [bad\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    expect(await answerTo(request)).toMatch(/^HTTP\/1.1 400/);
    expect((await fetch(`${baseUrl()}/healthz`)).status).toBe(200);
  });

  it("closes a connection that sends nothing", async () => {
    await stop();
    await start({ firstByteTimeoutMs: 50 });
    const socket = await open();
    await once(socket, "close");
  });

  it("keeps an HTTP/2 connection that answers pings, and closes one that does not", async () => {
    await stop();
    await start({ pingIntervalMs: 20, pingTimeoutMs: 2000 });
    const living = connectHttp2(baseUrl());
    await once(living, "connect");
    const dead = await open();
    dead.write(
      Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.from("000000040000000000", "hex")]),
    );
    dead.resume();
    await once(dead, "close");
    expect(living.closed).toBe(false);
    living.destroy();
  });

  it("refuses a message over 4 MiB, and continues with the connection", async () => {
    // By default Node's own HTTP/2 client gives up above 10 MB of its memory.
    const transport = createGrpcTransport({ baseUrl: baseUrl(), nodeOptions: { maxSessionMemory: 100 } });
    const client = createClient(Health, transport);
    const error = await client
      .check({ service: "x".repeat(10 * 1024 * 1024) })
      .catch((thrown: unknown) => ConnectError.from(thrown));
    expect(error).toMatchObject({ code: Code.ResourceExhausted });
    expect((await client.check({ service: "known" })).status).toBe(Status.SERVING);
  });

  // No stream may be reset while node:http2 reads, because that would end the process (see FrameGate).
  it("reads everything that arrived in one piece before it answers any of it", async () => {
    const order: string[] = [];
    const began = (): void => void order.push("began");
    const all = Promise.withResolvers<void>();
    const answered = (): void => {
      order.push("answered");
      if (order.length === 6) all.resolve();
    };
    const socket = await open();
    socket.write(
      Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.from("000000040000000000", "hex")]),
    );
    await once(socket, "data");
    subscribe("http2.server.stream.start", began);
    subscribe("http2.server.stream.finish", answered);
    try {
      // GET, http, the authority and the path (RFC 7541, appendix A and section 6.2.2).
      const block = Buffer.from("\x82\x86\x01\x09127.0.0.1\x04\x08/healthz", "latin1");
      // HEADERS that end both the headers and the stream.
      const requests = [1, 3, 5].map((id) =>
        Buffer.concat([Buffer.from([0, 0, block.length, 1, 5, 0, 0, 0, id]), block]),
      );
      socket.write(Buffer.concat(requests));
      await all.promise;
    } finally {
      unsubscribe("http2.server.stream.start", began);
      unsubscribe("http2.server.stream.finish", answered);
      socket.destroy();
    }
    expect(order).toEqual(["began", "began", "began", "answered", "answered", "answered"]);
  });

  it("says to a client that floods it why it is disconnected", async () => {
    const socket = await open();
    socket.write(
      Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.from("000000040000000000", "hex")]),
    );
    const got: Buffer[] = [];
    socket.on("data", (bytes: Buffer) => got.push(bytes));
    // PRIORITY with five bytes, on stream 1.
    const priority = Buffer.from("0000050200000000010000000000", "hex");
    socket.write(Buffer.concat(Array.from({ length: 20_000 }, () => priority)));
    await once(socket, "close");
    // GOAWAY with eight bytes, on stream 0.
    const goaway = Buffer.from("0000080700000000000000000000000000", "hex");
    goaway[16] = constants.NGHTTP2_ENHANCE_YOUR_CALM;
    expect(Buffer.concat(got).includes(goaway)).toBe(true);
  });

  // More than the 1,000 resets that Node allows at once by default.
  for (const [count, bursts] of [
    ["1,500", 15],
    ["5,000", 50],
  ] as const)
    it(`does not mistake a client that cancels ${count} calls for an attacker`, soakUnless(bursts === 15), async () => {
      const session = connectHttp2(baseUrl());
      let sentAway = false;
      session.on("goaway", () => {
        sentAway = true;
      });
      for (let burst = 0; burst < bursts; burst += 1) {
        const streams = Array.from({ length: 100 }, () => {
          const headers = {
            ":method": "POST",
            ":path": "/grpc.health.v1.Health/Watch",
            "content-type": "application/grpc",
          };
          const stream = session.request(headers);
          stream.on("error", () => {});
          stream.close(constants.NGHTTP2_CANCEL);
          return once(stream, "close");
        });
        await Promise.all(streams);
      }
      const stream = session.request({ ":path": "/healthz" });
      const [headers] = await once(stream, "response");
      expect([headers[":status"], sentAway]).toEqual([200, false]);
      session.destroy();
    });

  it("ends open streams with the error of the shutdown, then closes", async () => {
    const client = createClient(Health, createGrpcTransport({ baseUrl: baseUrl() }));
    const frames = client.watch({ service: "known" })[Symbol.asyncIterator]();
    await frames.next();
    const closed = port.close();
    shutdown.abort(fromHeliosError(HeliosError.of("SERVER_DRAINING", {})));
    await expect(frames.next()).rejects.toMatchObject({ code: Code.Unavailable });
    await closed;
  });

  it("names an address that is in use", async () => {
    const second = createPort({
      handler: () => {},
      clock: systemClock,
      firstByteTimeoutMs: 100,
      pingIntervalMs: 1000,
      pingTimeoutMs: 1000,
    });
    await expect(second.listen("127.0.0.1", number)).rejects.toMatchObject({ code: "EADDRINUSE", port: number });
  });
});
