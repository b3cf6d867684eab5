import { describe, expect, it } from "vitest";
import { KEPT_BYTES_PER_KEY, KEPT_CHANGES_PER_KEY } from "../../../src/core/store/retention.ts";
import { type Change, RevisionCompacted } from "../../../src/core/store/store.ts";
import { advance, cause, oldestOf, readAll, rejection, type SetUp, settle } from "./rig.ts";

/** Tests of what a store forgets and keeps, for any store. */
export function retentionSuite(name: string, setUp: SetUp): void {
  describe(`${name}: compaction`, () => {
    it("keeps the entries and the newest changes of each key, with the values before them", async () => {
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

    it("keeps everything above the compacted revision, however many changes a key has", async () => {
      const { store } = await setUp();
      for (let n = 1; n <= 300; n += 1) await store.put("hot", String(n), { cause });
      await store.compact(50);
      expect(await store.history("hot", 999)).toHaveLength(250);
      const changes = await readAll(store, "", 50, 7);
      expect(changes.map(({ previous }) => previous)).toEqual(Array.from({ length: 250 }, (_, n) => String(n + 50)));
    });

    it("forgets a deleted key with its deletion, but not its next life", async () => {
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

    it("goes no further than the newest revision, and never back", async () => {
      const { store } = await setUp();
      await store.put("a", "1", { cause });
      await store.compact(99);
      await store.compact(0);
      await store.compact(-1);
      expect(await store.changes("", 1, 9)).toEqual({ changes: [], through: 1 });
      expect(await rejection(store.changes("", 0, 9))).toBeInstanceOf(RevisionCompacted);
      expect(await store.put("a", "2", { cause })).toMatchObject({ revision: 2 });
    });

    it("happens by itself beyond the limit of changes, a little at a time", async () => {
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

    it("happens also by the bytes of the changes, and keeps the newest of any size", async () => {
      const { store } = await setUp({ keptBytes: 100_000 });
      const value = "x".repeat(10_000);
      for (let n = 1; n <= 40; n += 1) await store.put(`k${n}`, value, { cause });
      const oldest = await oldestOf(store);
      expect(oldest).toBeGreaterThanOrEqual(30);
      await store.put("k", "x".repeat(300_000), { cause });
      expect(await oldestOf(store)).toBe(40);
      expect(await readAll(store, "", 40, 9)).toHaveLength(1);
    });

    it("happens by the age of the changes, and keeps the newest of any age", async () => {
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

    it("counts each change of a batch, and removes all of them together", async () => {
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

    it("keeps a limited number of bytes of each key, except for one change that is larger", async () => {
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

    it("keeps a limited number of bytes of all keys, oldest first, except for the newest of each key", async () => {
      const { store } = await setUp({ historyBytes: 100_000 });
      const value = "x".repeat(1_000);
      await Promise.all(Array.from({ length: 300 }, (_, n) => store.put(`k${n % 100}`, `${n}${value}`, { cause })));
      await store.compact(300);
      const histories = await Promise.all(Array.from({ length: 100 }, (_, n) => store.history(`k${n}`, 9)));
      const received = histories.flat();
      expect(received.every(({ previous }) => previous !== undefined)).toBe(true);
      await Promise.all(Array.from({ length: 100 }, (_, n) => store.put(`k${n}`, "new", { cause })));
      const changes = await readAll(store, "", 300, 50);
      expect(changes.map(({ previous }) => previous)).toEqual(changes.map((_, n) => `${n + 200}${value}`));
    });

    it("leaves nothing of keys that come and go", async () => {
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

    it("is kept by age and not by number, whatever the journal keeps, and across deletions", async () => {
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

    it("returns the state at a revision", async () => {
      const { store, clock } = await setUp({ histories, keptChanges: 5 });
      const made: Change[] = [];
      await store.watch(0, (changes) => made.push(...changes));
      for (let n = 1; n <= 70; n += 1) {
        await store.put(`flag/${n % 3}`, String(n), { cause });
        clock.advance(n % 7 === 0 ? 0 : 500);
      }
      for (const key of ["flag/0", "flag/1", "flag/2", "flag/none"]) {
        const own = made.filter((change) => change.key === key);
        for (let revision = 0; revision < 75; revision += 3) {
          const [change] = await store.history(key, 1, revision + 1);
          expect(change).toEqual(own.findLast((one) => one.revision <= revision));
        }
      }
    });

    it("forgets values that were replaced before its time span, and keeps the others", async () => {
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
      expect(await store.history("flag/once", 9)).toEqual([]);
      await store.close();
    });

    it("forgets within a minute or two of the age, however short the age is", async () => {
      const MINUTE = 60_000;
      const own = [{ prefix: "flag/", maxMs: 5 * MINUTE, maxBytes: 1_000_000 }];
      const { store, clock } = await setUp({ histories: own, keptMs: MINUTE });
      await store.put("flag/a", "1", { cause });
      await advance(clock, MINUTE);
      await store.put("flag/a", "2", { cause });
      for (let minute = 0; minute < 4; minute += 1) await advance(clock, MINUTE);
      expect(await store.history("flag/a", 9)).toHaveLength(2);
      for (let minute = 0; minute < 3; minute += 1) await advance(clock, MINUTE);
      expect(await store.history("flag/a", 9)).toHaveLength(1);
      await store.close();
    });

    it("keeps a limited number of bytes, oldest first, except for the newest of each key", async () => {
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
}
