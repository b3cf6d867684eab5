import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { isReason } from "../../../src/core/errors/error.ts";
import { type Change, type Entry, RevisionCompacted, RevisionConflict } from "../../../src/core/store/store.ts";
import { createManualClock } from "../../../src/kernel/clock.ts";
import { times } from "../../effort.ts";
import { anyCharacter } from "../../support/texts.ts";
import { commands, entriesOf, entryOf, headOf, historyOf, type Model, runCommand } from "./model.ts";
import { cause, type MakeStore, readAll, rejection, type SetUp } from "./rig.ts";
import { batchSuite } from "./suite-batch.ts";
import { dailySuite } from "./suite-daily.ts";
import { retentionSuite } from "./suite-retention.ts";

/** Tests of every clause of the `Store` interface, for any store. */
export function storeSuite(name: string, make: MakeStore): void {
  const setUp: SetUp = async (retention = {}) => {
    const clock = createManualClock();
    return { clock, store: await make({ clock, ...retention }) };
  };

  describe(`${name}: entries`, () => {
    it("a key that was never written is undefined", async () => {
      const { store } = await setUp();
      expect(await store.get("a")).toBeUndefined();
      expect(await store.list("")).toEqual({ entries: [], revision: 0 });
    });

    it("a put makes the entry that it resolves to, at a growing revision", async () => {
      const { store, clock } = await setUp();
      const first = await store.put("a", "1", { cause });
      clock.advance(5);
      const other = await store.put("b", "2", { cause });
      const second = await store.put("a", "3", { cause });
      expect(first).toEqual({ key: "a", value: "1", revision: 1, createTime: 1.7e12, updateTime: 1.7e12 });
      expect([other.revision, second.revision]).toEqual([2, 3]);
      expect(await store.get("a")).toEqual(second);
    });

    it("the creation time lasts until the deletion, and starts anew after it", async () => {
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

    it("a delete resolves to its revision, and to undefined if there is nothing to delete", async () => {
      const { store } = await setUp();
      expect(await store.delete("a", { cause })).toBeUndefined();
      expect(await store.delete("a", { cause, ifRevision: 0 })).toBeUndefined();
      await store.put("a", "1", { cause });
      expect(await store.delete("a", { cause })).toBe(2);
      expect(await store.delete("a", { cause })).toBeUndefined();
      expect(await store.get("a")).toBeUndefined();
      expect((await store.list("")).revision).toBe(2);
    });

    it("a list has the entries below a prefix in key order, and the store's revision", async () => {
      const { store } = await setUp();
      const keys = ["b/%", "a/2", "a0", "b/_", "a/1", "a/", "a", "b/\u{1F600}", "b/\u{FF5E}"];
      for (const key of keys) await store.put(key, "1", { cause });
      expect((await store.list("a/")).entries.map(({ key }) => key)).toEqual(["a/", "a/1", "a/2"]);
      expect((await store.list("b/%")).entries.map(({ key }) => key)).toEqual(["b/%"]);
      expect((await store.list("")).entries.map(({ key }) => key)).toEqual([...keys].sort());
      expect((await store.list("none")).entries).toEqual([]);
      expect((await store.list("none")).revision).toBe(keys.length);
    });

    it("any well-formed text is read as it was written", async () => {
      const { store } = await setUp();
      const text = fc.string({ unit: anyCharacter });
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
        { numRuns: times(20, 60) },
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
    it("a write with another revision than the key's is refused and changes nothing", async () => {
      const { store } = await setUp();
      const received: Change[] = [];
      await store.watch(0, (changes) => received.push(...changes));
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
      expect(received).toHaveLength(2);
    });

    it("a missing key is at revision 0, also after a deletion", async () => {
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

    it("one of many writers with the same expected revision wins, and the others learn the winner's revision", async () => {
      const { store } = await setUp();
      const { revision } = await store.put("a", "0", { cause });
      const writes = Array.from({ length: 300 }, (_, n) => store.put("a", String(n), { cause, ifRevision: revision }));
      const results = await Promise.allSettled(writes);
      expect(results[0]).toMatchObject({ status: "fulfilled", value: { revision: 2, value: "0" } });
      for (const result of results.slice(1)) {
        expect(result).toMatchObject({ status: "rejected", reason: { actualRevision: 2 } });
      }
    });

    it("simultaneous writes happen in the order of the requests", async () => {
      const { store } = await setUp();
      const writes = Array.from({ length: 600 }, (_, n) => store.put(`k${n % 7}`, String(n), { cause }));
      const revisions = (await Promise.all(writes)).map(({ revision }) => revision);
      expect(revisions).toEqual(Array.from({ length: 600 }, (_, n) => n + 1));
    });
  });

  batchSuite(name, setUp);

  describe(`${name}: watch`, () => {
    it("delivers existing changes before it resolves, then every change once, before the write resolves", async () => {
      const { store } = await setUp();
      await store.put("a", "1", { cause });
      await store.put("b", "2", { cause: { action: "Test", actor: "me", reason: "why" } });
      const received: Change[] = [];
      await store.watch(1, (changes) => received.push(...changes));
      expect(received.map(({ revision }) => revision)).toEqual([2]);
      await store.put("a", "3", { cause });
      expect(received.map(({ revision }) => revision)).toEqual([2, 3]);
      await store.delete("a", { cause });
      const time = 1.7e12;
      expect(received).toEqual([
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
      expect((await store.changes("", 1, 9)).changes).toEqual(received);
    });

    it("delivers a change when the store already answers with it", async () => {
      const { store } = await setUp();
      const seen: Promise<unknown>[] = [];
      await store.watch(0, ([change]) => seen.push(store.get(change?.key ?? "")));
      const entry = await store.put("a", "1", { cause });
      expect(await Promise.all(seen)).toEqual([entry]);
    });

    it("does not call a closed subscription, and lets the same function subscribe twice", async () => {
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

    it("keeps the order for all listeners that write, subscribe and unsubscribe in a call", async () => {
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

    it("keeps the write and the other listeners unharmed if a listener throws, and reports the error", async () => {
      const { store } = await setUp();
      const received: string[] = [];
      await store.watch(0, () => {
        throw new Error("a listener's own fault");
      });
      await store.watch(0, (changes) => received.push(...changes.map(({ key }) => key)));
      const uncaught: (() => void)[] = [];
      const spy = vi.spyOn(globalThis, "queueMicrotask").mockImplementation((run) => void uncaught.push(run));
      const entry = await store.put("a", "1", { cause }).finally(() => spy.mockRestore());
      expect(entry.revision).toBe(1);
      expect(received).toEqual(["a"]);
      expect(uncaught).toHaveLength(1);
      expect(uncaught[0]).toThrow("a listener's own fault");
    });

    it("refuses a start that is compacted or in the future", async () => {
      const { store } = await setUp();
      for (let n = 0; n < 5; n += 1) await store.put("a", "1", { cause });
      await store.compact(3);
      for (const revision of [0, 2, 6]) {
        const error = await rejection(store.watch(revision, () => {}));
        expect(error).toBeInstanceOf(RevisionCompacted);
        expect(error).toMatchObject({ requested: revision, oldest: 3 });
        expect(await rejection(store.changes("", revision, 9))).toBeInstanceOf(RevisionCompacted);
      }
      const received: number[] = [];
      await store.watch(3, (changes) => received.push(...changes.map(({ revision }) => revision)));
      expect(received).toEqual([4, 5]);
      await store.watch(5, (changes) => received.push(...changes.map(({ revision }) => revision)));
      expect(received).toEqual([4, 5]);
    });
  });

  describe(`${name}: changes and history`, () => {
    it("pages of changes continue each other, and end at the store's revision", async () => {
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

    it("a reader passes thousands of changes that are not below its prefix", async () => {
      const { store } = await setUp();
      await Promise.all(Array.from({ length: 6000 }, (_, n) => store.put("a/x", String(n), { cause })));
      await store.put("b/x", "1", { cause });
      expect((await readAll(store, "b/", 0, 10)).map(({ revision }) => revision)).toEqual([6001]);
    });

    it("the history of a key is newest first, crosses deletions, and pages by revision", async () => {
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

    it("invalid limits and revisions are refused", async () => {
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

  dailySuite(name, setUp);
  retentionSuite(name, setUp);

  describe(`${name}: any sequence of commands`, () => {
    it("leaves the store as the model: entries, pages of changes, watch stream, history", async () => {
      await fc.assert(
        fc.asyncProperty(commands, fc.nat(), fc.integer({ min: 1, max: 50 }), async (sequence, from, limit) => {
          const { store, clock } = await setUp();
          const model: Model = { changes: [], compacted: 0 };
          const received: Change[] = [];
          await store.watch(0, (changes) => received.push(...changes));
          for (const command of sequence) {
            clock.advance(1.5);
            await runCommand(store, model, command, clock.now());
          }
          const head = headOf(model);
          expect(received).toEqual(model.changes);
          for (const prefix of ["", "a/", "a/2", "b/ä", "c"]) {
            expect(await store.list(prefix)).toEqual({ entries: entriesOf(model, prefix), revision: head });
            const after = model.compacted + (from % (head - model.compacted + 1));
            const expected = model.changes.filter(({ key, revision }) => revision > after && key.startsWith(prefix));
            expect(await readAll(store, prefix, after, limit)).toEqual(expected);
          }
          const scanned: Entry[] = [];
          expect(await store.scan((entry) => scanned.push(entry))).toBe(head);
          expect(scanned.sort((a, b) => (a.key < b.key ? -1 : 1))).toEqual(entriesOf(model, ""));
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
        { numRuns: times(10, 50) },
      );
    });
  });

  describe(`${name}: close`, () => {
    it("completes writes from before it, and refuses everything after it", async () => {
      const { store } = await setUp();
      const received: string[] = [];
      await store.watch(0, (changes) => received.push(...changes.map(({ key }) => key)));
      const last = store.put("a", "1", { cause });
      await store.close();
      expect(await last).toMatchObject({ revision: 1 });
      expect(received).toEqual(["a"]);
      for (const call of [
        () => store.get("a"),
        () => store.list(""),
        () => store.put("a", "2", { cause }),
        () => store.delete("a", { cause }),
        () => store.batch([{ key: "a", value: "2" }], cause),
        () => store.changes("", 0, 1),
        () => store.history("a", 1),
        () => store.answers.put("a", { digest: "d", answer: new Uint8Array(1) }, 1),
        () => store.watch(0, () => {}),
        () => store.compact(1),
      ]) {
        expect(isReason(await rejection(call()), "STORE_UNAVAILABLE")).toBe(true);
      }
      expect(received).toEqual(["a"]);
      await store.close();
    });
  });
}
