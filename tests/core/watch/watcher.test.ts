import { describe, expect, it } from "vitest";
import { HeliosError, isReason } from "../../../src/core/errors/error.ts";
import { Collection } from "../../../src/core/store/collection.ts";
import { Feed } from "../../../src/core/store/feed.ts";
import { createMemoryStore } from "../../../src/core/store/memory/store.ts";
import { FRAME_LIMIT } from "../../../src/core/watch/frame.ts";
import { QUEUE_LIMIT } from "../../../src/core/watch/live-queue.ts";
import { decodeToken } from "../../../src/core/watch/token.ts";
import { createManualClock } from "../../../src/kernel/clock.ts";
import { SOAK } from "../../support/soak.ts";
import { turn } from "../../support/turns.ts";
import { rejection } from "../store/rig.ts";
import {
  delayed,
  drain,
  HEARTBEAT_MS,
  makeThings,
  present,
  revisionsOf,
  soon,
  stateOf,
  type Thing,
  type ThingFrame,
  tokenAt,
} from "./things.ts";

const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `t${n}`);
const draining = (): HeliosError => HeliosError.of("SERVER_DRAINING", {});

describe("the first frame", () => {
  it("is a complete snapshot at once, even if that is empty", async () => {
    const all = await makeThings();
    const frame = await soon(all.watch().next());
    expect(frame).toMatchObject({ kind: "snapshot", items: [], complete: true, revision: 0 });
    expect(decodeToken(frame?.resumeToken ?? "")).toMatchObject({ incarnation: "incarnation-1", revision: 0 });
  });

  it("is a heartbeat at once if there is nothing else: after a resume at the head, and for events", async () => {
    const all = await makeThings();
    await all.put("a", 1);
    const resumeToken = tokenAt(1);
    expect(await soon(all.watch({ resumeToken }).next())).toMatchObject({ kind: "heartbeat", revision: 1 });
    expect(await soon(all.watchEvents().next())).toMatchObject({ kind: "heartbeat", revision: 1 });
  });
});

describe("a snapshot", () => {
  it("has chunks at one revision, and a token only on the last one", async () => {
    const all = await makeThings();
    for (const name of names(2 * FRAME_LIMIT + 1)) await all.put(name, 1);
    const watcher = all.watch();
    const head = all.feed.revision;
    const frames = [];
    for (let n = 0; n < 3; n += 1) {
      frames.push(await soon(watcher.next()));
      await all.put("t0", n + 2);
    }
    expect(frames).toMatchObject([
      { kind: "snapshot", complete: false, revision: head, resumeToken: "" },
      { kind: "snapshot", complete: false, revision: head, resumeToken: "" },
      { kind: "snapshot", complete: true, revision: head },
    ]);
    expect(frames.map((frame) => (frame?.kind === "snapshot" ? frame.items.length : 0))).toEqual([500, 500, 1]);
    const rest = await drain(all.clock, () => watcher.next());
    expect(revisionsOf(rest)).toEqual([head + 1, head + 2, head + 3]);
  });

  it("has the state at the moment of the request", async () => {
    const all = await makeThings();
    await all.put("a", 1);
    const watcher = all.watch();
    await all.put("a", 2);
    await all.remove("a");
    const [snapshot, ...rest] = await drain(all.clock, () => watcher.next());
    expect(snapshot).toMatchObject({ items: [{ name: "a", record: { n: 1 } }], revision: 1 });
    expect(rest).toMatchObject([
      {
        kind: "changes",
        revision: 3,
        items: [
          { revision: 2, before: { n: 1 } },
          { revision: 3, before: { n: 2 } },
        ],
      },
      { kind: "heartbeat", revision: 3 },
    ]);
  });
});

