import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HeliosError, isReason } from "../../../src/core/errors/error.ts";
import { Collection } from "../../../src/core/store/collection.ts";
import { Feed } from "../../../src/core/store/feed.ts";
import { createMemoryStore } from "../../../src/core/store/memory/store.ts";
import { Clients, MOST_WAITS } from "../../../src/core/watch/clients.ts";
import { createTimeline } from "../../../src/core/watch/timeline.ts";
import type { WaitOptions } from "../../../src/core/watch/wait.ts";
import { createManualClock } from "../../../src/kernel/clock.ts";
import { turn } from "../../support/turns.ts";
import { rejection } from "../store/rig.ts";
import { soon } from "./things.ts";

const HEARTBEAT_MS = 60_000;
const cause = { action: "Test" };

async function setUp() {
  const clock = createManualClock();
  const store = createMemoryStore({ clock, incarnation: "incarnation-1" });
  const feed = new Feed(store);
  const things = new Collection<number>(feed, "thing/");
  const logged: string[] = [];
  const timeline = createTimeline(feed, clock);
  const clients = new Clients({ feed, clock, timeline, onPresence: (...what) => logged.push(what.join(" ")) });
  things.hub.observe(clients.observer("WatchThings"));
  await feed.start();
  let opened = 0;
  const open = (clientId: string, names: readonly string[] = [], resumeToken = "") => {
    opened += 1;
    const who = { watchId: `w${opened}`, clientId, peer: `peer-${opened}` };
    const options = { clock, names, resumeToken, onCompacted: "snapshot" as const, heartbeatMs: HEARTBEAT_MS, who };
    return things.hub.watch(options);
  };
  const put = (name: string, n = 1) => things.change(name, cause, () => n);
  const wait = (revision: number, options: Partial<WaitOptions> = {}) =>
    clients.waitFor({ revision, minClients: 0, all: false, timeoutMs: 1000, ...options });
  return { clock, store, feed, things, clients, logged, open, put, wait };
}

