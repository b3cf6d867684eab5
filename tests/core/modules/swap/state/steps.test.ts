import { expect, it } from "vitest";
import type { SwapEvent } from "../../../../../src/core/modules/swap/state/events.ts";
import { Steps } from "../../../../../src/core/modules/swap/state/steps.ts";
import { createManualClock } from "../../../../../src/kernel/clock.ts";

function taking() {
  const events: SwapEvent[] = [];
  const steps = new Steps(
    createManualClock(),
    "a",
    (event) => events.push(event),
    () => undefined,
  );
  const late: string[] = [];
  const abort = new AbortController();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const options = { signal: abort.signal, late: (result: string) => late.push(result) };
  const taken = steps.take("start", options, () => promise);
  return { steps, events, late, abort, resolve, reject, taken };
}

it("an instance that a step starts after it has failed is given to the code that ends it", async () => {
  const { steps, late, abort, resolve, taken } = taking();
  abort.abort(new Error("it was cancelled"));
  await expect(taken).rejects.toThrow("it was cancelled");
  expect(steps.failed).toMatchObject({ name: "start", outcome: "failed", detail: "it was cancelled" });
  expect(late).toEqual([]);
  resolve("an instance");
  await Promise.resolve();
  await Promise.resolve();
  expect(late).toEqual(["an instance"]);
});

it("an instance that a step starts in time is only the result of the step", async () => {
  const { steps, events, late, abort, resolve, taken } = taking();
  resolve("an instance");
  expect(await taken).toBe("an instance");
  abort.abort(new Error("it was cancelled"));
  expect(late).toEqual([]);
  expect(steps.list).toMatchObject([{ name: "start", outcome: "done" }]);
  expect(events.map(({ type }) => type)).toEqual(["started", "ended"]);
});

it("a step that fails by itself leaves no late instance", async () => {
  const { late, reject, taken } = taking();
  reject(new Error("no memory"));
  await expect(taken).rejects.toThrow("no memory");
  expect(late).toEqual([]);
});
