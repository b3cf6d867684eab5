import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isReason } from "../../../src/core/errors/error.ts";
import { Collection, type Delta } from "../../../src/core/store/collection.ts";
import { Feed } from "../../../src/core/store/feed.ts";
import { createMemoryStore } from "../../../src/core/store/memory/store.ts";
import { openSqliteStore } from "../../../src/core/store/sqlite/open.ts";
import { MAX_BATCH_WRITES, type Store } from "../../../src/core/store/store.ts";
import { createManualClock } from "../../../src/kernel/clock.ts";
import { turn } from "../../support/turns.ts";
import { delayed, soon } from "../watch/things.ts";
import { makeDirectory } from "./directories.ts";
import { rejection } from "./rig.ts";

interface Counter {
  readonly n: number;
}

const cause = { action: "Test" };
const memoryStore = (): Store => createMemoryStore({ clock: createManualClock(), incarnation: "0123456789" });

async function collectionOver(
  store: Store,
): Promise<{ counters: Collection<Counter>; feed: Feed; deltas: Delta<Counter>[] }> {
  const feed = new Feed(store);
  const counters = new Collection<Counter>(feed, "counter/");
  const deltas: Delta<Counter>[] = [];
  counters.onChange((delta) => deltas.push(delta));
  await feed.start();
  return { counters, feed, deltas };
}

const add = (amount: number) => (current: { readonly record: Counter } | undefined) => ({
  n: (current?.record.n ?? 0) + amount,
});

describe("a collection", () => {
  it("deletes more resources than a batch of the store takes", async () => {
    const { counters, feed } = await collectionOver(memoryStore());
    const names = Array.from({ length: MAX_BATCH_WRITES + 1 }, (_, at) => `c${at}`);
    for (const part of [names.slice(1), names.slice(0, 1)]) {
      await counters.batch(cause, () => part.map((name) => ({ name, record: { n: 1 } })));
    }
    const revision = feed.revision;
    await counters.deleteAll(counters.list(), { action: "Forget" });
    expect(counters.size).toBe(0);
    expect(feed.revision).toBe(revision + 2);
    await counters.deleteAll([], cause);
    expect(feed.revision).toBe(revision + 2);
  });

  it("returns the resource as written, and already holds it then", async () => {
    const { counters, deltas } = await collectionOver(memoryStore());
    const made = await counters.change("a", cause, () => ({ n: 1 }));
    expect(made).toEqual({
      name: "a",
      record: { n: 1 },
      size: 7,
      revision: 1,
      etag: expect.any(String),
      createTime: 1.7e12,
      updateTime: 1.7e12,
    });
    expect(counters.get("a")).toEqual(made);
    expect(counters.size).toBe(1);
    const changed = await counters.change("a", { action: "Test", actor: "me" }, add(1));
    expect(changed?.etag).not.toBe(made?.etag);
    expect(await counters.delete("a", cause)).toEqual(changed);
    expect(counters.get("a")).toBeUndefined();
    expect(await counters.delete("a", cause)).toBeUndefined();
    expect(deltas).toMatchObject([
      { name: "a", revision: 1, resource: { record: { n: 1 } } },
      { name: "a", revision: 2, before: { n: 1 }, resource: { record: { n: 2 } }, cause: { actor: "me" } },
      { name: "a", revision: 3, before: { n: 2 } },
    ]);
    expect(deltas[0]).not.toHaveProperty("before");
    expect(deltas[2]).not.toHaveProperty("resource");
    expect(await counters.history("a", 9)).toEqual(deltas.toReversed());
    expect(await counters.history("a", 1, 3)).toEqual([deltas[1]]);
  });

  it("holds a resource when its write is answered, even if the store's notification is late", async () => {
    const store = delayed(memoryStore());
    const { counters } = await collectionOver(store);
    for (const write of [
      () => counters.change("a", cause, add(1)),
      () => counters.change("a", cause, add(1)),
      () => counters.delete("a", cause),
    ]) {
      let answered = false;
      const pending = write().then(() => {
        answered = true;
      });
      await turn();
      expect(answered).toBe(false);
      store.deliver();
      await soon(pending);
    }
    expect(counters.size).toBe(0);
  });

  it("lists by name in code unit order, and updates the list after each change", async () => {
    const { counters } = await collectionOver(memoryStore());
    for (const name of ["b", "a", "B", "\u{1F600}", "\u{FF5E}"]) await counters.change(name, cause, () => ({ n: 1 }));
    const first = counters.list();
    expect(first.map(({ name }) => name)).toEqual(["B", "a", "b", "\u{1F600}", "\u{FF5E}"]);
    await counters.change("b", cause, add(1));
    expect(counters.list()[2]?.record).toEqual({ n: 2 });
    await counters.delete("a", cause);
    expect(counters.list().map(({ name }) => name)).toEqual(["B", "b", "\u{1F600}", "\u{FF5E}"]);
    expect(first).toHaveLength(5);
  });

  it("writes nothing if the decision changes nothing, or throws", async () => {
    const store = memoryStore();
    const { counters } = await collectionOver(store);
    expect(await counters.change("a", cause, () => undefined)).toBeUndefined();
    const made = await counters.change("a", cause, () => ({ n: 1 }));
    expect(await counters.change("a", cause, () => undefined)).toEqual(made);
    const refuse = (): never => {
      throw new Error("not so");
    };
    expect(await rejection(counters.change("a", cause, refuse))).toEqual(new Error("not so"));
    expect(await rejection(counters.delete("a", cause, refuse))).toEqual(new Error("not so"));
    expect((await store.list("")).revision).toBe(1);
  });

  it("reads keys that no other collection claims", async () => {
    const store = memoryStore();
    for (const key of ["counter/a", "counters/b", "counter", "x/counter/c"]) await store.put(key, '{"n":1}', { cause });
    const { counters, deltas } = await collectionOver(store);
    await store.put("counters/d", '{"n":1}', { cause });
    expect(counters.list().map(({ name }) => name)).toEqual(["a"]);
    expect(deltas).toEqual([]);
  });
});

