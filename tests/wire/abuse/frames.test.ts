import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Abused, startAbused } from "./rig.ts";
import { ALLOWED, complete, FATAL, FATAL_OR_IGNORED, RESET, RESET_OR_FATAL } from "./violations.ts";

let abused: Abused;
beforeAll(async () => {
  abused = await startAbused();
});
afterAll(() => abused.close());

describe("frames that violate HTTP/2", () => {
  for (const [what, frames, ...codes] of FATAL)
    it(`end their connection alone: ${what}`, async () => {
      const peer = await abused.peer();
      peer.write(...frames);
      await peer.until(() => peer.goaway !== undefined);
      expect(codes).toContain(peer.goaway);
      await peer.until(() => peer.isClosed);
      await abused.recovers();
    });

  for (const [what, frames, ...codes] of RESET)
    it(`end their stream alone: ${what}`, async () => {
      const peer = await abused.peer();
      peer.write(...frames);
      const { reset } = await peer.settled(1);
      expect(codes).toContain(reset);
      peer.write(...complete(3));
      expect((await peer.settled(3)).trailers["grpc-status"]).toBe("0");
      await abused.recovers();
    });

  for (const [what, frames, ...codes] of RESET_OR_FATAL)
    it(`end their stream or their connection: ${what}`, async () => {
      const peer = await abused.peer();
      peer.write(...frames);
      const { reset } = await peer.settled(1);
      expect(codes).toContain(reset ?? peer.goaway);
      await abused.recovers();
    });

  for (const [what, frames, ...codes] of FATAL_OR_IGNORED)
    it(`end no more than their connection: ${what}`, async () => {
      const peer = await abused.peer();
      peer.write(...frames, ...complete(7));
      const { trailers } = await peer.settled(7);
      if (peer.goaway === undefined) expect(trailers["grpc-status"]).toBe("0");
      else expect(codes).toContain(peer.goaway);
      await abused.recovers();
    });

  for (const [what, frames] of ALLOWED)
    it(`are not mistaken for others: ${what}`, async () => {
      const peer = await abused.peer();
      peer.write(...frames);
      expect((await peer.settled(1)).trailers["grpc-status"]).toBe("0");
      await abused.recovers();
    });

  it("end their connection if its preface is wrong", async () => {
    for (const preface of [
      "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    ]) {
      const socket = connect(abused.port, "127.0.0.1").resume();
      socket.on("error", () => {});
      socket.write(preface);
      await once(socket, "close");
    }
    await abused.recovers();
  });
});
