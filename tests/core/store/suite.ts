import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { createManualClock, type ManualClock } from "../../../src/core/clock.ts";
import { isReason } from "../../../src/core/errors.ts";
import { KEPT_BYTES_PER_KEY, KEPT_CHANGES_PER_KEY, type RetentionOptions } from "../../../src/core/store/retention.ts";
import {
  type Change,
  MAX_BATCH_BYTES,
  MAX_BATCH_WRITES,
  MAX_PAGE_CHARS,
  RevisionCompacted,
  RevisionConflict,
  type Store,
} from "../../../src/core/store/store.ts";
import { commands, entriesOf, entryOf, headOf, historyOf, type Model, runCommand } from "./model.ts";

export type MakeStore = (options: { clock: ManualClock } & RetentionOptions) => Promise<Store>;

const cause = { action: "Test" };

/** Every clause of the `Store` interface, for any store. */
export function storeSuite(name: string, make: MakeStore): void {
  const setUp = async (retention: RetentionOptions = {}): Promise<{ store: Store; clock: ManualClock }> => {
    const clock = createManualClock();
    return { clock, store: await make({ clock, ...retention }) };
  };

  describe(`${name}: entries`, () => {
    it("a key that was never written is undefined", async () => {
      const { store } = await setUp();
      expect(await store.get("a")).toBeUndefined();
      expect(await store.list("")).toEqual({ entries: [], revision: 0 });
    });

    it("a put makes the entry that it resolves to, at a revision that only grows", async () => {
      const { store, clock } = await setUp();
      const first = await store.put("a", "1", { cause });
      clock.advance(5);
      const other = await store.put("b", "2", { cause });
      const second = await store.put("a", "3", { cause });
      expect(first).toEqual({ key: "a", value: "1", revision: 1, createTime: 1.7e12, updateTime: 1.7e12 });
      expect([other.revision, second.revision]).toEqual([2, 3]);
      expect(await store.get("a")).toEqual(second);
    });

    it("the time of creation lasts until the delete, and starts anew after it", async () => {
      const { store, clock } = await setUp();
      await store.put("a", "1", { cause });
      clock.advance(10.5);
      expect(await store.put("a", "2", { cause })).toMatchObject({ createTime: 1.7e12, updateTime: 1.7e12 + 10.5 });
      clock.advance(10);
      await store.delete("a", { cause });
      clock.advance(10);
      expect(await store.put("a", "3", { cause })).toMatchObject({ createTime: 1.7e12 + 30.5 });
      const times = (await store.history("a", 9)).map(({ createTime, time }) => [createTime - 1.7e12, time - 1.7e12]);
      expect(times).toEqual([
        [30.5, 30.5],
        [0, 20.5],
        [0, 10.5],
        [0, 0],
      ]);
    });

    it("a delete resolves to its revision, and to undefined where there is nothing to delete", async () => {
      const { store } = await setUp();
      expect(await store.delete("a", { cause })).toBeUndefined();
      expect(await store.delete("a", { cause, ifRevision: 0 })).toBeUndefined();
      await store.put("a", "1", { cause });
      expect(await store.delete("a", { cause })).toBe(2);
      expect(await store.delete("a", { cause })).toBeUndefined();
      expect(await store.get("a")).toBeUndefined();
      expect((await store.list("")).revision).toBe(2);
    });

    it("a list has the entries below a prefix by key, and the store's revision", async () => {
      const { store } = await setUp();
      const keys = ["b/%", "a/2", "a0", "b/_", "a/1", "a/", "a", "b/\u{1F600}", "b/\u{FF5E}"];
      for (const key of keys) await store.put(key, "1", { cause });
      expect((await store.list("a/")).entries.map(({ key }) => key)).toEqual(["a/", "a/1", "a/2"]);
      expect((await store.list("b/%")).entries.map(({ key }) => key)).toEqual(["b/%"]);
      expect((await store.list("")).entries.map(({ key }) => key)).toEqual([...keys].sort());
      expect((await store.list("none")).entries).toEqual([]);
      expect((await store.list("none")).revision).toBe(keys.length);
    });

    it("any well-formed text comes back as it went in", async () => {
      const { store } = await setUp();
      const text = fc.string({ unit: "binary" });
      await fc.assert(
        fc.asyncProperty(text, text, text, async (end, value, reason) => {
          const key = `k${end}`;
          const before = await store.get(key);
          const written = { action: "Test", reason };
          expect((await store.put(key, value, { cause: written })).key).toBe(key);
          expect(await store.get(key)).toMatchObject({ key, value });
          const [change] = await store.history(key, 1);
          expect(change).toMatchObject({ key, value, cause: written });
          expect(change?.previous).toBe(before?.value);
        }),
        { numRuns: 60 },
      );
    });

    it("text that cannot be stored faithfully is refused, and so is an empty key", async () => {
      const { store } = await setUp();
      for (const write of [
        () => store.put("\uD800", "1", { cause }),
        () => store.put("a", "\uD800", { cause }),
        () => store.put("", "1", { cause }),
        () => store.delete("", { cause }),
      ]) {
        expect(isReason(await rejection(write()), "ARGUMENT_INVALID")).toBe(true);
      }
      expect((await store.list("")).revision).toBe(0);
    });
  });

  describe(`${name}: compare-and-set`, () => {
    it("a write at another revision than the key's is refused and changes nothing", async () => {
      const { store } = await setUp();
      const told: Change[] = [];
      await store.watch(0, (changes) => told.push(...changes));
      const { revision } = await store.put("a", "1", { cause });
      await store.put("b", "1", { cause });
      for (const ifRevision of [0, revision + 1, 99, Number.NaN]) {
        for (const write of [store.put("a", "2", { cause, ifRevision }), store.delete("a", { cause, ifRevision })]) {
          const error = await rejection(write);
          expect(error).toBeInstanceOf(RevisionConflict);
          expect(error).toMatchObject({ key: "a", actualRevision: revision });
        }
      }
      expect(await store.get("a")).toMatchObject({ value: "1", revision });
      expect(await store.list("")).toMatchObject({ revision: 2 });
      expect(told).toHaveLength(2);
    });

    it("a key that does not exist is at revision 0, also after a delete", async () => {
      const { store } = await setUp();
      expect(await rejection(store.put("a", "1", { cause, ifRevision: 3 }))).toMatchObject({ actualRevision: 0 });
      expect(await rejection(store.delete("a", { cause, ifRevision: 3 }))).toMatchObject({ actualRevision: 0 });
      const { revision } = await store.put("a", "1", { cause, ifRevision: 0 });
      await store.delete("a", { cause, ifRevision: revision });
      expect(await rejection(store.put("a", "1", { cause, ifRevision: revision }))).toMatchObject({
        actualRevision: 0,
      });
      expect(await store.put("a", "1", { cause, ifRevision: 0 })).toMatchObject({ revision: 3 });
    });

    it("of many writers that believe in the same revision one wins, and the others learn the winner's", async () => {
      const { store } = await setUp();
      const { revision } = await store.put("a", "0", { cause });
      const writes = Array.from({ length: 300 }, (_, n) => store.put("a", String(n), { cause, ifRevision: revision }));
      const results = await Promise.allSettled(writes);
      expect(results[0]).toMatchObject({ status: "fulfilled", value: { revision: 2, value: "0" } });
      for (const result of results.slice(1)) {
        expect(result).toMatchObject({ status: "rejected", reason: { actualRevision: 2 } });
      }
    });

    it("writes asked for at once happen in the order in which they were asked for", async () => {
      const { store } = await setUp();
      const writes = Array.from({ length: 600 }, (_, n) => store.put(`k${n % 7}`, String(n), { cause }));
      const revisions = (await Promise.all(writes)).map(({ revision }) => revision);
      expect(revisions).toEqual(Array.from({ length: 600 }, (_, n) => n + 1));
    });
  });

  describe(`${name}: a batch`, () => {
    it("makes all of its writes at one revision and time, in their order, and tells of them in one call", async () => {
      const { store, clock } = await setUp();
      await store.put("b", "1", { cause });
      await store.put("c", "1", { cause });
      clock.advance(7);
      const calls: (readonly Change[])[] = [];
      await store.watch(2, (changes) => calls.push(changes));
      const [time, createTime] = [1.7e12 + 7, 1.7e12];
      const result = await store.batch(
        [
          { key: "z", value: "1", ifRevision: 0 },
          { key: "b", value: "2", ifRevision: 1 },
          { key: "none", value: undefined },
          { key: "c", value: undefined },
          { key: "a", value: "1" },
        ],
        { action: "All", actor: "me" },
      );
      const made = { createTime: time, updateTime: time, revision: 3 };
      expect(result).toEqual({
        revision: 3,
        entries: [
          { key: "z", value: "1", ...made },
          { key: "b", value: "2", ...made, createTime },
          undefined,
          undefined,
          { key: "a", value: "1", ...made },
        ],
      });
      const at = { revision: 3, time, cause: { action: "All", actor: "me" } };
      const changes = [
        { key: "z", value: "1", createTime: time, ...at },
        { key: "b", value: "2", previous: "1", createTime, ...at },
        { key: "c", previous: "1", createTime, ...at },
        { key: "a", value: "1", createTime: time, ...at },
      ];
      expect(calls).toEqual([changes]);
      expect(await store.changes("", 2, 9)).toEqual({ changes, through: 3 });
      expect(await store.list("")).toMatchObject({ entries: [{ key: "a" }, { key: "b" }, { key: "z" }], revision: 3 });
      expect(await store.history("c", 9)).toMatchObject([{ revision: 3 }, { revision: 2 }]);
      expect(await store.put("a", "2", { cause, ifRevision: 3 })).toMatchObject({ revision: 4 });
    });

    it("of which one write loses changes nothing, wherever that stands", async () => {
      const { store } = await setUp();
      await store.put("a", "1", { cause });
      let told = 0;
      await store.watch(1, () => {
        told += 1;
      });
      const writes = [
        { key: "a", value: "2", ifRevision: 1 },
        { key: "b", value: "1", ifRevision: 0 },
        { key: "c", value: undefined, ifRevision: 0 },
      ];
      for (const loser of writes) {
        const all = writes.map((write) => (write === loser ? { ...write, ifRevision: 9 } : write));
        const error = await rejection(store.batch(all, cause));
        expect(error).toBeInstanceOf(RevisionConflict);
        expect(error).toMatchObject({ key: loser.key, actualRevision: loser.key === "a" ? 1 : 0 });
      }
      expect(await store.list("")).toMatchObject({ entries: [{ key: "a", value: "1" }], revision: 1 });
      expect(told).toBe(0);
      expect(await store.batch(writes, cause)).toMatchObject({ revision: 2 });
    });

    it("that changes nothing makes no revision", async () => {
      const { store } = await setUp();
      const nothing = { revision: undefined, entries: [undefined] };
      expect(await store.batch([], cause)).toEqual({ revision: undefined, entries: [] });
      expect(await store.batch([{ key: "a", value: undefined, ifRevision: 0 }], cause)).toEqual(nothing);
      expect((await store.list("")).revision).toBe(0);
    });

    it("that is too large, or not well-formed, or names a key twice is refused before anything is written", async () => {
      const { store } = await setUp();
      const many = Array.from({ length: MAX_BATCH_WRITES + 1 }, (_, n) => ({ key: `k${n}`, value: "1" }));
      const half = "ü".repeat(MAX_BATCH_BYTES / 4);
      const large = ["a", "b", "c"].map((key) => ({ key, value: half }));
      for (const [writes, reason] of [
        [many, "BATCH_TOO_LARGE"],
        [large, "BATCH_TOO_LARGE"],
        [[...many.slice(0, 2), { key: "k0", value: undefined }], "ARGUMENT_INVALID"],
        [[{ key: "", value: "1" }], "ARGUMENT_INVALID"],
        [[{ key: "a", value: "\uD800" }], "ARGUMENT_INVALID"],
      ] as const) {
        expect(isReason(await rejection(store.batch(writes, cause)), reason)).toBe(true);
      }
      expect((await store.list("")).revision).toBe(0);
      expect(await store.batch(many.slice(1), cause)).toMatchObject({ revision: 1 });
    });

    it("is never cut by a page, whatever the limit, nor by those around it", async () => {
      const { store } = await setUp();
      const sizes = [1, 3, 1, 1, 40, 2, 1];
      for (const [at, size] of sizes.entries()) {
        const writes = Array.from({ length: size }, (_, n) => ({ key: `k${n}`, value: String(at) }));
        await store.batch(writes, cause);
      }
      for (let limit = 1; limit < 50; limit += 1) {
        for (let after = 0; after < sizes.length; ) {
          const { changes, through } = await store.changes("", after, limit);
          expect(through).toBeGreaterThan(after);
          expect(changes).toHaveLength(sizes.slice(after, through).reduce((sum, size) => sum + size, 0));
          expect(sizes.slice(after, through - 1).reduce((sum, size) => sum + size, 0)).toBeLessThan(limit);
          after = through;
        }
      }
    });

    it("and single writes asked for at once happen in the order in which they were asked for", async () => {
      const { store } = await setUp();
      const writes = Array.from({ length: 300 }, (_, n) =>
        n % 3 === 0
          ? store.batch(
              Array.from({ length: n }, (_, at) => ({ key: `k${at}`, value: String(n) })),
              cause,
            )
          : store.put(`k${n % 7}`, String(n), { cause }),
      );
      const revisions = (await Promise.all(writes)).map(({ revision }) => revision);
      expect(revisions).toEqual([undefined, ...Array.from({ length: 299 }, (_, n) => n + 1)]);
    });

    it("ends a page by its values, too", async () => {
      const { store } = await setUp();
      const value = "x".repeat(MAX_PAGE_CHARS / 4);
      for (let n = 0; n < 9; n += 1) await store.put(`k${n}`, value, { cause });
      expect((await store.changes("", 0, 100)).through).toBe(4);
      expect(await readAll(store, "", 0, 100)).toHaveLength(9);
    });
  });

  describe(`${name}: watch`, () => {
    it("tells what is there already before it resolves, then every change once, before the write resolves", async () => {
      const { store } = await setUp();
      await store.put("a", "1", { cause });
      await store.put("b", "2", { cause: { action: "Test", actor: "me", reason: "why" } });
      const told: Change[] = [];
      await store.watch(1, (changes) => told.push(...changes));
      expect(told.map(({ revision }) => revision)).toEqual([2]);
      await store.put("a", "3", { cause });
      expect(told.map(({ revision }) => revision)).toEqual([2, 3]);
      await store.delete("a", { cause });
      const time = 1.7e12;
      expect(told).toEqual([
        {
          key: "b",
          revision: 2,
          value: "2",
          time,
          createTime: time,
          cause: { action: "Test", actor: "me", reason: "why" },
        },
        { key: "a", revision: 3, value: "3", previous: "1", time, createTime: time, cause },
        { key: "a", revision: 4, previous: "3", time, createTime: time, cause },
      ]);
      expect((await store.changes("", 1, 9)).changes).toEqual(told);
    });

    it("a change is what the store answers by the time its listeners are told", async () => {
      const { store } = await setUp();
      const seen: Promise<unknown>[] = [];
      await store.watch(0, ([change]) => seen.push(store.get(change?.key ?? "")));
      const entry = await store.put("a", "1", { cause });
      expect(await Promise.all(seen)).toEqual([entry]);
    });

    it("a closed subscription is told nothing more, and the same function can listen twice", async () => {
      const { store } = await setUp();
      let calls = 0;
      const listener = (): void => {
        calls += 1;
      };
      const first = await store.watch(0, listener);
      const second = await store.watch(0, listener);
      await store.put("a", "1", { cause });
      expect(calls).toBe(2);
      first.close();
      first.close();
      await store.put("a", "2", { cause });
      expect(calls).toBe(3);
      second.close();
      await store.put("a", "3", { cause });
      expect(calls).toBe(3);
    });

    it("listeners that write, subscribe and unsubscribe from within leave the order whole for everybody", async () => {
      const { store } = await setUp();
      const streams: number[][] = [[], [], []];
      const pending: Promise<unknown>[] = [];
      const late = await store.watch(0, () => {});
      await store.watch(0, ([change]) => {
        const revision = change?.revision ?? 0;
        streams[0]?.push(revision);
        if (revision === 3) late.close();
        if (revision < 40) pending.push(store.put("again", String(revision), { cause }));
        if (revision === 5) pending.push(store.watch(2, ([change]) => streams[2]?.push(change?.revision ?? 0)));
      });
      await store.watch(0, ([change]) => streams[1]?.push(change?.revision ?? 0));
      await Promise.all([store.put("a", "1", { cause }), store.put("b", "1", { cause })]);
      for (let done = 0; done < pending.length; done += 1) await pending[done];
      const all = Array.from(
        { length: headOf({ changes: (await store.changes("", 0, 999)).changes as Change[], compacted: 0 }) },
        (_, n) => n + 1,
      );
      expect(all.length).toBeGreaterThan(40);
      expect(streams[0]).toEqual(all);
      expect(streams[1]).toEqual(all);
      expect(streams[2]).toEqual(all.slice(2));
    });

    it("a listener that throws harms neither the write nor the others; its error is not lost", async () => {
      const { store } = await setUp();
      const told: string[] = [];
      await store.watch(0, () => {
        throw new Error("a listener's own fault");
      });
      await store.watch(0, (changes) => told.push(...changes.map(({ key }) => key)));
      const uncaught: (() => void)[] = [];
      const spy = vi.spyOn(globalThis, "queueMicrotask").mockImplementation((run) => void uncaught.push(run));
      const entry = await store.put("a", "1", { cause }).finally(() => spy.mockRestore());
      expect(entry.revision).toBe(1);
      expect(told).toEqual(["a"]);
      expect(uncaught).toHaveLength(1);
      expect(uncaught[0]).toThrow("a listener's own fault");
    });

    it("a start that is compacted or in the future is refused", async () => {
      const { store } = await setUp();
      for (let n = 0; n < 5; n += 1) await store.put("a", "1", { cause });
      await store.compact(3);
      for (const revision of [0, 2, 6]) {
        const error = await rejection(store.watch(revision, () => {}));
        expect(error).toBeInstanceOf(RevisionCompacted);
        expect(error).toMatchObject({ requested: revision, oldest: 3 });
        expect(await rejection(store.changes("", revision, 9))).toBeInstanceOf(RevisionCompacted);
      }
      const told: number[] = [];
      await store.watch(3, (changes) => told.push(...changes.map(({ revision }) => revision)));
      expect(told).toEqual([4, 5]);
      await store.watch(5, (changes) => told.push(...changes.map(({ revision }) => revision)));
      expect(told).toEqual([4, 5]);
    });
  });

  describe(`${name}: changes and history`, () => {
    it("pages of changes go on where the one before ended, and end at the store's revision", async () => {
      const { store } = await setUp();
      for (let n = 1; n <= 10; n += 1) await store.put(n % 2 === 1 ? "a/x" : "b/x", String(n), { cause });
      const page = await store.changes("a/", 0, 2);
      expect(page.changes.map(({ revision }) => revision)).toEqual([1, 3]);
      expect(page.through).toBe(3);
      const rest = await store.changes("a/", page.through, 9);
      expect(rest.changes.map(({ revision }) => revision)).toEqual([5, 7, 9]);
      expect(rest.through).toBe(10);
      expect(await store.changes("a/", 10, 9)).toEqual({ changes: [], through: 10 });
      expect(await store.changes("none/", 0, 9)).toEqual({ changes: [], through: 10 });
    });

    it("a reader gets past thousands of changes that are not below its prefix", async () => {
      const { store } = await setUp();
      await Promise.all(Array.from({ length: 6000 }, (_, n) => store.put("a/x", String(n), { cause })));
      await store.put("b/x", "1", { cause });
      expect((await readAll(store, "b/", 0, 10)).map(({ revision }) => revision)).toEqual([6001]);
    });

    it("history is one key's, newest first, across deletes, and pages by revision", async () => {
      const { store } = await setUp();
      await store.put("a", "1", { cause });
      await store.put("ab", "x", { cause });
      await store.delete("a", { cause });
      await store.put("a", "2", { cause });
      await store.put("a", "3", { cause });
      expect((await store.history("a", 2)).map(({ revision }) => revision)).toEqual([5, 4]);
      expect((await store.history("a", 9, 4)).map(({ revision }) => revision)).toEqual([3, 1]);
      expect((await store.history("a", 9)).map(({ value, previous }) => [value, previous])).toEqual([
        ["3", "2"],
        ["2", undefined],
        [undefined, "1"],
        ["1", undefined],
      ]);
      expect(await store.history("none", 9)).toEqual([]);
    });

    it("limits and revisions that are no counts are refused", async () => {
      const { store } = await setUp();
      for (const limit of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(isReason(await rejection(store.changes("", 0, limit)), "ARGUMENT_INVALID")).toBe(true);
        expect(isReason(await rejection(store.history("a", limit)), "ARGUMENT_INVALID")).toBe(true);
      }
      for (const revision of [Number.NaN, 0.5]) {
        expect(isReason(await rejection(store.changes("", revision, 1)), "ARGUMENT_INVALID")).toBe(true);
        expect(isReason(await rejection(store.watch(revision, () => {})), "ARGUMENT_INVALID")).toBe(true);
        expect(isReason(await rejection(store.compact(revision)), "ARGUMENT_INVALID")).toBe(true);
      }
    });
  });

  describe(`${name}: compaction`, () => {
    it("leaves the entries and the newest changes of each key, with what they replaced", async () => {
      const { store } = await setUp();
      const count = KEPT_CHANGES_PER_KEY + 50;
      for (let n = 1; n <= count; n += 1) await store.put("hot", String(n), { cause });
      await store.put("cold", "1", { cause });
      await store.compact(count + 1);
      const history = await store.history("hot", 999);
      expect(history).toHaveLength(KEPT_CHANGES_PER_KEY);
      expect(history[0]).toMatchObject({ value: String(count), previous: String(count - 1) });
      expect(history.at(-1)).toMatchObject({ value: "51", previous: "50" });
      expect(await store.history("cold", 9)).toHaveLength(1);
      expect((await store.list("")).entries.map(({ value }) => value)).toEqual(["1", String(count)]);
    });

    it("what is above the compacted revision stays, however many changes a key has", async () => {
      const { store } = await setUp();
      for (let n = 1; n <= 300; n += 1) await store.put("hot", String(n), { cause });
      await store.compact(50);
      expect(await store.history("hot", 999)).toHaveLength(250);
      const changes = await readAll(store, "", 50, 7);
      expect(changes.map(({ previous }) => previous)).toEqual(Array.from({ length: 250 }, (_, n) => String(n + 50)));
    });

    it("a life that ended is forgotten with its end, the next one is not", async () => {
      const { store } = await setUp();
      await store.put("a", "1", { cause });
      await store.delete("a", { cause });
      await store.put("a", "2", { cause });
      await store.compact(1);
      expect((await store.history("a", 9)).map(({ revision }) => revision)).toEqual([3, 2, 1]);
      await store.compact(2);
      expect((await store.history("a", 9)).map(({ revision }) => revision)).toEqual([3]);
      await store.compact(3);
      expect((await store.history("a", 9)).map(({ revision }) => revision)).toEqual([3]);
    });

    it("goes no further than there is, and never back", async () => {
      const { store } = await setUp();
      await store.put("a", "1", { cause });
      await store.compact(99);
      await store.compact(0);
      await store.compact(-1);
      expect(await store.changes("", 1, 9)).toEqual({ changes: [], through: 1 });
      expect(await rejection(store.changes("", 0, 9))).toBeInstanceOf(RevisionCompacted);
      expect(await store.put("a", "2", { cause })).toMatchObject({ revision: 2 });
    });

    it("happens by itself beyond the changes to keep, a little at a time", async () => {
      const { store } = await setUp({ keptChanges: 50 });
      let oldest = 0;
      for (let head = 1; head <= 400; head += 1) {
        await store.put(`k${head % 3}`, "1", { cause });
        const error = await rejection(store.changes("", -1, 9));
        const now = (error as RevisionCompacted).oldest;
        expect(now - oldest).toBeLessThanOrEqual(32);
        expect(head - now).toBeLessThan(50 + 32);
        if (now > 0) expect(head - now).toBeGreaterThanOrEqual(50);
        oldest = now;
      }
      expect(oldest).toBeGreaterThan(300);
      expect(await readAll(store, "", oldest, 9)).toHaveLength(400 - oldest);
    });

    it("happens by the bytes of the changes, too, and leaves the newest whatever its size", async () => {
      const { store } = await setUp({ keptBytes: 100_000 });
      const value = "x".repeat(10_000);
      for (let n = 1; n <= 40; n += 1) await store.put(`k${n}`, value, { cause });
      const oldest = await oldestOf(store);
      expect(oldest).toBeGreaterThanOrEqual(30);
      await store.put("k", "x".repeat(300_000), { cause });
      expect(await oldestOf(store)).toBe(40);
      expect(await readAll(store, "", 40, 9)).toHaveLength(1);
    });

    it("happens by the age of the changes, by itself, and leaves the newest whatever its age", async () => {
      const { store, clock } = await setUp({ keptMs: 3_600_000 });
      await Promise.all(Array.from({ length: 500 }, (_, n) => store.put(`k${n}`, "1", { cause })));
      clock.advance(1_800_000);
      await settle();
      for (let n = 1; n <= 5; n += 1) await store.put("a", "1", { cause });
      expect(await oldestOf(store)).toBe(0);
      for (let minute = 0; minute < 32; minute += 1) await advance(clock, 60_000);
      expect(await oldestOf(store)).toBe(500);
      for (let minute = 0; minute < 60; minute += 1) await advance(clock, 60_000);
      expect(await oldestOf(store)).toBe(504);
      await store.close();
    });

    it("of a batch counts each of its changes, and takes all of them at once", async () => {
      const { store } = await setUp({ keptChanges: 100 });
      const batch = (size: number) =>
        store.batch(
          Array.from({ length: size }, (_, n) => ({ key: `k${n}`, value: "1" })),
          cause,
        );
      for (let n = 0; n < 6; n += 1) await batch(30);
      const oldest = await oldestOf(store);
      expect([1, 2, 3]).toContain(oldest);
      await batch(1000);
      expect(await oldestOf(store)).toBe(6);
      expect(await readAll(store, "", 6, 10)).toHaveLength(1000);
    });

    it("keeps so many bytes of a key and no more, but for one change that is larger", async () => {
      const { store } = await setUp();
      const size = KEPT_BYTES_PER_KEY / 8;
      for (let n = 1; n <= 20; n += 1) await store.put("hot", `${n}:${"x".repeat(size)}`, { cause });
      await store.compact(20);
      const history = await store.history("hot", 99);
      expect(history.length).toBeGreaterThanOrEqual(6);
      expect(history.length).toBeLessThanOrEqual(9);
      expect(history.at(-1)?.previous).toBeDefined();
      await store.put("hot", "y".repeat(2 * KEPT_BYTES_PER_KEY), { cause });
      await store.put("hot", "z", { cause });
      await store.compact(22);
      expect((await store.history("hot", 99)).map(({ value }) => value?.[0])).toEqual(["z", "y"]);
    });

    it("keeps so many bytes of all keys and no more, but for the newest of each: the oldest go first", async () => {
      const { store } = await setUp({ historyBytes: 100_000 });
      const value = "x".repeat(1_000);
      await Promise.all(Array.from({ length: 300 }, (_, n) => store.put(`k${n % 100}`, `${n}${value}`, { cause })));
      await store.compact(300);
      const histories = await Promise.all(Array.from({ length: 100 }, (_, n) => store.history(`k${n}`, 9)));
      const told = histories.flat();
      expect(told.every(({ previous }) => previous !== undefined)).toBe(true);
      await Promise.all(Array.from({ length: 100 }, (_, n) => store.put(`k${n}`, "new", { cause })));
      const changes = await readAll(store, "", 300, 50);
      expect(changes.map(({ previous }) => previous)).toEqual(changes.map((_, n) => `${n + 200}${value}`));
    });

    it("keys that come and go leave nothing behind", async () => {
      const { store } = await setUp({ keptChanges: 10 });
      for (let n = 0; n < 100; n += 1) {
        await store.put(`k${n}`, "1", { cause });
        await store.delete(`k${n}`, { cause });
      }
      expect(await store.history("k0", 9)).toEqual([]);
      expect(await store.history("k50", 9)).toEqual([]);
      expect(await store.history("k99", 9)).toHaveLength(2);
    });
  });

  describe(`${name}: a long history`, () => {
    const DAY = 86_400_000;
    const histories = [{ prefix: "flag/", maxMs: 10 * DAY, maxBytes: 1_000_000 }];

    it("is kept by age and not by number, whatever the journal keeps, and across deletes", async () => {
      const { store } = await setUp({ histories, keptChanges: 10 });
      const writes = Array.from({ length: 400 }, (_, index) => {
        const n = index + 1;
        const write = n % 50 === 0 ? store.delete("flag/a", { cause }) : store.put("flag/a", String(n), { cause });
        return n % 2 === 0 ? Promise.all([write, store.put("other", String(n), { cause })]) : write;
      });
      await Promise.all(writes);
      const { revision } = await store.list("");
      await store.compact(revision);
      const history = await store.history("flag/a", 999);
      expect(history.map(({ value }) => value)).toEqual(
        Array.from({ length: 400 }, (_, n) => ((400 - n) % 50 === 0 ? undefined : String(400 - n))),
      );
      expect(history.map(({ previous }) => previous)).toEqual([
        ...history.slice(1).map(({ value }) => value),
        undefined,
      ]);
      expect(await store.history("other", 999)).toHaveLength(KEPT_CHANGES_PER_KEY);
    });

    it("tells the state at a revision and at a wall time", async () => {
      const { store, clock } = await setUp({ histories, keptChanges: 5 });
      const made: Change[] = [];
      await store.watch(0, (changes) => made.push(...changes));
      for (let n = 1; n <= 70; n += 1) {
        await store.put(`flag/${n % 3}`, String(n), { cause });
        clock.advance(n % 7 === 0 ? 0 : 500);
      }
      for (const key of ["flag/0", "flag/1", "flag/2", "flag/none"]) {
        const own = made.filter((change) => change.key === key);
        for (let time = 1.7e12 - 1000; time < clock.now() + 1000; time += 500) {
          expect(await store.lastAt(key, time)).toEqual(own.findLast((change) => change.time <= time));
        }
        for (let revision = 0; revision < 75; revision += 3) {
          const [change] = await store.history(key, 1, revision + 1);
          expect(change).toEqual(own.findLast((one) => one.revision <= revision));
        }
      }
      expect(isReason(await rejection(store.lastAt("a", Number.NaN)), "ARGUMENT_INVALID")).toBe(true);
    });

    it("forgets what was no longer in force when its time began, and keeps what was", async () => {
      const { store, clock } = await setUp({ histories, keptMs: DAY });
      for (let day = 0; day < 20; day += 1) {
        await store.put("flag/often", String(day), { cause });
        if (day === 2) await store.put("flag/once", "1", { cause });
        if (day === 3) await store.delete("flag/once", { cause });
        await advance(clock, DAY / 2);
        await advance(clock, DAY / 2);
      }
      for (let minute = 0; minute < 120; minute += 1) await advance(clock, 60_000);
      const history = await store.history("flag/often", 99);
      expect(history.map(({ value }) => value).slice(0, 9)).toEqual([..."987654321"].map((n) => `1${n}`));
      expect(history.length).toBeLessThanOrEqual(11);
      expect((await store.lastAt("flag/often", clock.now() - 9.5 * DAY))?.value).toBe("10");
      expect(await store.history("flag/once", 9)).toEqual([]);
      await store.close();
    });

    it("takes so many bytes and no more: the oldest go first, the newest of each key never", async () => {
      const { store } = await setUp({ histories: [{ prefix: "flag/", maxMs: 10 * DAY, maxBytes: 50_000 }] });
      await store.put("flag/rare", "1", { cause });
      const value = "x".repeat(1_000);
      await Promise.all(Array.from({ length: 200 }, (_, n) => store.put("flag/hot", `${n}${value}`, { cause })));
      await store.compact(201);
      const history = await store.history("flag/hot", 999);
      expect(history.length).toBeGreaterThan(30);
      expect(history.length).toBeLessThan(50);
      expect(await store.history("flag/rare", 9)).toHaveLength(1);
    });
  });

  describe(`${name}: any sequence of commands`, () => {
    it("leaves the store as the model says: entries, changes by page, watch stream, history", async () => {
      await fc.assert(
        fc.asyncProperty(commands, fc.nat(), fc.integer({ min: 1, max: 50 }), async (sequence, from, limit) => {
          const { store, clock } = await setUp();
          const model: Model = { changes: [], compacted: 0 };
          const told: Change[] = [];
          await store.watch(0, (changes) => told.push(...changes));
          for (const command of sequence) {
            clock.advance(1.5);
            await runCommand(store, model, command, clock.now());
          }
          const head = headOf(model);
          expect(told).toEqual(model.changes);
          for (const prefix of ["", "a/", "a/2", "b/ä", "c"]) {
            expect(await store.list(prefix)).toEqual({ entries: entriesOf(model, prefix), revision: head });
            const after = model.compacted + (from % (head - model.compacted + 1));
            const expected = model.changes.filter(({ key, revision }) => revision > after && key.startsWith(prefix));
            expect(await readAll(store, prefix, after, limit)).toEqual(expected);
          }
          const replayed: Change[] = [];
          await store.watch(model.compacted, (changes) => replayed.push(...changes));
          expect(replayed).toEqual(model.changes.filter(({ revision }) => revision > model.compacted));
          for (const key of new Set(model.changes.map((change) => change.key))) {
            expect(await store.get(key)).toEqual(entryOf(model, key));
            const history = historyOf(model, key);
            expect(await store.history(key, 9999)).toEqual(history);
            expect(await store.history(key, limit, from)).toEqual(
              history.filter(({ revision }) => revision < from).slice(0, limit),
            );
          }
          await store.close();
        }),
        { numRuns: 30 },
      );
    });
  });

  describe(`${name}: close`, () => {
    it("writes asked for before it are done, everything after it is refused", async () => {
      const { store } = await setUp();
      const told: string[] = [];
      await store.watch(0, (changes) => told.push(...changes.map(({ key }) => key)));
      const last = store.put("a", "1", { cause });
      await store.close();
      expect(await last).toMatchObject({ revision: 1 });
      expect(told).toEqual(["a"]);
      for (const call of [
        () => store.get("a"),
        () => store.list(""),
        () => store.put("a", "2", { cause }),
        () => store.delete("a", { cause }),
        () => store.batch([{ key: "a", value: "2" }], cause),
        () => store.changes("", 0, 1),
        () => store.history("a", 1),
        () => store.lastAt("a", 1),
        () => store.answers.put("a", { digest: "d", answer: new Uint8Array(1) }, 1),
        () => store.watch(0, () => {}),
        () => store.compact(1),
      ]) {
        expect(isReason(await rejection(call()), "STORE_UNAVAILABLE")).toBe(true);
      }
      expect(told).toEqual(["a"]);
      await store.close();
    });
  });
}

/** What a promise rejects with; undefined where it does not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** All changes after a revision, page by page. */
export async function readAll(store: Store, prefix: string, after: number, limit: number): Promise<Change[]> {
  const all: Change[] = [];
  for (let position = after; ; ) {
    const { changes, through } = await store.changes(prefix, position, limit);
    expect(changes.filter(({ revision }) => revision !== through).length).toBeLessThanOrEqual(limit);
    all.push(...changes);
    if (through === (await store.list("none")).revision) return all;
    expect(through).toBeGreaterThan(position);
    position = through;
  }
}

async function oldestOf(store: Store): Promise<number> {
  return ((await rejection(store.changes("", -1, 9))) as RevisionCompacted).oldest;
}

/** Lets what a timer has begun come to its end. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn += 1) await new Promise(setImmediate);
}

async function advance(clock: ManualClock, ms: number): Promise<void> {
  clock.advance(ms);
  await settle();
}
