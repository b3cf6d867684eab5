import { once } from "node:events";
import { type AddressInfo, connect as connectTcp, createServer, type Server } from "node:net";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FlagService } from "../../../gen/helios/v1/flag_service_pb.ts";
import { systemClock } from "../../../src/core/index.ts";
import { createHandler, type Handler } from "../../../src/server/http/handler.ts";
import { createRest } from "../../../src/server/rest/rest.ts";
import { createPort, type Port } from "../../../src/server/transport/port.ts";
import { createAuthority } from "../../support/certificates.ts";
import { until } from "../../support/until.ts";
import { type Peer, peerOn } from "./peer.ts";
import { ALLOWED, complete, FATAL, RESET, type Row } from "./violations.ts";

const NEVER = 600_000;
const authority = createAuthority("authority");

let port: Port;
let handler: Handler;
/** Stands between clients and the port, and cuts connections after some more bytes of the client. */
let wire: Server;
let left = Number.POSITIVE_INFINITY;

beforeAll(async () => {
  handler = createHandler({
    clock: systemClock,
    services: [{ service: FlagService, impl: { listFlags: () => ({}) } }],
    newId: () => "error-id",
    report: () => {},
    rest: (transportFor) =>
      createRest({
        ...{ services: [], transportFor, maxBodyBytes: 1, clock: systemClock },
        ...{ newId: () => "error-id", report: () => {} },
      }),
    allowedOrigins: [],
    hosts: { bound: "127.0.0.1", allowed: [] },
    plainRoutes: {},
    shutdownSignal: new AbortController().signal,
  });
  const { handle, accept, track } = handler;
  port = createPort({
    ...{ handler: handle, accept, track, clock: systemClock, tls: authority.issue("server") },
    ...{ firstByteTimeoutMs: NEVER, pingIntervalMs: NEVER, pingTimeoutMs: NEVER },
  });
  const number = await port.listen("127.0.0.1", 0);
  wire = createServer({ allowHalfOpen: true }, (client) => {
    const server = connectTcp({ port: number, host: "127.0.0.1", allowHalfOpen: true });
    for (const socket of [client, server]) socket.on("error", () => socket.destroy());
    client.on("data", (bytes: Buffer) => {
      server.write(bytes.subarray(0, left));
      left -= bytes.length;
      if (left < 0) for (const socket of [client, server]) socket.destroySoon();
    });
    server.pipe(client);
    client.on("end", () => server.end());
    server.on("close", () => client.destroy());
    client.on("close", () => server.destroy());
  });
  wire.listen(0, "127.0.0.1");
  await once(wire, "listening");
});
afterAll(async () => {
  wire.close();
  await port.close();
});

async function open(): Promise<Peer> {
  left = Number.POSITIVE_INFINITY;
  const { port: number } = wire.address() as AddressInfo;
  const socket = connect({ ca: authority.cert, host: "127.0.0.1", port: number, ALPNProtocols: ["h2"] });
  await once(socket, "secureConnect");
  const peer = peerOn(socket);
  await peer.heard();
  return peer;
}

const rows = (all: readonly Row[]) => all.map(([what, frames, ...codes]) => ({ what, frames, codes }));

/** Resolves when nothing of the clients is left. */
async function isFree(): Promise<void> {
  await until(() => Object.values({ ...port.usage(), ...handler.usage() }).every((amount) => amount === 0));
}

describe("over TLS, frames that violate HTTP/2", () => {
  it.each(rows(FATAL))("end their connection alone: $what", async ({ frames, codes }) => {
    const peer = await open();
    peer.write(...frames);
    await peer.until(() => peer.goaway !== undefined);
    expect(codes).toContain(peer.goaway);
    await peer.until(() => peer.isClosed);
    await isFree();
  });

  it.each(rows(RESET))("end their stream alone: $what", async ({ frames, codes }) => {
    const peer = await open();
    peer.write(...frames);
    expect(codes).toContain((await peer.settled(1)).reset);
    peer.write(...complete(3));
    expect((await peer.settled(3)).trailers["grpc-status"]).toBe("0");
    peer.destroy();
    await isFree();
  });

  it.each(ALLOWED)("are not mistaken for others: %s", async (_, frames) => {
    const peer = await open();
    peer.write(...frames);
    expect((await peer.settled(1)).trailers["grpc-status"]).toBe("0");
    peer.destroy();
    await isFree();
  });
});

it.each([1, 5, 20, 60])("a connection that is cut after %s bytes of a record leaves nothing behind", async (bytes) => {
  const peer = await open();
  left = bytes;
  peer.write(...complete(1), ...complete(3));
  await peer.until(() => peer.isClosed);
  expect(peer.answer(1).headers).toEqual({});
  await isFree();
});

it("a client that ends its half gets its answers", async () => {
  const peer = await open();
  const streams = Array.from({ length: 100 }, (_, index) => 2 * index + 1);
  peer.write(...streams.flatMap((stream) => complete(stream)));
  peer.end();
  await peer.until(() => peer.isClosed);
  expect(streams.filter((stream) => peer.answer(stream).trailers["grpc-status"] !== "0")).toEqual([]);
  await isFree();
});
