import { describe, expect, it } from "vitest";
import { createManualClock, createMemoryStore, Feed, isReason } from "../../../src/core/index.ts";
import { describeChange } from "../../../src/core/status/describe.ts";
import { createEvents, type EventSource } from "../../../src/core/status/events.ts";
import { QUEUE_LIMIT } from "../../../src/core/watch/live-queue.ts";

const THINGS: EventSource = {
  prefix: "thing/",
  domain: "FLAGS",
  noun: "thing",
  describe: (before, after) => `${JSON.stringify(before)} -> ${JSON.stringify(after)}`,
};

async function setUp() {
  const clock = createManualClock();
  const store = createMemoryStore({ clock, incarnation: "one" });
  const feed = new Feed(store);
  const events = createEvents(feed, [THINGS]);
  await feed.start();
  const watch = (resumeToken = "") =>
    events.watch({ clock, names: [], resumeToken, onCompacted: "error", heartbeatMs: 1000 });
  const cause = { action: "Set", actor: "alice", reason: "ramp" };
  const put = (key: string, value: unknown) => store.put(key, JSON.stringify(value), { cause });
  return { clock, store, watch, put };
}

describe("events", () => {
  it("describe a change in a line: the resource, the change, the operation, the actor and the reason", async () => {
    const { watch, put } = await setUp();
    const watcher = watch();
    await watcher.next();
    await put("thing/a", 1);
    await put("thing/a", 2);
    expect(await watcher.next()).toMatchObject({
      items: [
        { revision: 1, subject: "a", domain: "FLAGS", text: "thing a: undefined -> 1 (Set by alice: ramp)" },
        { revision: 2, text: "thing a: 1 -> 2 (Set by alice: ramp)" },
      ],
    });
  });

  it("begin after the start of the watch, and omit changes outside the domains", async () => {
    const { watch, put } = await setUp();
    await put("thing/a", 1);
    const watcher = watch();
    expect(await watcher.next()).toMatchObject({ kind: "heartbeat", revision: 1 });
    await put("request/x", 1);
    await put("thing/b", 1);
    expect(await watcher.next()).toMatchObject({ items: [{ revision: 3, subject: "b" }] });
  });

  it("resume from a token, each once", async () => {
    const { watch, put } = await setUp();
    const first = watch();
    const { resumeToken = "" } = (await first.next()) ?? {};
    first.close();
    await put("thing/a", 1);
    await put("thing/b", 2);
    const second = watch(resumeToken);
    expect(await second.next()).toMatchObject({ items: [{ subject: "a" }, { subject: "b" }] });
  });

  it("end a watcher that is too slow for its buffer, rather than omit an event", async () => {
    const { watch, put } = await setUp();
    const watcher = watch();
    await watcher.next();
    for (let count = 0; count <= QUEUE_LIMIT; count += 1) await put("thing/a", count);
    await expect(watcher.next()).rejects.toSatisfy((error) => isReason(error, "WATCHER_TOO_SLOW"));
  });
});

describe("the description of a change", () => {
  const received = [
    { label: "", of: (thing: { on: boolean }) => (thing.on ? "on" : "off") },
    { label: "size", of: (thing: { size?: number }) => thing.size?.toString() },
  ];

  it.each([
    [undefined, { on: true, size: 1 }, "created on size 1"],
    [undefined, { on: true }, "created on"],
    [{ on: true }, { on: false }, "on -> off"],
    [{ on: true, size: 1 }, { on: false, size: 2 }, "on -> off, size 1 -> 2"],
    [{ on: true }, { on: true, size: 2 }, "size none -> 2"],
    [{ on: true }, { on: true }, "changed"],
    [{ on: true }, undefined, "deleted"],
  ])("of %j -> %j is %j", (before, after, text) => {
    expect(describeChange<{ on: boolean; size?: number }>(before, after, received)).toBe(text);
  });
});