describe("a change", () => {
  it("is delivered at once, whenever next is called", async () => {
    for (let wait = 0; wait < 40; wait += 1) {
      const all = await makeThings();
      const watcher = all.watch();
      await watcher.next();
      const change = { kind: "changes", items: [{ name: "a" }] };
      const early = soon(watcher.next());
      for (let n = 0; n < wait; n += 1) await undefined;
      await all.put("a", 1);
      expect(await early).toMatchObject(change);
      const written = all.put("a", 2);
      for (let n = 0; n < wait; n += 1) await undefined;
      expect(await soon(watcher.next())).toMatchObject(change);
      await written;
    }
  });

  it("is delivered once, even if the store knows it before the feed does", async () => {
    const store = delayed(createMemoryStore({ clock: createManualClock(), incarnation: "incarnation-1" }));
    const all = await makeThings({ store });
    for (const n of [1, 2]) await store.put("thing/a", JSON.stringify({ n }), { cause: { action: "Test" } });
    const watcher = all.watch({ resumeToken: tokenAt(0) });
    const first = await soon(watcher.next());
    store.deliver();
    await store.put("thing/a", JSON.stringify({ n: 3 }), { cause: { action: "Test" } });
    store.deliver();
    const rest = await drain(all.clock, () => watcher.next());
    expect(revisionsOf(first === undefined ? rest : [first, ...rest])).toEqual([1, 2, 3]);
  });

  it("is delivered in one frame with others that are ready", async () => {
    const all = await makeThings();
    const watcher = all.watch();
    await watcher.next();
    for (const name of names(FRAME_LIMIT + 20)) await all.put(name, 1);
    const frames = await drain(all.clock, () => watcher.next());
    expect(frames.map((frame) => ("items" in frame ? frame.items.length : frame.kind))).toEqual([500, 20, "heartbeat"]);
    expect(frames.map(({ revision }) => revision)).toEqual([500, 520, 520]);
  });

  it("a reader is told of a batch when all of it is there, once, and reads it as one frame without a wait", async () => {
    const all = await makeThings();
    const watcher = all.watch();
    const read: ThingFrame[] = [];
    let told = 0;
    const readAll = (): void => {
      for (let frame = watcher.poll({ wake }); frame !== undefined; frame = watcher.poll({ wake })) read.push(frame);
    };
    const wake = (): void => {
      told += 1;
      readAll();
    };
    readAll();
    await all.things.batch({ action: "Test" }, () => names(3).map((name) => ({ name, record: { n: 1 } })));
    expect(told).toBe(1);
    expect(read).toMatchObject([
      { kind: "snapshot" },
      { kind: "changes", revision: 1, items: [{ name: "t0" }, { name: "t1" }, { name: "t2" }] },
    ]);
    watcher.close();
    await turn();
    expect([told, read.length]).toEqual([2, 2]);
  });

  it("a watch of some names begins with those that exist, sorted and each once", async () => {
    const all = await makeThings();
    for (const name of ["c", "a", "b"]) await all.put(name, 1);
    const watcher = all.watch({ names: ["c", "gone", "a", "c"] });
    const first = await soon(watcher.next());
    expect(first).toMatchObject({ kind: "snapshot", complete: true });
    expect(first?.kind === "snapshot" && first.items.map(({ name }) => name)).toEqual(["a", "c"]);
  });

  it("a watch that was closed gets no more changes of its names, and others of the same name still do", async () => {
    const all = await makeThings();
    const [closed, open] = [all.watch({ names: ["a", "a"] }), all.watch({ names: ["a"] })];
    for (const watcher of [closed, open]) await soon(watcher.next());
    closed.close();
    await all.put("a", 1);
    expect(closed.waiting).toBe(0);
    expect(await soon(open.next())).toMatchObject({ kind: "changes", items: [{ name: "a" }] });
  });

  it("a change of a resource with another name is not delivered, but advances the watcher's revision", async () => {
    const all = await makeThings();
    for (const name of ["a", "b"]) await all.put(name, 1);
    const watcher = all.watch({ names: ["b", "c"] });
    const first = await soon(watcher.next());
    expect(first).toMatchObject({ kind: "snapshot", items: [{ name: "b" }] });
    const pending = watcher.next();
    for (let n = 0; n < 5; n += 1) await all.put("a", n);
    all.clock.advance(HEARTBEAT_MS);
    expect(await soon(pending)).toMatchObject({ kind: "heartbeat", revision: 7 });
    await all.put("c", 1);
    expect(await soon(watcher.next())).toMatchObject({ kind: "changes", revision: 8, items: [{ name: "c" }] });
    const resumed = all.watch({ names: ["b", "c"], resumeToken: first?.resumeToken ?? "" });
    expect(revisionsOf(await drain(all.clock, () => resumed.next()))).toEqual([8]);
  });
});

