import { getEventListeners } from "node:events";
import { expect, it } from "vitest";
import { createShutdown, ServedStream } from "../../../src/server/calls/served-stream.ts";

const never: AsyncIterable<never> = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };

it("one listener for the shutdown serves all open streams, and ends them with its reason", async () => {
  const over = new AbortController();
  const shutdown = createShutdown(over.signal);
  const failed: unknown[] = [];
  const end = {
    failed: (thrown: unknown) => {
      failed.push(thrown);
      return new Error("told to the reader");
    },
    ended: () => {},
  };
  const streams = Array.from({ length: 20 }, () => new ServedStream(() => never, shutdown, end));
  const waiting = streams.map((stream) => stream.next());
  expect(getEventListeners(over.signal, "abort")).toHaveLength(1);
  over.abort(new Error("the end"));
  const results = await Promise.allSettled(waiting);
  expect(new Set(results.map((result) => (result.status === "rejected" ? String(result.reason) : "")))).toEqual(
    new Set(["Error: told to the reader"]),
  );
  expect(failed.map(String)).toEqual(Array(20).fill("Error: the end"));
  await expect(streams[0]?.next()).resolves.toEqual({ done: true, value: undefined });
});

it("a stream that nobody reads at the moment of the shutdown tells its reason to the next read", async () => {
  const over = new AbortController();
  async function* two(): AsyncGenerator<{ n: number }> {
    yield { n: 1 };
    yield { n: 2 };
  }
  const end = { failed: (thrown: unknown) => thrown, ended: () => {} };
  const stream = new ServedStream(two, createShutdown(over.signal), end);
  await expect(stream.next()).resolves.toEqual({ done: false, value: { n: 1 } });
  over.abort(new Error("the end"));
  await expect(stream.next()).rejects.toThrow("the end");
  await expect(stream.next()).resolves.toEqual({ done: true, value: undefined });
});
