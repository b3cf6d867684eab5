import { describe, expect, it } from "vitest";
import { WHOLE_BYTES } from "../../../src/core/size.ts";
import { Collection } from "../../../src/core/store/collection.ts";
import { Feed } from "../../../src/core/store/feed.ts";
import { createMemoryStore } from "../../../src/core/store/memory/store.ts";
import { QUEUE_CHARS, QUEUE_LIMIT } from "../../../src/core/watch/live-queue.ts";
import { createManualClock } from "../../../src/kernel/clock.ts";
import { drain, HEARTBEAT_MS, soon, tokenAt } from "./things.ts";

const cause = { action: "Test" };

async function makeTexts() {
  const clock = createManualClock();
  const feed = new Feed(createMemoryStore({ clock, incarnation: "incarnation-1" }));
  const texts = new Collection<{ readonly text: string }>(feed, "thing/");
  await feed.start();
  const put = (name: string, length: number) => texts.change(name, cause, () => ({ text: "x".repeat(length) }));
  const watch = (resumeToken = "", onCompacted: "snapshot" | "error" = "snapshot") =>
    texts.hub.watch({ clock, names: [], resumeToken, onCompacted, heartbeatMs: HEARTBEAT_MS });
  return { clock, put, watch };
}

describe("a watch that resumes before an oversized change", () => {
  it("continues with a snapshot of the present state, and then with changes", async () => {
    const { put, watch } = await makeTexts();
    await put("large", WHOLE_BYTES + 1);
    await put("large", 1);
    await put("small", 1);
    const watcher = watch(tokenAt(0));
    const frame = await soon(watcher.next());
    expect(frame).toMatchObject({ kind: "snapshot", complete: true, revision: 3, resumeToken: tokenAt(3) });
    expect(frame?.kind === "snapshot" && frame.items.map(({ name }) => name)).toEqual(["large", "small"]);
    await put("small", 2);
    expect(await soon(watcher.next())).toMatchObject({ kind: "changes", revision: 4 });
  });

  it("receives the change if it accepts no snapshot", async () => {
    const { clock, put, watch } = await makeTexts();
    await put("large", WHOLE_BYTES + 1);
    await put("large", 1);
    const watcher = watch(tokenAt(0), "error");
    const frames = await drain(clock, () => watcher.next());
    expect(frames[0]).toMatchObject({ kind: "changes", revision: 1 });
  });

  it("receives changes that are not oversized as they are", async () => {
    const { put, watch } = await makeTexts();
    await put("a", WHOLE_BYTES / 2);
    expect(await soon(watch(tokenAt(0)).next())).toMatchObject({ kind: "changes", revision: 1 });
  });
});

describe("a watcher that does not read", () => {
  it("holds a limited number of characters, and loses nothing", async () => {
    const { clock, put, watch } = await makeTexts();
    const watcher = watch();
    await watcher.next();
    const length = Math.floor(QUEUE_CHARS / 20);
    for (let at = 0; at < 50; at += 1) {
      await put(`t${at}`, length);
      expect(watcher.waiting).toBeLessThanOrEqual(21);
    }
    expect(watcher.waiting).toBeLessThan(QUEUE_LIMIT);
    const frames = await drain(clock, () => watcher.next());
    const received = frames.flatMap((frame) => (frame.kind === "changes" ? frame.items.map(({ name }) => name) : []));
    expect(received).toEqual(Array.from({ length: 50 }, (_, at) => `t${at}`));
  });
});