describe("a heartbeat", () => {
  it("is sent after an interval without other frames, and has the store's revision", async () => {
    const all = await makeThings();
    const watcher = all.watch();
    await watcher.next();
    const pending = watcher.next();
    let arrived = false;
    void pending.then(() => {
      arrived = true;
    });
    await all.store.put("other/x", "1", { cause: { action: "Test" } });
    all.clock.advance(HEARTBEAT_MS - 1);
    await turn();
    expect(arrived).toBe(false);
    await all.store.put("other/x", "2", { cause: { action: "Test" } });
    all.clock.advance(1);
    const frame = await soon(pending);
    expect(frame).toMatchObject({ kind: "heartbeat", revision: 2, time: all.clock.now() });
    expect(decodeToken(frame?.resumeToken ?? "").revision).toBe(2);
  });

  it("never overtakes a change of the same moment", async () => {
    for (let wait = 0; wait < 10; wait += 1) {
      const all = await makeThings();
      const watcher = all.watch();
      await watcher.next();
      const pending = watcher.next();
      await turn();
      all.clock.advance(HEARTBEAT_MS);
      for (let n = 0; n < wait; n += 1) await undefined;
      const written = all.put("a", 1);
      const frame = await soon(pending);
      await written;
      if (frame?.kind === "heartbeat") {
        expect(frame.revision).toBe(0);
        expect(await soon(watcher.next())).toMatchObject({ kind: "changes", revision: 1 });
      } else {
        expect(frame).toMatchObject({ kind: "changes", revision: 1 });
      }
    }
  });

  it("restarts its interval with every frame", async () => {
    const all = await makeThings();
    const watcher = all.watch();
    await watcher.next();
    for (let n = 0; n < 3; n += 1) {
      const pending = watcher.next();
      await turn();
      all.clock.advance(HEARTBEAT_MS - 1);
      await all.put("a", n);
      expect(await soon(pending)).toMatchObject({ kind: "changes" });
    }
  });

  it("needs an interval above 0", async () => {
    const all = await makeThings();
    for (const heartbeatMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => all.watch({ heartbeatMs })).toThrow("heartbeatMs");
    }
  });
});