describe("a wait for a revision", () => {
  it("ends when every client has acknowledged it, with an empty list of pending clients", async () => {
    const { clients, open, put, wait } = await setUp();
    await put("a");
    const [one, two] = [open("one"), open("two")];
    await one.next();
    await two.next();
    const waiting = wait(1);
    clients.acknowledge("one", 1);
    clients.acknowledge("two", 1);
    expect(await soon(waiting)).toEqual({ reached: true, acknowledged: 2, pending: [], unnamed: 0 });
  });

  it("ends at its timeout with the pending clients, their positions, and the number of anonymous ones", async () => {
    const { clock, clients, open, put, wait } = await setUp();
    await put("a");
    const silent = open("silent");
    await silent.next();
    const behind = open("behind");
    await behind.next();
    clients.acknowledge("behind", 1);
    open("");
    await put("a", 2);
    await behind.next();
    const waiting = wait(2);
    clock.advance(1000);
    expect(await soon(waiting)).toEqual({
      reached: false,
      acknowledged: 0,
      pending: [
        { clientId: "behind", watches: 1, acknowledged: 1, delivered: 2 },
        { clientId: "silent", watches: 1, acknowledged: 0, delivered: 1 },
      ],
      unnamed: 1,
    });
  });

  it("a wait with a timeout of 0 returns at once", async () => {
    const { open, put, wait } = await setUp();
    await put("a");
    expect(await soon(wait(1, { timeoutMs: 0 }))).toMatchObject({ reached: true, acknowledged: 0 });
    open("one");
    expect(await soon(wait(1, { timeoutMs: 0 }))).toMatchObject({ reached: false, pending: [{ clientId: "one" }] });
  });

  it("a wait for more clients than exist continues until they connect", async () => {
    const { clock, clients, open, put, wait } = await setUp();
    await put("a");
    const two = wait(1, { minClients: 2 });
    const never = wait(1, { minClients: 3 });
    for (const id of ["one", "two"]) {
      await open(id).next();
      clients.acknowledge(id, 1);
    }
    expect(await soon(two)).toMatchObject({ reached: true, acknowledged: 2 });
    clock.advance(1000);
    expect(await soon(never)).toMatchObject({ reached: false, acknowledged: 2, pending: [] });
  });

  it("a wait for a number of clients ignores the rest, unless all are requested too", async () => {
    const { clock, clients, open, put, wait } = await setUp();
    await put("a");
    for (const id of ["one", "two"]) await open(id).next();
    const [some, both] = [wait(1, { minClients: 1 }), wait(1, { minClients: 1, all: true })];
    clients.acknowledge("two", 1);
    expect(await soon(some)).toMatchObject({ reached: true, pending: [{ clientId: "one" }] });
    clock.advance(1000);
    expect(await soon(both)).toMatchObject({ reached: false, pending: [{ clientId: "one" }] });
  });

  it("counts a client after its last stream has acknowledged, and two with one id as the slower of them", async () => {
    const { clients, open, put, wait } = await setUp();
    await put("a");
    const [first, second] = [open("twin"), open("twin")];
    await first.next();
    await second.next();
    const waiting = wait(1);
    expect(clients.acknowledge("twin", 1, "w1")).toBe(1);
    expect(await soon(wait(1, { timeoutMs: 0 }))).toMatchObject({ reached: false });
    expect(clients.acknowledge("twin", 1, "w2")).toBe(1);
    expect(await soon(waiting)).toMatchObject({ reached: true, acknowledged: 1 });
  });

  it("keeps a disconnected client pending until it is back and has acknowledged", async () => {
    const { clock, clients, open, put, wait } = await setUp();
    await put("a");
    const lost = open("lost");
    await lost.next();
    const [answered, timedOut] = [wait(1, { timeoutMs: 5000 }), wait(1)];
    lost.close();
    clock.advance(1000);
    expect(await soon(timedOut)).toMatchObject({ reached: false, pending: [{ clientId: "lost", watches: 0 }] });
    await open("lost").next();
    clients.acknowledge("lost", 1);
    expect(await soon(answered)).toMatchObject({ reached: true, acknowledged: 1 });
  });

  it("includes clients that connect meanwhile, and excludes them when they leave again", async () => {
    const { clock, clients, open, put, wait } = await setUp();
    await put("a");
    await open("one").next();
    const waiting = wait(1);
    const late = open("late");
    clients.acknowledge("one", 1);
    expect(await soon(wait(1, { timeoutMs: 0 }))).toMatchObject({ pending: [{ clientId: "late" }] });
    late.close();
    expect(await soon(waiting)).toMatchObject({ reached: true, acknowledged: 1 });
    clock.advance(1000);
  });

  it("sends a heartbeat at once to watchers of other resources", async () => {
    const { clients, open, put, wait } = await setUp();
    const other = open("other", ["b"]);
    await other.next();
    await put("a");
    const next = other.next();
    const waiting = wait(1);
    expect(await soon(next)).toMatchObject({ kind: "heartbeat", revision: 1, head: 1 });
    clients.acknowledge("other", 1);
    expect(await soon(waiting)).toMatchObject({ reached: true });
  });

  it("is refused for a revision in the future, or of another store", async () => {
    const { clients, put, wait } = await setUp();
    await put("a");
    const errors = [
      await rejection(wait(2)),
      await rejection(wait(1, { incarnation: "incarnation-0" })),
      await rejection(Promise.try(() => clients.acknowledge("one", 2))),
    ];
    for (const error of errors) expect(isReason(error, "REVISION_UNKNOWN")).toBe(true);
    expect(await wait(1, { incarnation: "incarnation-1" })).toMatchObject({ reached: true });
  });

  it("ends when its caller cancels, and when the server stops", async () => {
    const { clients, open, put, wait } = await setUp();
    await put("a");
    open("one");
    const gone = new AbortController();
    const left = wait(1, { signal: gone.signal });
    gone.abort(new Error("gone"));
    expect(await rejection(soon(left))).toMatchObject({ message: "gone" });
    const waiting = wait(1);
    const draining = HeliosError.of("SERVER_DRAINING", {});
    clients.end(draining);
    expect(await rejection(soon(waiting))).toBe(draining);
    expect(await rejection(soon(wait(1)))).toBe(draining);
  });

  it(`is refused while ${MOST_WAITS} wait, and accepted when one of them has ended`, async () => {
    const { clock, open, put, wait } = await setUp();
    await put("a");
    open("one");
    const waits = Array.from({ length: MOST_WAITS }, () => wait(1));
    expect(isReason(await rejection(soon(wait(1))), "TOO_MANY_WAITS")).toBe(true);
    clock.advance(1000);
    await Promise.all(waits);
    expect(await soon(wait(1, { timeoutMs: 0 }))).toMatchObject({ reached: false });
  });

  it("ends exactly when the expected clients have acknowledged, whatever they do", async () => {
    const ID = fc.constantFrom("a", "b", "c");
    const step = fc.oneof(
      fc.record({ do: fc.constant("open" as const), id: ID }),
      fc.record({ do: fc.constant("close" as const), id: ID }),
      fc.record({ do: fc.constant("ack" as const), id: ID }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 4 }),
        fc.array(step, { maxLength: 12 }),
        fc.nat(3),
        fc.boolean(),
        async (before, after, minClients, all) => {
          const { clients, open, put, wait } = await setUp();
          await put("x");
          const streams: { id: string; acked: boolean; close: () => void }[] = [];
          const play = async (one: (typeof before)[number]): Promise<void> => {
            if (one.do === "open") {
              const watcher = open(one.id);
              await watcher.next();
              streams.push({ id: one.id, acked: false, close: () => watcher.close() });
            }
            if (one.do === "ack") {
              clients.acknowledge(one.id, 1);
              for (const stream of streams) if (stream.id === one.id) stream.acked = true;
            }
            if (one.do === "close") {
              const at = streams.findIndex(({ id }) => id === one.id);
              if (at >= 0) for (const { close } of streams.splice(at, 1)) close();
            }
          };
          for (const one of before) await play(one);
          const initial = new Set(streams.map(({ id }) => id));
          /** The state of each initial client at its last connection. */
          const last = new Map<string, boolean>();
          const isReached = (): boolean => {
            const open = new Set(streams.map(({ id }) => id));
            for (const id of open)
              last.set(
                id,
                streams.every((stream) => stream.id !== id || stream.acked),
              );
            const wanted = [...new Set([...open, ...initial])];
            const there = wanted.filter((id) => last.get(id) === true).length;
            return there >= minClients && (there === wanted.length || !(all || minClients === 0));
          };
          let over = false;
          const waiting = wait(1, { minClients, all }).then((result) => {
            over = true;
            return result;
          });
          let expected = isReached();
          for (const one of after) {
            if (expected) break;
            await play(one);
            expected = isReached();
          }
          await turn();
          expect(over).toBe(expected);
          if (over) expect((await waiting).reached).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("an acknowledgement", () => {
  it("counts at most up to the last delivered revision, and never goes back", async () => {
    const { clients, open, put } = await setUp();
    await put("a");
    const watcher = open("one");
    await watcher.next();
    await put("a", 2);
    clients.acknowledge("one", 2);
    expect(clients.list()[0]?.acknowledged).toBe(1);
    await watcher.next();
    clients.acknowledge("one", 2);
    clients.acknowledge("one", 1);
    expect(clients.list()[0]?.acknowledged).toBe(2);
  });

  it("an acknowledgement of a closed stream, or of another client's, does not count", async () => {
    const { clients, open } = await setUp();
    open("one").close();
    open("two");
    expect(clients.acknowledge("one", 0)).toBe(0);
    expect(clients.acknowledge("one", 0, "w2")).toBe(0);
    expect(clients.acknowledge("two", 0, "w1")).toBe(0);
  });
});

describe("the list of watches", () => {
  it("shows who watches which names, since when, and how far behind by acknowledged or delivered revision", async () => {
    const { clock, clients, logged, open, put } = await setUp();
    await put("a");
    const since = clock.now();
    const fast = open("fast", ["a", "b"]);
    const slow = open("");
    await fast.next();
    await slow.next();
    clients.acknowledge("fast", 1);
    await put("a", 2);
    clock.advance(500);
    await put("a", 3);
    clock.advance(250);
    await fast.next();
    expect(clients.list()).toEqual([
      {
        watchId: "w1",
        clientId: "fast",
        peer: "peer-1",
        rpc: "WatchThings",
        names: 2,
        since,
        delivered: 3,
        acknowledged: 1,
        lag: 2,
        lagMs: 750,
        waiting: 0,
      },
      expect.objectContaining({ clientId: "", delivered: 1, acknowledged: undefined, lag: 2, lagMs: 750, waiting: 2 }),
    ]);
    clients.acknowledge("fast", 3);
    await slow.next();
    expect(clients.list().map(({ lag, lagMs }) => [lag, lagMs])).toEqual([
      [0, 0],
      [0, 0],
    ]);
    fast.close();
    slow.close();
    expect(clients.list()).toEqual([]);
    expect(logged).toEqual(["Connect fast WatchThings peer-1", "Disconnect fast WatchThings peer-1"]);
  });

  it("does not count changes that the watcher has not selected", async () => {
    const { clients, open, put } = await setUp();
    await open("one", ["b"]).next();
    await put("a");
    expect(clients.list()).toMatchObject([{ delivered: 0, lag: 0, lagMs: 0 }]);
  });
});

describe("the timeline of revisions", () => {
  it("knows the minimum age of the first revision after another", async () => {
    const clock = createManualClock();
    const store = createMemoryStore({ clock, incarnation: "one" });
    await store.put("old", "1", { cause });
    const feed = new Feed(store);
    const timeline = createTimeline(feed, clock);
    await feed.start();
    clock.advance(10);
    expect([timeline.ageAfter(0), timeline.ageAfter(1)]).toEqual([10, 0]);
    for (let n = 0; n < 5000; n += 1) {
      clock.advance(1);
      await store.put("new", "1", { cause });
    }
    expect([5001, 5000, 4999, 1001].map((revision) => timeline.ageAfter(revision))).toEqual([0, 0, 1, 3999]);
    const oldest = timeline.ageAfter(0);
    expect(oldest).toBeLessThanOrEqual(5010);
    expect(oldest).toBeGreaterThanOrEqual(4095);
  });
});
