import { once } from "node:events";
import { type ClientHttp2Session, connect, createServer, type Http2Server, type Http2ServerResponse } from "node:http2";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createManualClock } from "../../src/core/index.ts";
import { createSlowReaders, type SlowReaders } from "../../src/server/http/slow-readers.ts";
import { peerOf } from "../../src/server/transport/peer.ts";

const PART = Buffer.alloc(4096);
/** In parts. Answers are checked whenever one eighth more was written. */
const LIMIT = 8;

let server: Http2Server;
let readers: SlowReaders;
let ended: string[];
const sessions: ClientHttp2Session[] = [];

beforeEach(async () => {
  ended = [];
  readers = createSlowReaders(createManualClock(), (path) => ended.push(path), LIMIT * PART.length);
  server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterEach(async () => {
  for (const session of sessions.splice(0)) session.destroy();
  server.close();
  await once(server, "close");
});

/** The answer to a client that reads nothing, and its connection. */
async function begin(): Promise<{ peer: string; answer: Http2ServerResponse }> {
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    settings: { initialWindowSize: 0 },
  });
  session.on("error", () => {});
  sessions.push(session);
  const requested = once(server, "request");
  session.request().on("error", () => {});
  const [request, answer] = await requested;
  readers.add(request, answer);
  return { peer: peerOf(request.socket), answer };
}

it("a connection may buffer half of the remaining space, and one without unread answers may always write", async () => {
  const [one, other] = [await begin(), await begin()];
  expect(one.peer).not.toBe(other.peer);
  const write = (parts: number): void => void one.answer.write(Buffer.concat(Array(parts).fill(PART)));
  const room = (): boolean[] => [one, other].map(({ peer }) => readers.room()(peer));
  expect(room()).toEqual([true, true]);
  write(2);
  expect(room()).toEqual([true, true]);
  write(1);
  expect(room()).toEqual([false, true]);
  write(LIMIT - 3);
  expect(room()).toEqual([false, true]);
  // More than the limit.
  write(1);
  expect(one.answer.stream.writableLength).toBe((LIMIT + 1) * PART.length);
  expect(room()).toEqual([false, true]);
  expect(ended).toEqual([]);
});