describe("a resume token", () => {
  it("a token of another incarnation or of the future leads to a snapshot, or on request to REVISION_COMPACTED", async () => {
    const all = await makeThings();
    await all.put("a", 1);
    for (const position of [{ incarnation: "incarnation-2", revision: 1 }, { revision: 2 }]) {
      const resumeToken = tokenAt(position.revision, position);
      expect(await soon(all.watch({ resumeToken }).next())).toMatchObject({ kind: "snapshot", revision: 1 });
      expect(reasonOf(() => all.watch({ resumeToken, onCompacted: "error" }))).toBe("REVISION_COMPACTED");
      expect(reasonOf(() => all.watchEvents({ resumeToken }))).toBe("REVISION_COMPACTED");
    }
    expect(all.things.hub.watcherCount).toBe(2);
  });

  it("a token that is compacted leads to a snapshot, or on request to REVISION_COMPACTED", async () => {
    const all = await makeThings();
    for (let n = 0; n < 5; n += 1) await all.put("a", n);
    await all.store.compact(4);
    const resumeToken = tokenAt(3);
    expect(await soon(all.watch({ resumeToken }).next())).toMatchObject({ kind: "snapshot", revision: 5 });
    for (const watcher of [all.watch({ resumeToken, onCompacted: "error" }), all.watchEvents({ resumeToken })]) {
      const error = await rejection(soon(watcher.next()));
      expect(isReason(error, "REVISION_COMPACTED") && error.metadata).toEqual({
        resume_token: resumeToken,
        oldest_revision: "4",
      });
    }
    const kept = tokenAt(4);
    const watcher = all.watch({ resumeToken: kept, onCompacted: "error" });
    expect(revisionsOf(await drain(all.clock, () => watcher.next()))).toEqual([5]);
  });

  it("is valid for another engine on the same store", async () => {
    const all = await makeThings();
    await all.put("a", 1);
    const resumeToken = (await soon(all.watch().next()))?.resumeToken ?? "";
    await all.put("a", 2);
    all.feed.close();
    const feed = new Feed(all.store);
    const { hub } = new Collection<Thing>(feed, "thing/");
    await feed.start();
    const options = { clock: all.clock, names: [], onCompacted: "error" as const, heartbeatMs: HEARTBEAT_MS };
    const watcher = hub.watch({ ...options, resumeToken });
    expect(revisionsOf(await drain(all.clock, () => watcher.next()))).toEqual([2]);
  });
});

describe("a watcher that does not read", () => {
  const CASES = [
    { what: "few names: the latest of each", distinct: 50, kept: 200_000, kinds: ["changes"] },
    { what: "many names: from the journal", distinct: 5000, kept: 200_000, kinds: ["changes"] },
    { what: "more than the journal keeps: a snapshot", distinct: 5000, kept: 1000, kinds: ["snapshot"] },
  ];
  const WRITES = [
    { writes: 15_000, options: {} },
    { writes: 100_000, options: SOAK },
  ];

  for (const { writes, options } of WRITES)
    it.each(CASES)(
      `holds little during ${writes} writes, and ends with the state of the store ($what)`,
      options,
      async ({ distinct, kept, kinds }) => {
        const all = await makeThings({ keptChanges: kept });
        const watcher = all.watch();
        const before = await soon(watcher.next());
        let most = 0;
        for (let n = 0; n < writes; n += 1) {
          const name = `t${(n * 7919) % distinct}`;
          if (n % 13 === 12) await all.remove(name);
          else await all.put(name, n);
          most = Math.max(most, watcher.waiting);
        }
        expect(most).toBeGreaterThan(0);
        expect(most).toBeLessThanOrEqual(QUEUE_LIMIT);
        const frames = await drain(all.clock, () => watcher.next());
        expect(stateOf(before === undefined ? frames : [before, ...frames])).toEqual(present(all));
        if (distinct < QUEUE_LIMIT) expect(revisionsOf(frames).length).toBeLessThanOrEqual(QUEUE_LIMIT);
        expect([...new Set(frames.map(({ kind }) => kind))]).toEqual([...kinds, "heartbeat"]);
        expect(watcher.lag).toBe(0);
        all.changes.length = 0;
      },
    );

  it("holds no changes that its unread snapshot will contain", async () => {
    const all = await makeThings();
    for (const name of names(FRAME_LIMIT + 1)) await all.put(name, 0);
    const watcher = all.watch();
    const first = await soon(watcher.next());
    for (const name of names(5000)) await all.put(name, 1);
    expect(watcher.waiting).toBe(0);
    await all.remove("t3");
    expect(watcher.waiting).toBe(0);
    const rest = await drain(all.clock, () => watcher.next());
    expect(stateOf(first === undefined ? rest : [first, ...rest])).toEqual(present(all));
  });

  it("ends with WATCHER_TOO_SLOW and is freed if there is no state to catch up with", async () => {
    const all = await makeThings();
    const watcher = all.watchEvents();
    const first = await soon(watcher.next());
    for (let n = 0; n < QUEUE_LIMIT; n += 1) await all.put("a", n);
    expect(all.events.watcherCount).toBe(1);
    await all.put("a", -1);
    expect(all.events.watcherCount).toBe(0);
    expect(watcher.waiting).toBe(0);
    const error = await rejection(soon(watcher.next()));
    expect(isReason(error, "WATCHER_TOO_SLOW") && error.metadata).toEqual({ waiting: String(QUEUE_LIMIT + 1) });
    // A resume from its last token loses nothing.
    const again = all.watchEvents({ resumeToken: first?.resumeToken ?? "" });
    expect(revisionsOf(await drain(all.clock, () => again.next()))).toHaveLength(QUEUE_LIMIT + 1);
  });
});