describe("a batch of a collection", () => {
  it("changes several resources at one revision, and a listener for one of them sees all changes", async () => {
    const store = memoryStore();
    const feed = new Feed(store);
    const [counters, others] = [new Collection<Counter>(feed, "counter/"), new Collection<Counter>(feed, "other/")];
    const seen: unknown[] = [];
    const look = (): void => void seen.push([...counters.list(), ...others.list()].map(({ record }) => record.n));
    counters.onApply((deltas) => seen.push(deltas.map(({ name }) => name)));
    counters.onChange(look);
    others.onChange(look);
    await feed.start();
    await counters.change("old", cause, () => ({ n: 1 }));
    await counters.change("gone", cause, () => ({ n: 2 }));
    seen.length = 0;
    const { revision, resources } = await counters.batch({ action: "All" }, () => [
      { name: "new", record: { n: 5 } },
      { name: "old", record: { n: (counters.get("old")?.record.n ?? 0) + 10 } },
      { name: "gone", record: null },
      { name: "none", record: null },
      { name: "same", record: undefined },
    ]);
    expect(revision).toBe(3);
    expect(resources.map((resource) => resource?.record.n)).toEqual([5, 11, undefined, undefined, undefined]);
    expect(resources.slice(0, 2)).toEqual([counters.get("new"), counters.get("old")]);
    const after = [5, 11];
    expect(seen).toEqual([["new", "old", "gone"], after, after, after]);
    seen.length = 0;
    await store.batch(
      ["counter/new", "other/x"].map((key) => ({ key, value: '{"n":7}' })),
      cause,
    );
    expect(seen).toEqual([["new"], [7, 11, 7], [7, 11, 7]]);
  });

  it("changes nothing if an etag is stale, or if the decision throws", async () => {
    const { counters, deltas } = await collectionOver(memoryStore());
    const etag = (await counters.change("a", cause, () => ({ n: 1 })))?.etag;
    const all = (etag?: string) => () => [
      { name: "b", record: { n: 1 } },
      { name: "a", record: { n: 2 }, etag },
    ];
    expect(isReason(await rejection(counters.batch(cause, all("x"))), "ETAG_MISMATCH")).toBe(true);
    const refuse = (): never => {
      throw new Error("not so");
    };
    expect(await rejection(counters.batch(cause, refuse))).toEqual(new Error("not so"));
    expect(counters.size).toBe(1);
    expect(await counters.batch(cause, all(etag))).toMatchObject({ revision: 2 });
    const present = counters.get("a");
    expect(await counters.batch(cause, () => [{ name: "a", record: undefined, etag: present?.etag }])).toEqual({
      revision: undefined,
      resources: [present],
    });
    expect(deltas).toHaveLength(3);
  });

  it("takes turns with other writers of each resource: each decides once, on the result of those before it", async () => {
    const { counters } = await collectionOver(memoryStore());
    let decisions = 0;
    const names = ["a", "b", "c"];
    const writes = Array.from({ length: 60 }, (_, n) => {
      decisions -= 1;
      const count = (current: { readonly record: Counter } | undefined): Counter => {
        decisions += 1;
        return { n: (current?.record.n ?? 0) + 1 };
      };
      if (n % 4 !== 0) return counters.change(names[n % 3] ?? "", cause, count);
      decisions -= 2;
      return counters.batch(cause, () => names.map((name) => ({ name, record: count(counters.get(name)) })));
    });
    await Promise.all(writes);
    expect(decisions).toBe(0);
    expect(names.map((name) => counters.get(name)?.record.n)).toEqual([30, 30, 30]);
  });

  it("a batch of one of two engines on a store decides again on what the other wrote", async () => {
    const store = memoryStore();
    const [one, two] = [await collectionOver(store), await collectionOver(store)];
    const addTo = ({ counters }: typeof one) =>
      counters.batch(cause, () => ["a", "b"].map((name) => ({ name, record: add(1)(counters.get(name)) })));
    await Promise.all(Array.from({ length: 20 }, (_, n) => addTo(n % 2 === 0 ? one : two)));
    expect(one.counters.list().map(({ record }) => record.n)).toEqual([20, 20]);
    expect(two.counters.list()).toEqual(one.counters.list());
  });
});

