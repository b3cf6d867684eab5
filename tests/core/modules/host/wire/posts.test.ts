import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Packet } from "../../../../../src/core/modules/host/wire/packets.ts";
import { toPacket } from "../../../../../src/core/modules/host/wire/packets.ts";
import {
  checkPacket,
  createPostWriter,
  createReadCounts,
  fromPost,
  fromPosts,
} from "../../../../../src/core/modules/host/wire/posts.ts";
import type { FromInstance, ToInstance } from "../../../../../src/core/modules/host/wire/protocol.ts";
import { turn } from "../../../../support/turns.ts";
import { AWAITED, call, fromInstance, toInstance, WIDE } from "../../messages.ts";

/** The messages that arrive at the other side, by post. */
function receiver() {
  const posts: unknown[][] = [];
  const read = createReadCounts();
  const post = (value: unknown): void => void posts.push([...fromPosts(structuredClone(value), read)]);
  const writer = createPostWriter(post, read);
  return { posts, writer, write: (message: ToInstance) => writer.write(message, toPacket(message)) };
}

/** An instance's message as the service receives it. */
const received = (message: FromInstance, awaited = AWAITED): unknown =>
  fromPost(structuredClone(checkPacket(toPacket(message) as Packet)), awaited);

describe("messages posted by an instance", () => {
  it("arrive as they were sent", () => {
    fc.assert(
      fc.property(fromInstance, (sent) => {
        expect(sent.map((message) => received(message))).toEqual(sent);
      }),
    );
  });

  it("contain bytes only, and nothing else of their buffer", () => {
    const buffer = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
    const { output } = received({ type: "output", id: 1, output: { binary: buffer.subarray(2, 4) } }) as {
      output: { binary: Uint8Array };
    };
    expect([...output.binary]).toEqual([3, 4]);
    expect(output.binary.buffer.byteLength).toBe(2);
    const shared = new Uint8Array(new SharedArrayBuffer(2));
    const packet = checkPacket(toPacket({ type: "output", id: 2, output: { binary: shared } }) as Packet);
    shared.fill(1);
    expect(fromPost(packet, AWAITED)).toEqual({ type: "output", id: 2, output: { binary: new Uint8Array(2) } });
  });

  const sparse: unknown[] = [];
  sparse.length = 4_294_967_295;
  const long = "x".repeat(5 * 1024 * 1024);
  const ask = JSON.stringify({ type: "call", id: 1, dependency: "d", method: "m", input: { json: 0 }, within: 0 });
  const entry = JSON.stringify({ type: "log", level: "info", message: "m", fields: {} });

  it.each<[string, unknown]>([
    ["posts of an unknown kind", [9, 1, 0, "", "", 0, "1"]],
    ["posts of many bytes of a kind that only the service sends", [1, 1, 0, "m", "", 1, new Uint8Array(100_000)]],
    ["posts of a kind that only the service sends", [1, 1, 0, "m", "", 0, "1"]],
    ["posts of a call in the wrong form", [7, 0, 0, "", "", 0, ask]],
    ["posts of a log entry in the wrong form", [7, 0, 0, "", "", 0, entry]],
    ["posts of another value in place of a log entry", [8, 0, 0, "", "", 0, '{"type":"dropped","id":1}']],
    ["posts of null in place of a log entry", [8, 0, 0, "", "", 0, "null"]],
    ["posts of an unknown form", [2, 1, 0, "", "", 9, "1"]],
    ["posts of text that is not JSON", [2, 1, 0, "", "", 0, "{"]],
    ["posts of a state that is text", [5, 1, 0, "", "", 0, "1"]],
    ["posts of a state that claims to be bytes", [5, 1, 0, "", "", 1, "1"]],
    ["posts of a log entry that is bytes", [8, 0, 0, "", "", 1, new Uint8Array([49])]],
    ["posts of text that is bytes", [2, 1, 0, "", "", 0, new Uint8Array([49])]],
    ["posts of invalid text", [2, 1, 0, "", "", 0, 5]],
    ["posts of invalid bytes", [2, 1, 0, "", "", 1, "1"]],
    ["posts of invalid numbers", [2, "1", 0, "", "", 0, "1"]],
    ["posts of invalid names", [4, 1, 0, sparse, "", 0, "1"]],
    ["posts of nested batches", [9, [[2, 1, 0, "", "", 0, "1"]]]],
    ["posts of nothing", []],
    ["posts of an endless list", sparse],
    ["posts of a value with such a list", [2, 1, 0, "", "", 0, sparse]],
    ["posts of an object", { type: "output", id: 1, output: { json: sparse } }],
    ["posts of a map", new Map([[1, sparse]])],
    ["posts of an answer too large for a caller", [2, 1, 0, "", "", 0, JSON.stringify(long)]],
    ["posts of endless bytes", [2, 1, 0, "", "", 1, new Uint8Array(new SharedArrayBuffer(5 * 1024 * 1024))]],
    ["posts of endless names", [4, 1, 0, long, "", 0, "1"]],
    ["posts of names longer than a process could send", [4, 1, 0, "m", "d".repeat(65_536), 0, "1"]],
    ["posts of names with more bytes than that", [4, 1, 0, "é".repeat(32_768), "d", 0, "1"]],
    ["posts of endless nesting", [2, 1, 0, "", "", 0, `${"[".repeat(500_000)}${"]".repeat(500_000)}`]],
  ])("%s are not messages", (_, posted) => {
    expect(fromPost(posted, AWAITED)).toBeUndefined();
  });

  it("messages with a large state that no one requested are refused", () => {
    const state = new Uint8Array(100_000);
    const message: FromInstance = { type: "state", id: 1, state };
    expect(received(message)).toEqual(message);
    expect(received(message, { isAwaited: () => true, isStateAwaited: () => false })).toBeUndefined();
  });

  it("messages that answer no request are not read", () => {
    const nobody = { isAwaited: () => false, isStateAwaited: () => false };
    expect(fromPost([2, 1, 0, "", "", 0, "{ this is no JSON"], nobody)).toEqual({ type: "late", id: 1 });
  });

  it("are not created if the service would not accept them", () => {
    const answer = toPacket({ type: "output", id: 1, output: { json: long } }) as Packet;
    expect(() => checkPacket(answer)).toThrow("more than 4210688");
    const ask = { type: "call", id: 1, within: 0, input: { json: 1 } } as const;
    for (const names of [
      { dependency: "d", method: "m".repeat(65_536) },
      { dependency: "d".repeat(65_536), method: "m" },
    ]) {
      expect(() => checkPacket(toPacket({ ...ask, ...names }) as Packet)).toThrow("more than 65535");
    }
  });
});

