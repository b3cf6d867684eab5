import { constants } from "node:http2";
import { expect, it } from "vitest";
import { DATA, END_STREAM, frame, message, NOTHING } from "./frames.ts";
import { grpc, LIST, request, startAbused } from "./rig.ts";
import { complete } from "./violations.ts";

it.each([
  ["gRPC", grpc(LIST)],
  ["gRPC-Web", grpc(LIST, [], "application/grpc-web")],
])(
  "a server that ends answers the calls up to the last stream of its GOAWAY, and refuses later ones: %s",
  async (_, fields) => {
    const server = await startAbused({ graceMs: 10_000 });
    const peer = await server.peer();
    peer.write(request(1, fields));
    await peer.heard();
    const drained = server.drain();
    // These calls are on their way when the server decides to end. It learns of them before it says which was the last.
    peer.write(...complete(3, fields));
    await peer.until(() => peer.lastStream === 3);
    expect([peer.lastStream, peer.goaway]).toEqual([3, constants.NGHTTP2_NO_ERROR]);
    peer.write(...complete(5, fields));
    expect(peer.isClosed).toBe(false);
    peer.write(frame(DATA, END_STREAM, 1, message(NOTHING)));
    for (const stream of [1, 3]) {
      const { headers, trailers, data, reset } = await peer.settled(stream);
      // UNAVAILABLE, with a reason.
      expect([reset, headers[":status"]]).toEqual([undefined, "200"]);
      expect(`${JSON.stringify({ headers, trailers })}${data.toString("latin1")}`).toMatch(/grpc-status"?: ?"?14/);
    }
    await peer.until(() => peer.isClosed);
    // RFC 9113, 6.8: it may also be ignored, as node:http2 does.
    const { headers, reset } = peer.answer(5);
    expect(headers).toEqual({});
    expect([undefined, constants.NGHTTP2_REFUSED_STREAM]).toContain(reset);
    await server.close();
    await drained;
  },
);