describe("an etag", () => {
  it("an etag that is stale refuses the change, and the error has the present one", async () => {
    const { counters } = await collectionOver(memoryStore());
    const old = await counters.change("a", cause, () => ({ n: 1 }));
    const present = await counters.change("a", cause, add(1), old?.etag);
    for (const attempt of [
      counters.change("a", cause, add(1), old?.etag),
      counters.delete("a", cause, () => {}, old?.etag),
    ]) {
      const error = await rejection(attempt);
      expect(isReason(error, "ETAG_MISMATCH") && error.metadata).toEqual({
        name: "a",
        etag: present?.etag,
        given: old?.etag,
      });
    }
    expect(isReason(await rejection(counters.change("none", cause, add(1), "x")), "ETAG_MISMATCH")).toBe(true);
    expect(counters.get("a")).toEqual(present);
    expect(await counters.change("a", cause, add(1), "")).toMatchObject({ record: { n: 3 } });
    expect(await counters.delete("a", cause, () => {}, counters.get("a")?.etag)).toMatchObject({ record: { n: 3 } });
  });

  it("lets one of two writers succeed that have read the same resource", async () => {
    const { counters } = await collectionOver(memoryStore());
    const etag = (await counters.change("a", cause, () => ({ n: 1 })))?.etag;
    const results = await Promise.allSettled([
      counters.change("a", cause, add(10), etag),
      counters.change("a", cause, add(100), etag),
    ]);
    expect(results).toMatchObject([{ value: { record: { n: 11 } } }, { reason: { reason: "ETAG_MISMATCH" } }]);
  });

  it("is different in every life of a store", async () => {
    const one = await collectionOver(
      createMemoryStore({ clock: createManualClock(), incarnation: crypto.randomUUID() }),
    );
    const two = await collectionOver(
      createMemoryStore({ clock: createManualClock(), incarnation: crypto.randomUUID() }),
    );
    const made = await Promise.all([one, two].map(({ counters }) => counters.change("a", cause, () => ({ n: 1 }))));
    expect(made[0]?.etag).not.toBe(made[1]?.etag);
  });
});

