import { once } from "node:events";
import { type ClientHttp2Stream, connect as connectHttp2, constants } from "node:http2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, createManualClock, type Engine, type ManualClock } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { SLOW_READER_CHECK_MS } from "../../src/server/transport/limits.ts";
import { turn } from "../support/turns.ts";
import { until } from "../support/until.ts";

const KIB = 1024;
const MAX_UNREAD = 6 * 1024 * KIB;
const READERS = 48;
/** Each holds more than this. */
const ANSWER = 150 * KIB;
const GRPC = { ":method": "POST", "content-type": "application/grpc", te: "trailers" };

let engine: Engine;
let server: Server;
let clock: ManualClock;
const lines: string[] = [];

beforeAll(async () => {
  clock = createManualClock();
  engine = await createEngine({ modulesRoot: `${import.meta.dirname}/../fixtures/modules` });
  const whitelist = Array.from({ length: 1500 }, (_, index) => `${index}-`.padEnd(120, "x"));
  await engine.flags.create("large", { strategy: "WHITELIST", whitelist }, {}, {});
  server = await startServer({
    engine,
    host: "127.0.0.1",
    port: 0,
    version: "",
    log: (_, message, fields) => void lines.push(`${message} ${JSON.stringify(fields)}`),
    clock,
    graceMs: 0,
    pingIntervalMs: Number.POSITIVE_INFINITY,
    maxUnreadBytes: MAX_UNREAD,
  });
});
afterAll(async () => {
  const drained = server.drain();
  clock.advance(10_000);
  clock.advance(10_000);
  await drained;
  await engine.close();
});

describe("many clients that do not read", () => {
  const flags = "/helios.v1.FlagService";
  const rest = "/api/modularity/feature-flags";
  const web = { ...GRPC, "content-type": "application/grpc-web" };

  it.each([
    ["an answer over gRPC", { ...GRPC, ":path": `${flags}/ListFlags` }, false],
    ["an answer over gRPC-Web", { ...web, ":path": `${flags}/ListFlags` }, false],
    ["an answer over REST", { ":path": rest }, false],
    ["a stream over gRPC", { ...GRPC, ":path": `${flags}/WatchFlags` }, true],
    ["a stream over gRPC-Web", { ...web, ":path": `${flags}/WatchFlags` }, true],
    ["lines of JSON", { ":path": `${rest}/watch` }, true],
    ["server-sent events", { ":path": `${rest}/watch`, accept: "text/event-stream" }, true],
  ] as const)("take up no more than their limit, and others are answered: %s", async (_, headers, isStream) => {
    lines.splice(0);
    const session = connectHttp2(server.url, { settings: { initialWindowSize: 0 } });
    await once(session, "remoteSettings");
    const codes: (number | undefined)[] = [];
    const streams: ClientHttp2Stream[] = [];
    for (let reader = 0; reader < READERS; reader += 1) {
      const stream = session.request(headers);
      streams.push(stream);
      stream.on("error", () => {});
      stream.on("close", () => codes.push(stream.rstCode));
      stream.end(":method" in headers ? Buffer.alloc(5) : undefined);
    }
    const ended = (): { waitingBytes: number; problem: string }[] =>
      lines
        .filter((line) => line.includes("too slow"))
        .map((line) => JSON.parse(line.slice(line.indexOf("{"))) as { waitingBytes: number; problem: string });
    const most = Math.floor(MAX_UNREAD / ANSWER);
    while (ended().length < (isStream ? READERS : READERS - most)) {
      expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
      if (isStream) clock.advance(SLOW_READER_CHECK_MS);
      await turn();
    }
    for (const { waitingBytes, problem } of ended()) {
      expect(waitingBytes).toBeGreaterThan(ANSWER);
      // A stream does not begin to write more than the limit, and is ended if it makes no progress.
      expect(problem).toContain(isStream ? "the client read nothing for 60 s" : `more than ${MAX_UNREAD} bytes`);
    }
    await until(() => codes.length >= ended().length);
    expect(new Set(codes)).toEqual(new Set([constants.NGHTTP2_ENHANCE_YOUR_CALM]));
    // The next test begins without these answers. While the clock stands, the server cannot find out that a client is gone.
    for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
    await new Promise((resolve) => session.ping(resolve));
    session.destroy();
  });
});
