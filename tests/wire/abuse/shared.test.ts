import { once } from "node:events";
import { connect, constants } from "node:http2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DATA, END_STREAM, frame, GOAWAY, message, NOTHING, uint32, WINDOW_UPDATE } from "./frames.ts";
import type { Peer } from "./peer.ts";
import { type Abused, grpc, LIST, request, startAbused, WATCH } from "./rig.ts";
import { complete } from "./violations.ts";

/** The window of a connection that its client never widens. */
const WINDOW = 65_535;
const WEB = grpc(LIST, [], "application/grpc-web+proto");

let abused: Abused;
beforeAll(async () => {
  abused = await startAbused();
});
afterAll(() => abused.close());

/** Uses up the window of a connection that never widens it, by calls of both kinds. Returns the last of them. */
async function useUp(peer: Peer): Promise<number> {
  let last = -1;
  const taken = (): number => {
    let bytes = 0;
    for (let id = 1; id <= last; id += 2) bytes += peer.answer(id).data.length;
    return bytes;
  };
  const own = async (): Promise<void> => {
    last += 2;
    peer.write(...complete(last));
    await peer.settled(last);
  };
  await own();
  const size = taken();
  while (taken() + 2 * size < WINDOW) await own();
  // These answers do not fit any more.
  for (let count = 0; count < 3; count += 1, last += 4) peer.write(...complete(last + 2, WEB), ...complete(last + 4));
  await peer.until(() => peer.answer(last).headers[":status"] !== undefined);
  await peer.heard();
  return last;
}

describe("a connection that Helios shares with node:http2", () => {
  for (const headerTableSize of [0, 100, 4096, 65_536])
    it(`serves both kinds of calls for a client whose table of headers has ${headerTableSize} bytes`, async () => {
      const session = connect(`http://127.0.0.1:${abused.port}`, { settings: { headerTableSize } });
      await once(session, "localSettings");
      for (const type of ["application/grpc", "application/grpc-web+proto", "application/grpc"]) {
        const stream = session.request({ ":method": "POST", ":path": LIST, "content-type": type, te: "trailers" });
        stream.end(message(NOTHING));
        stream.resume();
        const [{ ":status": status }] = (await once(stream, "response")) as [{ ":status": number }];
        await once(stream, "close");
        expect([status, stream.rstCode]).toEqual([200, 0]);
      }
      session.destroy();
    });

  it("passes the goodbye of a client on between frames, not in the middle of one", async () => {
    const peer = await abused.peer();
    await peer.heard();
    const late = grpc(WATCH, [["grpc-timeout", "200m"]]);
    peer.write(...complete(1, late), request(3, WEB));
    peer.write(frame(GOAWAY, 0, 0, Buffer.concat([uint32(0), uint32(0)])));
    const body = frame(DATA, END_STREAM, 3, message(NOTHING));
    peer.write(body.subarray(0, 11));
    expect((await peer.settled(1)).trailers["grpc-status"]).toBe("4");
    peer.write(body.subarray(11));
    expect((await peer.settled(3)).data.toString()).toContain("grpc-status: 0");
    await abused.recovers();
  });

  it("answers a PING while both kinds of calls wait for its window", async () => {
    const peer = await abused.peer();
    await useUp(peer);
    await peer.heard();
    expect(peer.isClosed).toBe(false);
    await abused.recovers();
  });

  it("is closed with the code of a violation while both kinds of calls wait for its window", async () => {
    const peer = await abused.peer();
    await useUp(peer);
    peer.write(frame(DATA, 0, 0, NOTHING));
    await peer.until(() => peer.isClosed);
    expect(peer.goaway).toBe(constants.NGHTTP2_PROTOCOL_ERROR);
    await abused.recovers();
  });

  it("lets its client go on with uploads while both kinds of calls wait for its window", async () => {
    const peer = await abused.peer();
    await useUp(peer);
    const id = 999;
    peer.write(request(id, WEB));
    const part = Buffer.alloc(16_000);
    const body = message(Buffer.alloc(3 * part.length));
    for (let at = 0; at < body.length; at += part.length) {
      peer.write(frame(DATA, 0, id, body.subarray(at, at + part.length)));
    }
    await peer.until(() => peer.given(id) > 0);
    expect(peer.given(id)).toBeGreaterThan(0);
    await abused.recovers();
  });

  it("sends everything once its client widens the window, to calls of both kinds", async () => {
    const peer = await abused.peer();
    const last = await useUp(peer);
    peer.write(frame(WINDOW_UPDATE, 0, 0, uint32(1)), frame(WINDOW_UPDATE, 0, 0, uint32(2 ** 20)));
    for (let id = 1; id <= last; id += 2) {
      const { data, trailers, isEnded } = await peer.settled(id);
      expect([id, isEnded]).toEqual([id, true]);
      expect(trailers["grpc-status"] === "0" || data.toString().includes("grpc-status: 0")).toBe(true);
    }
    await abused.recovers();
  });

  it("sends what waits before it is closed in order, if its client widens the window", async () => {
    const server = await startAbused({ graceMs: 10_000 });
    const peer = await server.peer();
    const last = await useUp(peer);
    const drained = server.drain();
    await peer.until(() => peer.goaway !== undefined);
    peer.write(frame(WINDOW_UPDATE, 0, 0, uint32(2 ** 20)));
    for (let id = 1; id <= last; id += 2) expect([id, (await peer.settled(id)).isEnded]).toEqual([id, true]);
    await peer.until(() => peer.isClosed);
    await server.close();
    await drained;
  });
});

it("an error that repeats what the client has sent fits into trailers that cautious clients read", async () => {
  const peer = await abused.peer();
  peer.write(...complete(1, grpc(LIST, [["grpc-timeout", "x".repeat(9000)]])));
  const { trailers } = await peer.settled(1);
  expect(trailers["grpc-status"]).toBe("3");
  expect(JSON.stringify(trailers).length).toBeLessThan(8192);
  await abused.recovers();
});