describe("a post writer", () => {
  const inputs = (posts: readonly unknown[][]): unknown[][] =>
    posts.map((post) => post.map((message) => (message as Extract<ToInstance, { type: "call" }>).id));

  it("posts the first message of a turn at once, and the others together and in order", async () => {
    const { posts, write } = receiver();
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
      fc.asyncProperty(toInstance, async (sent) => {
        const { posts, write } = receiver();
        for (const message of sent) write(message);
        await turn();
        expect(posts.flat()).toEqual(sent);
      }),
    );
  });

  it("throws at once if a value cannot be sent, and continues", async () => {
    const { posts, write } = receiver();
    write(call(1, { json: 1 }));
    write(call(2, { json: 2 }));
    expect(() => write(call(3, { json: { ...WIDE, not: 1n } }))).toThrow("BigInt");
    write(call(4, { json: 4 }));
    await turn();
    expect(inputs(posts)).toEqual([[1], [2, 4]]);
  });

  it("does not wait for the reading of a message that could not be sent", () => {
    const writer = createPostWriter((value) => structuredClone(value), createReadCounts());
    const config = { not: () => {} };
    expect(() =>
      writer.write({ type: "lifecycle", id: 1, deadline: 1, method: "stop", args: [config] }, undefined),
    ).toThrow("could not be cloned");
    expect([writer.messages, writer.bytes]).toEqual([0, 0]);
  });

  it("moves the memory of a clone, and counts it as if it were copied", async () => {
    const posted: unknown[] = [];
    const read = createReadCounts();
    const moved: number[] = [];
    const writer = createPostWriter((value, memory) => {
      moved.push(memory.length);
      posted.push(structuredClone(value, { transfer: memory }));
    }, read);
    const binary = new Uint8Array(1000);
    for (const input of [{ json: WIDE }, { json: WIDE }, { binary }]) {
      const message = call(1, input);
      writer.write(message, toPacket(message));
    }
    await turn();
    expect(moved).toEqual([1, 1]);
    expect(binary.length).toBe(1000);
    expect(writer.bytes).toBeGreaterThan(2 * 200 * "member_".length + 1000);
    const inputs = posted.flatMap((each) => fromPosts(each, read)).map((each) => "input" in each && each.input);
    expect(inputs).toEqual([{ json: WIDE }, { json: WIDE }, { binary }]);
    expect([writer.messages, writer.bytes]).toEqual([0, 0]);
  });

  it("counts all bytes of a refusal", async () => {
    const posted: unknown[] = [];
    const read = createReadCounts();
    const writer = createPostWriter((value) => posted.push(structuredClone(value)), read);
    const refusal: ToInstance = {
      type: "refusal",
      id: 1,
      error: {
        name: "HeliosError",
        message: "m".repeat(1000),
        stack: "",
        code: "c",
        metadata: { a: "b".repeat(1000) },
      },
    };
    writer.write(refusal, toPacket(refusal));
    expect(writer.bytes).toBeGreaterThan(2000);
    expect(posted.flatMap((value) => fromPosts(value, read))).toEqual([refusal]);
    expect(writer.bytes).toBe(0);
  });

  it("knows how many bytes the thread has not read", async () => {
    const posted: unknown[] = [];
    const read = createReadCounts();
    const writer = createPostWriter((value) => posted.push(structuredClone(value)), read);
    const sent: ToInstance[] = [
      call(1, { json: "abc" }),
      call(2, { json: "d" }),
      { type: "cancel", id: 1, reason: "left" },
    ];
    for (const message of sent) writer.write(message, toPacket(message));
    await turn();
    // The fixed cost of a packet and its texts: two methods and two values.
    expect([writer.messages, writer.bytes]).toEqual([3, 3 * 32 + 2 + 5 + 3]);
    fromPosts(posted.shift(), read);
    expect([writer.messages, writer.bytes]).toEqual([2, 2 * 32 + 1 + 3]);
    for (const value of posted) fromPosts(value, read);
    expect([writer.messages, writer.bytes]).toEqual([0, 0]);
  });
});
