import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createPacketWriter,
  fromPacket,
  fromPackets,
  toPosted,
} from "../../../src/core/modules/host/bootstrap/packets.ts";
import type { FromInstance, ToInstance } from "../../../src/core/modules/host/protocol.ts";
import { call, messages, WIDE } from "./messages.ts";
import { turn } from "./rig.ts";

/** What arrives at the other side, post by post. */
function receiver(): { readonly posts: unknown[][]; readonly post: (value: unknown) => void } {
  const posts: unknown[][] = [];
  return {
    posts,
    post: (value) => {
      posts.push([...fromPackets(structuredClone(value))]);
    },
  };
}

describe("packets", () => {
  it("arrive as they were sent", () => {
    fc.assert(
      fc.property(messages, (sent) => {
        const { posts, post } = receiver();
        for (const message of sent) post(toPosted(message as FromInstance));
        expect(posts.flat()).toEqual(sent);
      }),
    );
  });

  it("have bytes alone, and nothing else of the buffer in which they are", () => {
    const buffer = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
    const { posts, post } = receiver();
    post(toPosted({ type: "output", id: 1, output: { binary: buffer.subarray(2, 4) } }));
    const [message] = posts.flat() as [{ output: { binary: Uint8Array } }];
    expect([...message.output.binary]).toEqual([3, 4]);
    expect(message.output.binary.buffer.byteLength).toBe(2);
    const shared = new Uint8Array(new SharedArrayBuffer(2));
    post(toPosted({ type: "output", id: 2, output: { binary: shared } }));
    shared.fill(1);
    expect(posts[1]).toEqual([{ type: "output", id: 2, output: { binary: new Uint8Array(2) } }]);
  });

  it.each([
    ["of no kind", [9, 1, "m", 0, "1"]],
    ["of no form", [2, 1, "", 9, "1"]],
    ["of text that is no JSON", [2, 1, "", 0, "{"]],
    ["of text that is none", [2, 1, "", 0, 5]],
    ["of bytes that are none", [2, 1, "", 1, "1"]],
    ["of many, from a thread", [3, [[2, 1, "", 0, "1"]]]],
    ["of nothing", []],
  ])("%s are no messages", (_, posted) => {
    expect(fromPacket(posted)).toBeUndefined();
  });
});

describe("a packet writer", () => {
  const inputs = (posts: readonly unknown[][]): unknown[][] =>
    posts.map((post) => post.map((message) => (message as Extract<ToInstance, { type: "call" }>).id));

  it("posts the first message of a turn at once and the others together, in order", async () => {
    const { posts, post } = receiver();
    const write = createPacketWriter(post);
    for (const id of [1, 2, 3]) write(call(id, { json: id }));
    expect(inputs(posts)).toEqual([[1]]);
    await turn();
    expect(inputs(posts)).toEqual([[1], [2, 3]]);
    write(call(4, { json: null }));
    expect(inputs(posts)).toEqual([[1], [2, 3], [4]]);
    await turn();
    expect(inputs(posts)).toEqual([[1], [2, 3], [4]]);
  });

  it("lets no message overtake another, whatever its form", async () => {
    await fc.assert(
      fc.asyncProperty(messages, async (sent) => {
        const { posts, post } = receiver();
        const write = createPacketWriter(post);
        for (const message of sent) write(message as ToInstance);
        await turn();
        expect(posts.flat()).toEqual(sent);
      }),
    );
  });

  it("throws what cannot be cloned at once, and goes on", async () => {
    const { posts, post } = receiver();
    const write = createPacketWriter(post);
    write(call(1, { json: 1 }));
    write(call(2, { json: 2 }));
    expect(() => write(call(3, { json: { ...WIDE, not: () => {} } }))).toThrow("could not be cloned");
    write(call(4, { json: 4 }));
    await turn();
    expect(inputs(posts)).toEqual([[1], [2], [4]]);
  });
});
