import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { type WatchedClock, watchedClock } from "../support/clocks.ts";
import { until } from "../support/until.ts";
import { DATA, END_STREAM, type Field, frame, message, NOTHING, uint32, WINDOW_UPDATE } from "./abuse/frames.ts";
import { type Answer, createPeer } from "./abuse/peer.ts";
import { grpc, LIST, request, WATCH } from "./abuse/rig.ts";

/** How long a connection stays open after its client has ended its half. */
const LIMIT_MS = 3000;
const CALLS = 500;

let watched: WatchedClock;
let engine: Engine;
let server: Server;
const ended: unknown[] = [];

beforeAll(async () => {
  watched = watchedClock();
  const { clock } = watched;
  const log = (_level: string, _text: string, { rpc }: Record<string, unknown>): void => void ended.push(rpc);
  engine = await createEngine({ modulesRoot: `${import.meta.dirname}/../fixtures/modules` });
  server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "", log, clock, graceMs: 0 });
});
afterAll(async () => {
  const drained = server.drain();
  watched.clock.advance(10_000);
  watched.clock.advance(10_000);
  await drained;
  await engine.close();
});

const whole = (stream: number, fields: readonly Field[], body = message(NOTHING)): Buffer[] => [
  request(stream, fields),
  frame(DATA, END_STREAM, stream, body),
];
const WEB = grpc(LIST, [], "application/grpc-web");
const CONNECT = grpc(LIST, [], "application/json");
const KINDS: readonly (readonly [name: string, call: (stream: number) => Buffer[]])[] = [
  ["gRPC", (stream) => whole(stream, grpc(LIST))],
  ["gRPC-Web", (stream) => whole(stream, WEB)],
  ["Connect", (stream) => whole(stream, CONNECT, Buffer.from("{}"))],
  ["gRPC and gRPC-Web", (stream) => whole(stream, stream % 4 === 1 ? WEB : grpc(LIST))],
];

function succeeded({ headers, trailers, data, isEnded }: Answer): boolean {
  const status = trailers["grpc-status"] ?? /grpc-status: ?(\d+)/.exec(data.toString("latin1"))?.[1] ?? "0";
  return isEnded && headers[":status"] === "200" && status === "0";
}

describe("a client over HTTP/2 that ends its half of the connection", () => {
  it.each(KINDS)("gets the answers to all its calls before the connection closes: %s", async (_, call) => {
    const peer = await createPeer(server.port);
    const streams = Array.from({ length: CALLS }, (_, index) => 2 * index + 1);
    // It cannot widen its window later.
    peer.write(frame(WINDOW_UPDATE, 0, 0, uint32(2 ** 30)), ...streams.flatMap(call));
    peer.end();
    await peer.until(() => peer.isClosed);
    expect(streams.filter((stream) => !succeeded(peer.answer(stream)))).toEqual([]);
  });

  it.each(KINDS)("gets no answer to a call that is not complete, but to the others: %s", async (_, call) => {
    const peer = await createPeer(server.port);
    const [head = NOTHING] = call(5);
    peer.write(...call(1), ...call(3), head, ...call(7));
    peer.end();
    await peer.until(() => peer.isClosed);
    expect([1, 3, 5, 7].map((stream) => succeeded(peer.answer(stream)))).toEqual([true, true, false, true]);
  });

  it("is served for a limited time, and goes on reading its stream until then", async () => {
    const peer = await createPeer(server.port);
    const before = watched.delays.filter((ms) => ms === LIMIT_MS).length;
    peer.write(...whole(1, grpc(WATCH)));
    peer.end();
    await watched.isSet(LIMIT_MS, before + 1);
    await peer.until(() => peer.answer(1).data.length > 0);
    watched.clock.advance(LIMIT_MS - 1);
    expect(peer.isClosed).toBe(false);
    watched.clock.advance(1);
    await peer.until(() => peer.isClosed);
    expect(peer.answer(1).isEnded).toBe(false);
  });

  it("and then leaves ends its calls before that time", async () => {
    const peer = await createPeer(server.port);
    peer.write(...whole(1, grpc(WATCH)));
    await peer.until(() => peer.answer(1).data.length > 0);
    await peer.heard();
    const start = watched.clock.monotonic();
    ended.length = 0;
    peer.destroy();
    await until(() => {
      watched.clock.advance(1);
      return ended.includes("FlagService/WatchFlags");
    });
    expect(watched.clock.monotonic() - start).toBeLessThan(LIMIT_MS);
  });
});

/** Writes to a new connection, ends this half, and resolves to what comes back until the server ends the other half. */
async function answersTo(sent: string): Promise<string> {
  const socket: Socket = connect(server.port, "127.0.0.1").setEncoding("latin1");
  let text = "";
  socket.on("data", (part: string) => {
    text += part;
  });
  socket.end(sent);
  await once(socket, "close");
  return text;
}

const connectCall = `POST ${LIST} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`;
const restCall = "GET /api/modularity/feature-flags HTTP/1.1\r\nhost: a\r\n\r\n";
const WRONG: Readonly<Record<string, string>> = {
  "a request without its body": connectCall.slice(0, -2),
  "the beginning of a request": connectCall.slice(0, 30),
  "no HTTP": "\x00\x01\x02\r\n\r\n",
};
const statuses = (text: string): readonly string[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, code = ""]) => code);

describe("a client over HTTP/1.1 that ends its half of the connection", () => {
  it.each([
    ["Connect", connectCall],
    ["REST", restCall],
    ["Connect and REST", `${connectCall}${restCall}`],
  ])("gets the answers to all its calls before the connection closes: %s", async (_, call) => {
    const codes = statuses(await answersTo(call.repeat(CALLS / 10)));
    expect(codes).toEqual(Array(codes.length).fill("200"));
    expect(codes.length).toBe((CALLS / 10) * (call.split("HTTP/1.1").length - 1));
  });

  it.each(Object.entries(WRONG))("gets the answers to all its calls, and then a refusal of %s", async (_, wrong) => {
    for (const call of [connectCall, restCall]) {
      expect(statuses(await answersTo(`${call}${call}${call}${wrong}`))).toEqual(["200", "200", "200", "400"]);
    }
  });

  it("is served for a limited time", async () => {
    const before = watched.delays.filter((ms) => ms === LIMIT_MS).length;
    const wait = "/api/modularity/revisions/1/wait?min_clients=1&timeout=60s";
    const answered = answersTo(`GET ${wait} HTTP/1.1\r\nhost: a\r\n\r\n`);
    await watched.isSet(LIMIT_MS, before + 1);
    watched.clock.advance(LIMIT_MS);
    expect(await answered).toBe("");
  });

  it("ends its stream with it", async () => {
    const socket = connect(server.port, "127.0.0.1");
    socket.write("GET /api/modularity/feature-flags/watch HTTP/1.1\r\nhost: a\r\n\r\n");
    await once(socket, "data");
    ended.length = 0;
    socket.end();
    await once(socket.resume(), "close");
    await until(() => ended.includes("FlagService/WatchFlags"));
  });

  it("is closed at once if it has sent nothing, or too little to tell the protocol", async () => {
    for (const sent of ["", "PRI * H"]) expect(await answersTo(sent)).toBe("");
  });
});
