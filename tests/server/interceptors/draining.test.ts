import { getEventListeners } from "node:events";
import type { StreamResponse, UnaryRequest } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { createDrainGate } from "../../../src/server/interceptors/draining.ts";
import { createServingSwitch } from "../../../src/server/services/health.ts";

it("one listener for the shutdown serves all open streams, and ends them with its reason", async () => {
  const over = new AbortController();
  const gate = createDrainGate(createServingSwitch(), over.signal);
  const never = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
  const silent = { stream: true, message: never } as unknown as StreamResponse;
  const request = { service: { typeName: "any" } } as UnaryRequest;
  const streams = await Promise.all(Array.from({ length: 20 }, () => gate(async () => silent)(request)));
  const waiting = streams.map(({ message }) => (message as AsyncIterable<unknown>)[Symbol.asyncIterator]().next());
  expect(getEventListeners(over.signal, "abort")).toHaveLength(1);
  over.abort(new Error("the end"));
  const results = await Promise.allSettled(waiting);
  expect(new Set(results.map((result) => (result.status === "rejected" ? String(result.reason) : "")))).toEqual(
    new Set(["Error: the end"]),
  );
});
