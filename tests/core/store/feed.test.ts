import { describe, expect, it } from "vitest";
import { Feed } from "../../../src/core/store/feed.ts";
import { createMemoryStore } from "../../../src/core/store/memory/store.ts";
import type { Change, Entry, Store } from "../../../src/core/store/store.ts";
import { createManualClock } from "../../../src/kernel/clock.ts";
import { turn } from "../../support/turns.ts";
import { delayed, soon } from "../watch/things.ts";

const cause = { action: "Test" };
const makeStore = (): Store => createMemoryStore({ clock: createManualClock(), incarnation: "one" });

interface Heard {
  readonly loaded: Entry[];
  readonly applied: Change[];
}

function attach(feed: Feed, prefix: string): Heard {
  const heard: Heard = { loaded: [], applied: [] };
  feed.attach(prefix, {
    load: (entry) => heard.loaded.push(entry),
    apply: (changes) => heard.applied.push(...changes),
  });
  return heard;
}

describe("a feed", () => {
  it("loads the entries below each prefix, then gives each sink its changes in order", async () => {
    const store = makeStore();
    for (const key of ["a/1", "b/1", "a/2"]) await store.put(key, "1", { cause });
    const feed = new Feed(store);
    const [a, b, all] = [attach(feed, "a/"), attach(feed, "b/"), attach(feed, "")];
    await feed.start();
    expect(a.loaded.map(({ key }) => key).sort()).toEqual(["a/1", "a/2"]);
    expect(b.loaded.map(({ key }) => key)).toEqual(["b/1"]);
    expect(feed.revision).toBe(3);
    await store.put("b/1", "2", { cause });
    await store.delete("a/1", { cause });
    expect(a.applied.map(({ revision }) => revision)).toEqual([5]);
    expect(b.applied.map(({ revision }) => revision)).toEqual([4]);
    expect(all.applied.map(({ revision }) => revision)).toEqual([4, 5]);
    expect(feed.revision).toBe(5);
  });

  it("misses and repeats nothing that is written while it starts", async () => {
    for (let wait = 0; wait < 10; wait += 1) {
      const store = makeStore();
      await store.put("a/1", "1", { cause });
      const feed = new Feed(store);
      const heard = attach(feed, "a/");
      const starting = feed.start();
      for (let n = 0; n < wait; n += 1) await undefined;
      await store.put("a/1", "2", { cause });
      await starting;
      await store.put("a/1", "3", { cause });
      const values = [...heard.loaded, ...heard.applied].map(({ value }) => value);
      expect(["1,2,3", "2,3"]).toContain(values.join());
    }
  });

  it("has reached a revision when every sink has received it, and not before", async () => {
    const store = delayed(makeStore());
    const feed = new Feed(store);
    const heard = attach(feed, "a/");
    await feed.start();
    const { revision } = await store.put("a/1", "1", { cause });
    await store.put("b/1", "1", { cause });
    let reached = false;
    const waiting = feed.reached(revision).then(() => {
      reached = true;
      expect(heard.applied).toHaveLength(1);
    });
    await turn();
    expect(reached).toBe(false);
    store.deliver();
    await soon(waiting);
    await soon(feed.reached(2));
  });

  it("a feed that is closed calls no sink any more, and leaves no caller waiting", async () => {
    const store = delayed(makeStore());
    const feed = new Feed(store);
    const heard = attach(feed, "");
    await feed.start();
    const { revision } = await store.put("a/1", "1", { cause });
    const waiting = feed.reached(revision);
    feed.close();
    await soon(waiting);
    await soon(feed.reached(99));
    const plain = makeStore();
    const other = new Feed(plain);
    const quiet = attach(other, "");
    const starting = other.start();
    other.close();
    await starting;
    await plain.put("a/1", "2", { cause });
    expect([heard.applied, quiet.applied]).toEqual([[], []]);
  });

  it("refuses a sink that comes too late to receive everything", async () => {
    const feed = new Feed(makeStore());
    await feed.start();
    expect(() => attach(feed, "late/")).toThrow("late/");
  });
});
