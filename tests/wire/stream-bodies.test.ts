import { createHook } from "node:async_hooks";
import { once } from "node:events";
import { type ClientHttp2Session, connect, createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ServerReflectionRequestSchema } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { createEngine, createManualClock, type ManualClock } from "../../src/core/index.ts";
import { type Bodies, createBodies } from "../../src/server/http/bodies.ts";
import { startServer } from "../../src/server/server.ts";
import { REQUEST_BODY_TIMEOUT_MS } from "../../src/server/transport/limits.ts";
import { turn, turns } from "../support/turns.ts";
import { until } from "../support/until.ts";

/** The number of promises that were made since, and that the garbage collector has not collected. */
function livingPromises() {
  const ids = new Set<number>();
  const hook = createHook({
    init: (id, type) => void (type === "PROMISE" && ids.add(id)),
    destroy: (id) => void ids.delete(id),
  }).enable();
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  return {
    async count(): Promise<number> {
      collect();
      // The hook learns of collected promises in a later turn.
      await turns(2);
      return ids.size;
    },
    end: () => void hook.disable(),
  };
}

function envelope(payload: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(payload.length, 1);
  return Buffer.concat([head, payload]);
}

describe("a request stream that stays open", () => {
  let clock: ManualClock;
  let bodies: Bodies;
  let server: Http2Server;
  let session: ClientHttp2Session;
  /** What the server has received of the stream's body, and how the read ended. */
  let chunks: WeakRef<Uint8Array>[];
  let bytes: number;
  let wake: (() => void) | undefined;
  /** The work of the handler on each message before it asks for more. */
  let work: Promise<void> | undefined;
  let ended: Promise<unknown>;
  let closed: Promise<unknown>;

  beforeEach(async () => {
    clock = createManualClock();
    bodies = createBodies(clock);
    chunks = [];
    bytes = 0;
    work = undefined;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    ended = promise;
    server = createServer(async (request, response) => {
      request.on("error", () => {});
      closed = once(response, "close");
      bodies.bound(request, response, false);
      try {
        for await (const chunk of request as AsyncIterable<Uint8Array>) {
          chunks.push(new WeakRef(chunk));
          bytes += chunk.length;
          wake?.();
          if (work !== undefined) await work;
        }
        resolve("ended");
      } catch (error) {
        resolve(error);
        response.stream.close();
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    session.on("error", () => {});
  });
  afterEach(async () => {
    session.destroy();
    server.close();
    await once(server, "close");
  });

  function open(): { send(bytes: Uint8Array): Promise<void>; end(): void } {
    const stream = session.request({ ":method": "POST" });
    stream.on("error", () => {});
    let sent = 0;
    return {
      async send(part) {
        sent += part.length;
        stream.write(part);
        while (bytes < sent) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        // One turn of the event loop, in which the handler asks for more.
        await turn();
      },
      end: () => void stream.close(),
    };
  }

  it("holds the bytes of an incomplete message, and none of those that were passed on", async () => {
    const stream = open();
    const [one, two] = [envelope(Buffer.alloc(30_000)), envelope(Buffer.alloc(7))];
    for (let turn = 0; turn < 5; turn += 1) {
      await stream.send(one.subarray(0, 3));
      expect(bodies.bytes).toBe(3);
      await stream.send(one.subarray(3, 20_000));
      expect(bodies.bytes).toBe(20_000);
      // The end of one message, a whole one, and the beginning of a third.
      await stream.send(Buffer.concat([one.subarray(20_000), two, envelope(Buffer.alloc(0)), two.subarray(0, 6)]));
      expect(bodies.bytes).toBe(6);
      await stream.send(two.subarray(6));
      expect(bodies.bytes).toBe(0);
    }
    await stream.send(one.subarray(0, 9));
    stream.end();
    await closed;
    expect(bodies.bytes).toBe(0);
  });

  it("keeps neither the bytes that it has read nor promises", async () => {
    const stream = open();
    const message = envelope(Buffer.alloc(1000));
    await stream.send(message);
    const promises = livingPromises();
    const messages = 400;
    for (let sent = 0; sent < messages; sent += 1) await stream.send(message);
    // Whatever else runs in this process makes promises too. They are collected later, or are fewer.
    await until(async () => (await promises.count()) < messages / 2);
    promises.end();
    expect(chunks.filter((chunk) => chunk.deref() !== undefined).length).toBeLessThan(5);
  });

  it("ends if a message is not complete in time, after any number of complete ones", async () => {
    const stream = open();
    const message = envelope(Buffer.alloc(10));
    for (let turn = 0; turn < 5; turn += 1) {
      await stream.send(message.subarray(0, 5));
      clock.advance(REQUEST_BODY_TIMEOUT_MS - 1);
      await stream.send(message.subarray(5));
      clock.advance(10 * REQUEST_BODY_TIMEOUT_MS);
      // The end of one message is followed by the beginning of the next.
      await stream.send(message.subarray(0, 5));
      clock.advance(REQUEST_BODY_TIMEOUT_MS - 1);
      await stream.send(Buffer.concat([message.subarray(5), message.subarray(0, 1)]));
      clock.advance(REQUEST_BODY_TIMEOUT_MS - 1);
      await stream.send(message.subarray(1));
    }
    await stream.send(message.subarray(0, 1));
    clock.advance(REQUEST_BODY_TIMEOUT_MS - 1);
    await stream.send(message.subarray(1, 2));
    clock.advance(1);
    expect(await ended).toMatchObject({ message: expect.stringContaining("was not complete within 30 s") });
    expect(bodies.bytes).toBe(0);
  });

  it("continues if a message was complete in time, however long its handler works before it asks for more", async () => {
    const stream = open();
    const message = envelope(Buffer.alloc(10));
    for (let turn = 0; turn < 3; turn += 1) {
      await stream.send(message.subarray(0, 5));
      clock.advance(REQUEST_BODY_TIMEOUT_MS - 1);
      const { promise, resolve } = Promise.withResolvers<void>();
      work = promise;
      // The end of one message is followed by the beginning of the next, whose time begins when it is asked for.
      await stream.send(Buffer.concat([message.subarray(5), message.subarray(0, 5)]));
      clock.advance(10 * REQUEST_BODY_TIMEOUT_MS);
      work = undefined;
      resolve();
      await new Promise((done) => setImmediate(done));
      clock.advance(REQUEST_BODY_TIMEOUT_MS - 1);
      expect(await Promise.race([ended, stream.send(message.subarray(5))])).toBeUndefined();
    }
    await stream.send(message.subarray(0, 5));
    clock.advance(REQUEST_BODY_TIMEOUT_MS);
    expect(await ended).toMatchObject({ message: expect.stringContaining("was not complete within 30 s") });
  });
});

it("a stream of questions continues however long it is open", async () => {
  const clock = createManualClock();
  const engine = await createEngine({ modulesRoot: `${import.meta.dirname}/../fixtures/modules` });
  const server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "", log() {}, clock, graceMs: 0 });
  const session = connect(server.url);
  const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
  const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc" });
  const question = { messageRequest: { case: "listServices", value: "" } } as const;
  const bytes = toBinary(ServerReflectionRequestSchema, create(ServerReflectionRequestSchema, question));
  for (let turn = 0; turn < 3; turn += 1) {
    stream.write(envelope(bytes));
    const [answer] = (await once(stream, "data")) as [Buffer];
    expect(answer.toString()).toContain("helios.v1.FlagService");
    clock.advance(2 * REQUEST_BODY_TIMEOUT_MS);
  }
  stream.end();
  const [trailers] = await once(stream, "trailers");
  expect(trailers["grpc-status"]).toBe("0");
  session.destroy();
  await server.drain();
  await engine.close();
});
