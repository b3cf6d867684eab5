import { describe, expect, it } from "vitest";
import { isReason } from "../../../src/core/errors/error.ts";
import { PAGE_BYTES } from "../../../src/core/size.ts";
import { Collection } from "../../../src/core/store/collection.ts";
import { Feed } from "../../../src/core/store/feed.ts";
import { createMemoryStore } from "../../../src/core/store/memory/store.ts";
import type { Store } from "../../../src/core/store/store.ts";
import { createManualClock } from "../../../src/kernel/clock.ts";
import { drain, HEARTBEAT_MS, makeThings, revisionsOf, soon, tokenAt } from "./things.ts";

const cause = { action: "Test" };

async function makeTexts() {
  const clock = createManualClock();
  const feed = new Feed(createMemoryStore({ clock, incarnation: "incarnation-1" }));
  const texts = new Collection<string>(feed, "thing/");
  await feed.start();
  const put = (name: string, length: number) => texts.change(name, cause, () => "x".repeat(length));
  const watch = (resumeToken = "") =>
    texts.hub.watch({ clock, names: [], resumeToken, onCompacted: "error", heartbeatMs: HEARTBEAT_MS });
  return { clock, put, watch };
}

describe("a frame", () => {
  const big = Math.floor(PAGE_BYTES / 3);
  const sizes = [big, big, big, 10, 2 * PAGE_BYTES, 10, big];
  const perFrame = [2, 2, 1, 2];

  it("a frame of a snapshot is limited to the size of a message, except for a single longer item", async () => {
    const { put, watch } = await makeTexts();
    for (const [at, size] of sizes.entries()) await put(`t${at}`, size);
    const watcher = watch();
    const frames = [];
    for (const _ of perFrame) frames.push(await soon(watcher.next()));
    expect(frames.map((frame) => (frame?.kind === "snapshot" ? frame.items.length : 0))).toEqual(perFrame);
    expect(frames.map((frame) => frame?.kind === "snapshot" && frame.complete)).toEqual([false, false, false, true]);
  });

  it.each(["as they come", "from the journal"])(
    "a frame of changes, %s, has the same limit and a token to resume from",
    async (how) => {
      const { clock, put, watch } = await makeTexts();
      const live = watch();
      await live.next();
      for (const [at, size] of sizes.entries()) await put(`t${at}`, size);
      const watcher = how === "as they come" ? live : watch(tokenAt(0));
      const frames = await drain(clock, () => watcher.next());
      const counts = frames.map((frame) => (frame.kind === "changes" ? frame.items.length : 0));
      expect(counts).toEqual([...perFrame, 0]);
      for (const [at, { resumeToken }] of frames.entries()) {
        const received = counts.slice(0, at + 1).reduce((sum, count) => sum + count, 0);
        const rest = watch(resumeToken);
        const later = revisionsOf(await drain(clock, () => rest.next()));
        expect(later).toEqual(sizes.map((_, index) => index + 1).slice(received));
      }
    },
  );
});

describe("a token", () => {
  it("a token of a watch of other names leads to a snapshot, or to REVISION_COMPACTED, because their state is unknown", async () => {
    const all = await makeThings();
    for (const name of ["a", "b"]) await all.put(name, 1);
    const ofA = (await soon(all.watch({ names: ["a"] }).next()))?.resumeToken ?? "";
    expect(await soon(all.watch({ names: ["a"], resumeToken: ofA }).next())).toMatchObject({ kind: "heartbeat" });
    for (const names of [["b"], ["a", "b"], []]) {
      expect(await soon(all.watch({ names, resumeToken: ofA }).next())).toMatchObject({ kind: "snapshot" });
      const refused = await soon(
        Promise.try(() => all.watch({ names, resumeToken: ofA, onCompacted: "error" })).catch((error) => error),
      );
      expect(isReason(refused, "REVISION_COMPACTED")).toBe(true);
    }
  });

  it("is valid for any order of the names", async () => {
    const all = await makeThings();
    await all.put("a", 1);
    const resumeToken = (await soon(all.watch({ names: ["a", "b"] }).next()))?.resumeToken ?? "";
    expect(await soon(all.watch({ names: ["b", "a"], resumeToken }).next())).toMatchObject({ kind: "heartbeat" });
  });

  it("a token of a watch of another kind leads to a snapshot", async () => {
    const all = await makeThings();
    await all.put("a", 1);
    const resumeToken = tokenAt(1, { scope: "other" });
    expect(await soon(all.watch({ resumeToken }).next())).toMatchObject({ kind: "snapshot" });
  });
});

describe("a watcher that resumes at the start of a long journal", () => {
  it("receives at once that it is behind, and again at every interval, while no change concerns it", async () => {
    const clock = createManualClock();
    const whole = createMemoryStore({ clock, incarnation: "incarnation-1" });
    for (let n = 0; n < 20; n += 1) await whole.put("other/x", "1", { cause });
    // Returns few revisions at a time, and slowly.
    const own = {
      incarnation: whole.incarnation,
      scan: (visit: Parameters<Store["scan"]>[0]) => whole.scan(visit),
      watch: (after: number, listener: () => void) => whole.watch(after, listener),
      async changes(_: string, after: number) {
        clock.advance(HEARTBEAT_MS / 4);
        return { changes: [], through: Math.min(20, after + 1) };
      },
    };
    const store: Store = Object.create(whole, Object.getOwnPropertyDescriptors(own));
    const all = await makeThings({ store });
    const watcher = all.things.hub.watch({
      clock,
      names: [],
      resumeToken: tokenAt(0),
      onCompacted: "error",
      heartbeatMs: HEARTBEAT_MS,
    });
    const revisions = [];
    for (let n = 0; n < 5; n += 1) {
      const frame = await soon(watcher.next());
      expect(frame).toMatchObject({ kind: "heartbeat", head: 20 });
      revisions.push(frame?.revision);
    }
    expect(revisions).toEqual([1, 5, 9, 13, 17]);
  });
});