describe("concurrent changes of one resource", () => {
  it.each([
    { what: "memory", open: async (): Promise<Store> => memoryStore() },
    {
      what: "sqlite",
      open: () =>
        openSqliteStore({ directory: makeDirectory(), clock: createManualClock(), newId: () => crypto.randomUUID() }),
    },
  ])("are never lost: the writers of one process take turns, and each decides once ($what)", async ({ open }) => {
    const store = await open();
    const { counters, deltas } = await collectionOver(store);
    let decisions = 0;
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        counters.change(`c${n % 2}`, cause, (current) => {
          decisions += 1;
          return { n: (current?.record.n ?? 0) + 1 };
        }),
      ),
    );
    expect(counters.get("c0")?.record.n).toBe(20);
    expect(counters.get("c1")?.record.n).toBe(20);
    expect(decisions).toBe(40);
    expect(results.map((result) => result?.record.n).sort()).toEqual(
      deltas.map((delta) => delta.resource?.record.n).sort(),
    );
    await store.close();
  });

  it("are never lost from two engines on one store: the loser of a race decides again", async () => {
    const store = memoryStore();
    const [one, two] = [await collectionOver(store), await collectionOver(store)];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ first: fc.boolean(), amount: fc.integer({ min: -9, max: 9 }) }), { maxLength: 30 }),
        async (steps) => {
          await one.counters.delete("a", cause);
          const adding = steps.map(({ first, amount }) => (first ? one : two).counters.change("a", cause, add(amount)));
          await Promise.all(adding);
          const expected = steps.length === 0 ? undefined : steps.reduce((sum, { amount }) => sum + amount, 0);
          expect(one.counters.get("a")?.record.n).toBe(expected);
          expect(two.counters.get("a")).toEqual(one.counters.get("a"));
        },
      ),
      { numRuns: 30 },
    );
  });

  it("include a delete that meets a change of another engine, and checks again what it deletes", async () => {
    const store = memoryStore();
    const [one, two] = [await collectionOver(store), await collectionOver(store)];
    await two.counters.change("a", cause, () => ({ n: 0 }));
    await turn();
    const seen: number[] = [];
    let changed: Promise<unknown> | undefined;
    const removed = await two.counters.delete("a", cause, ({ record }) => {
      seen.push(record.n);
      // The other engine writes between the check and the delete.
      changed ??= one.counters.change("a", cause, add(5));
    });
    await changed;
    expect(removed?.record.n).toBe(5);
    expect(seen).toEqual([0, 5]);
  });
});

describe("a store that fails or is closed", () => {
  it("fails the change with STORE_UNAVAILABLE, and the store's error as the cause", async () => {
    const store = memoryStore();
    const broken: Store = Object.assign(Object.create(store) as Store, {
      scan: (visit: Parameters<Store["scan"]>[0]) => store.scan(visit),
      watch: (after: number, listener: () => void) => store.watch(after, listener),
      put: () => Promise.reject(new Error("no space left")),
    });
    const { counters } = await collectionOver(broken);
    const error = await rejection(counters.change("a", cause, () => ({ n: 1 })));
    expect(isReason(error, "STORE_UNAVAILABLE") && error.metadata).toEqual({ problem: "no space left" });
    expect(counters.get("a")).toBeUndefined();
  });

  it("fails the change also if it is closed", async () => {
    const store = memoryStore();
    const { counters } = await collectionOver(store);
    await store.close();
    expect(isReason(await rejection(counters.change("a", cause, () => ({ n: 1 }))), "STORE_UNAVAILABLE")).toBe(true);
  });

  it("leaves no change hanging when its feed is closed: a stored one is answered, a lost race ends", async () => {
    const store = memoryStore();
    const { counters, feed } = await collectionOver(store);
    feed.close();
    expect(await soon(counters.change("a", cause, () => ({ n: 1 })))).toMatchObject({ record: { n: 1 } });
    expect(isReason(await rejection(soon(counters.change("a", cause, () => ({ n: 2 })))), "SERVER_DRAINING")).toBe(
      true,
    );
  });
});
