import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2, constants } from "node:http2";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createEngine, createManualClock, type Engine, type ManualClock } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { SLOW_READER_CHECK_MS, SLOW_READER_TIMEOUT_MS } from "../../src/server/transport/limits.ts";
import { turn } from "../support/turns.ts";

let engine: Engine;
let server: Server;
let clock: ManualClock;
let lines: string[];
const ends: (() => void)[] = [];

beforeEach(async () => {
  clock = createManualClock();
  lines = [];
  engine = await createEngine({ modulesRoot: `${import.meta.dirname}/../fixtures/modules` });
  const log = (_: string, message: string, fields: unknown): void =>
    void lines.push(`${message} ${JSON.stringify(fields)}`);
  const never = Number.POSITIVE_INFINITY;
  server = await startServer({
    engine,
    host: "127.0.0.1",
    port: 0,
    version: "",
    log,
    clock,
    graceMs: 0,
    pingIntervalMs: never,
  });
});
afterEach(async () => {
  for (const end of ends.splice(0)) end();
  const drained = server.drain();
  clock.advance(10_000);
  clock.advance(10_000);
  await drained;
  await engine.close();
});

/** Advances the manual clock check by check, with turns of the event loop in between for real input and output. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += SLOW_READER_CHECK_MS) {
    clock.advance(SLOW_READER_CHECK_MS);
    await turn();
  }
}

function open(settings = {}): ClientHttp2Session {
  const session = connectHttp2(server.url, { settings });
  session.on("error", () => {});
  ends.push(() => session.destroy());
  return session;
}

const GRPC = { ":method": "POST", "content-type": "application/grpc", te: "trailers" };

describe("a client that does not read", () => {
  it.each(["WatchFlags", "ListFlags"])(
    "has its stream ended in time over HTTP/2, and other streams of its connection continue: %s",
    async (rpc) => {
      const session = open({ initialWindowSize: 0 });
      await once(session, "remoteSettings");
      const stuck = session.request({ ...GRPC, ":path": `/helios.v1.FlagService/${rpc}` });
      const ended = new Promise((resolve) => stuck.once("close", resolve));
      stuck.on("error", () => {});
      stuck.end(Buffer.alloc(5));
      await once(stuck, "response");
      await pass(SLOW_READER_TIMEOUT_MS - SLOW_READER_CHECK_MS);
      expect(stuck.closed).toBe(false);
      await pass(2 * SLOW_READER_CHECK_MS);
      await ended;
      expect(stuck.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      expect(lines.filter((line) => line.includes("too slow"))).toEqual([expect.stringContaining(rpc)]);
      const next = session.request({ ":path": "/healthz" });
      expect((await once(next, "response"))[0][":status"]).toBe(200);
    },
  );

  it("has its connection ended in time over HTTP/1.1", async () => {
    const socket = connect(server.port, "127.0.0.1");
    ends.push(() => socket.destroy());
    socket.pause();
    socket.on("error", () => {});
    // More than the kernel buffers.
    const get = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n";
    socket.write(get.repeat(60));
    const started = clock.monotonic();
    while (!lines.some((line) => line.includes("too slow"))) {
      expect(clock.monotonic() - started).toBeLessThan(100 * SLOW_READER_TIMEOUT_MS);
      await pass(SLOW_READER_CHECK_MS);
    }
    expect(clock.monotonic() - started).toBeGreaterThanOrEqual(SLOW_READER_TIMEOUT_MS);
    socket.resume();
    await once(socket, "close");
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  it("is distinguished from one whose watch is silent", async () => {
    const session = open();
    const stream = session.request({ ...GRPC, ":path": "/helios.v1.FlagService/WatchFlags" });
    stream.on("error", () => {});
    stream.end(Buffer.alloc(5));
    stream.resume();
    await once(stream, "response");
    await pass(3 * SLOW_READER_TIMEOUT_MS);
    expect(stream.closed).toBe(false);
    expect(lines.filter((line) => line.includes("too slow"))).toEqual([]);
  });
});