describe("closing a hub", () => {
  it("comes after all earlier changes, and is the same for every later call and watcher", async () => {
    const all = await makeThings();
    const watcher = all.watch();
    await watcher.next();
    for (const name of names(FRAME_LIMIT + 1)) await all.put(name, 1);
    const error = draining();
    all.things.hub.end(error);
    await all.put("late", 1);
    expect(await soon(watcher.next())).toMatchObject({ kind: "changes", revision: FRAME_LIMIT });
    expect(await soon(watcher.next())).toMatchObject({ kind: "changes", revision: FRAME_LIMIT + 1 });
    for (let n = 0; n < 2; n += 1) expect(await rejection(soon(watcher.next()))).toBe(error);
    expect(() => all.watch()).toThrow(error);
  });

  it("wakes waiting watchers", async () => {
    const all = await makeThings();
    const watcher = all.watch();
    await watcher.next();
    const pending = watcher.next();
    await turn();
    const error = draining();
    all.things.hub.end(error);
    expect(await rejection(soon(pending))).toBe(error);
  });

  it("waits for a snapshot and a journal that are being read, but not for their successors", async () => {
    const all = await makeThings();
    for (const name of names(FRAME_LIMIT + 1)) await all.put(name, 1);
    const starting = all.watch();
    const resuming = all.watch({ resumeToken: tokenAt(0) });
    await starting.next();
    const error = draining();
    all.things.hub.end(error);
    for (const name of names(2 * FRAME_LIMIT)) await all.put(name, 2);
    expect(await soon(starting.next())).toMatchObject({ kind: "snapshot", complete: true, revision: FRAME_LIMIT + 1 });
    expect(await rejection(soon(starting.next()))).toBe(error);
    expect(await soon(resuming.next())).toMatchObject({ kind: "changes", revision: FRAME_LIMIT });
    expect(await soon(resuming.next())).toMatchObject({ kind: "changes" });
    expect(await rejection(soon(resuming.next()))).toBe(error);
  });

  it("is the error of a watcher that cannot read on because the store is closed", async () => {
    const all = await makeThings();
    await all.put("a", 1);
    const watcher = all.watch({ resumeToken: tokenAt(0) });
    const error = draining();
    all.things.hub.end(error);
    await all.store.close();
    expect(await rejection(soon(watcher.next()))).toBe(error);
  });
});

describe("closing a watcher", () => {
  it("frees it, and makes a waiting call of next return without a frame", async () => {
    const all = await makeThings();
    const watcher = all.watch();
    await watcher.next();
    const pending = watcher.next();
    await turn();
    watcher.close();
    expect(all.things.hub.watcherCount).toBe(0);
    expect(await soon(pending)).toBeUndefined();
    expect(await soon(watcher.next())).toBeUndefined();
    await all.put("a", 1);
    expect(watcher.waiting).toBe(0);
    watcher.close();
  });

  it("stops delivery even while it reads the journal", async () => {
    const all = await makeThings();
    await all.put("a", 1);
    const watcher = all.watch({ resumeToken: tokenAt(0) });
    const pending = watcher.next();
    watcher.close();
    expect(await soon(pending)).toBeUndefined();
  });
});

function reasonOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof HeliosError ? error.reason : String(error);
  }
}
