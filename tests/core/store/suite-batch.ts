import { describe, expect, it } from "vitest";
import { isReason } from "../../../src/core/errors/error.ts";
import {
  type Change,
  MAX_BATCH_BYTES,
  MAX_BATCH_WRITES,
  MAX_PAGE_CHARS,
  RevisionConflict,
} from "../../../src/core/store/store.ts";
import { cause, readAll, rejection, type SetUp } from "./rig.ts";

/** Tests of several writes at one revision, for any store. */
export function batchSuite(name: string, setUp: SetUp): void {
  describe(`${name}: a batch`, () => {
    it("makes all its writes at one revision and time, in order, and notifies in one call", async () => {
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

    it("changes nothing if one write loses a race, whatever its position", async () => {
      const { store } = await setUp();
      await store.put("a", "1", { cause });
      let received = 0;
      await store.watch(1, () => {
        received += 1;
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
      expect(received).toBe(0);
      expect(await store.batch(writes, cause)).toMatchObject({ revision: 2 });
    });

    it("a batch that changes nothing makes no revision", async () => {
      const { store } = await setUp();
      const nothing = { revision: undefined, entries: [undefined] };
      expect(await store.batch([], cause)).toEqual({ revision: undefined, entries: [] });
      expect(await store.batch([{ key: "a", value: undefined, ifRevision: 0 }], cause)).toEqual(nothing);
      expect((await store.list("")).revision).toBe(0);
    });

    it("is refused before any write if it is too large, malformed, or names a key twice", async () => {
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

    it("is never divided between pages, whatever the limit", async () => {
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

    it("is ordered with single writes by the time of the request", async () => {
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

    it("ends a page also by the size of its values", async () => {
      const { store } = await setUp();
      const value = "x".repeat(MAX_PAGE_CHARS / 4);
      for (let n = 0; n < 9; n += 1) await store.put(`k${n}`, value, { cause });
      expect((await store.changes("", 0, 100)).through).toBe(4);
      expect(await readAll(store, "", 0, 100)).toHaveLength(9);
    });
  });
}
