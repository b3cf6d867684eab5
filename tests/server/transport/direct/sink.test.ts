import { expect, it } from "vitest";
import { createManualClock } from "../../../../src/core/index.ts";
import { createSlowReaders } from "../../../../src/server/http/slow-readers.ts";
import { SocketSink } from "../../../../src/server/transport/direct/sink.ts";
import { SLOW_READER_CHECK_MS, SLOW_READER_TIMEOUT_MS } from "../../../../src/server/transport/limits.ts";

/** A socket whose client takes only what the test says. */
function rig(maxUnread?: number) {
  const clock = createManualClock();
  const reports: string[] = [];
  const readers = createSlowReaders(clock, (path) => reports.push(path), maxUnread);
  let cuts = 0;
  const socket = {
    writableLength: 0,
    write(bytes: Buffer) {
      socket.writableLength += bytes.length;
      return true;
    },
  };
  const sink = new SocketSink({
    socket: socket as never,
    peer: "127.0.0.1:1",
    track: readers.track,
    cut: () => {
      cuts += 1;
    },
  });
  return { clock, reports, sink, socket, readers, cuts: () => cuts };
}

const LARGE = Buffer.alloc(100 * 1024);

it("a connection whose client takes nothing is cut after the time of a slow reader, and reported once", () => {
  const { clock, sink, reports, cuts } = rig();
  sink.write(LARGE);
  clock.advance(SLOW_READER_TIMEOUT_MS - SLOW_READER_CHECK_MS);
  expect(cuts()).toBe(0);
  clock.advance(3 * SLOW_READER_CHECK_MS);
  expect([cuts(), reports]).toEqual([1, ["(all calls of a connection)"]]);
});

it("a connection that holds little, or whose client goes on reading, is not cut", () => {
  const { clock, sink, socket, cuts } = rig();
  sink.write(Buffer.alloc(1000));
  clock.advance(2 * SLOW_READER_TIMEOUT_MS);
  for (let round = 0; round < 40; round += 1) {
    sink.write(LARGE);
    socket.writableLength -= 1;
    clock.advance(SLOW_READER_CHECK_MS);
  }
  expect(cuts()).toBe(0);
  socket.writableLength = 0;
  sink.drained();
  clock.advance(2 * SLOW_READER_TIMEOUT_MS);
  expect(cuts()).toBe(0);
});

it("what is in the socket counts as unread, until it has been taken", () => {
  const { sink, socket, readers } = rig(4 * LARGE.length);
  expect(readers.room()("127.0.0.1:1")).toBe(true);
  for (let round = 0; round < 3; round += 1) sink.write(LARGE);
  expect(readers.room()("127.0.0.1:1")).toBe(false);
  socket.writableLength = 0;
  sink.drained();
  expect(readers.room()("127.0.0.1:1")).toBe(true);
});
