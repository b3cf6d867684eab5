import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isReason } from "../../../src/core/errors/error.ts";
import { type DailyWrite, dailySize, dayOf, KEPT_DAYS } from "../../../src/core/store/daily.ts";
import { times } from "../../effort.ts";
import { advance, cause, type SetUp } from "./rig.ts";

const SWEEP_MS = 60_000;
const TODAY = dayOf(1.7e12);

const writeOf: fc.Arbitrary<DailyWrite> = fc.record({
  day: fc.oneof(fc.constant(0), fc.integer({ min: TODAY - 3, max: TODAY })),
  key: fc.constantFrom("a", "b", "usage/f"),
  value: fc.option(fc.string({ maxLength: 30 }), { nil: undefined }),
});

/** Tests of `DailyRecords`, for any store. */
export function dailySuite(name: string, setUp: SetUp): void {
  describe(`${name}: records by day`, () => {
    it("are those of a plain map", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(writeOf, { maxLength: 6 }), { maxLength: 8 }), async (batches) => {
          const { store } = await setUp();
          const expected = new Map<string, string>();
          for (const batch of batches) {
            expect(store.daily.write(batch)).toBeUndefined();
            for (const { day, key, value } of batch) {
              if (value === undefined) expected.delete(`${day} ${key}`);
              else expected.set(`${day} ${key}`, value);
            }
          }
          for (const day of [0, TODAY - 3, TODAY - 2, TODAY - 1, TODAY])
            for (const key of ["a", "b", "usage/f"])
              expect(store.daily.find(day, key)).toBe(expected.get(`${day} ${key}`));
          for (const key of ["a", "b", "usage/f"]) {
            const records = [TODAY - 3, TODAY - 2, TODAY - 1, TODAY].flatMap((day) => {
              const value = expected.get(`${day} ${key}`);
              return value === undefined ? [] : [{ day, value }];
            });
            expect(store.daily.of(key)).toEqual(records);
          }
          await store.close();
        }),
        { numRuns: times(15, 200) },
      );
    });

    it("raise no revision, and no watcher sees them", async () => {
      const { store } = await setUp();
      await store.put("a", "1", { cause });
      let received = 0;
      await store.watch(1, () => {
        received += 1;
      });
      store.daily.write([{ day: TODAY, key: "a", value: "x" }]);
      await store.put("b", "2", { cause });
      expect(received).toBe(1);
      expect(await store.list("")).toMatchObject({ revision: 2, entries: [{ key: "a" }, { key: "b" }] });
    });

    it("are deleted after their time, except those of day 0", async () => {
      const { store, clock } = await setUp();
      const days = [0, TODAY - KEPT_DAYS - 1, TODAY - KEPT_DAYS, TODAY];
      store.daily.write(
        days.flatMap((day) => Array.from({ length: 600 }, (_, n) => ({ day, key: `k${n}`, value: "x" }))),
      );
      await advance(clock, 2 * SWEEP_MS);
      await advance(clock, 2 * SWEEP_MS);
      expect(days.map((day) => store.daily.find(day, "k599"))).toEqual(["x", undefined, "x", "x"]);
      expect(store.daily.of("k599").map(({ day }) => day)).toEqual([TODAY - KEPT_DAYS, TODAY]);
    });

    it("take a bounded number of bytes: those of the oldest day are deleted early, and the write says so", async () => {
      const value = "x".repeat(84);
      const size = dailySize("k000", value);
      const { store } = await setUp({ dailyBytes: 1500 * size });
      const fill = (day: number, records: number): number | undefined =>
        store.daily.write(
          Array.from({ length: records }, (_, n) => ({ day, key: `k${String(n).padStart(3, "0")}`, value })),
        );
      const held = (day: number): number =>
        Array.from({ length: 1000 }, (_, n) => store.daily.find(day, `k${String(n).padStart(3, "0")}`)).filter(Boolean)
          .length;
      expect([fill(TODAY - 2, 700), fill(TODAY - 1, 800)]).toEqual([undefined, undefined]);
      // A replaced record does not count twice.
      expect(fill(TODAY - 1, 800)).toBeUndefined();
      expect(fill(TODAY, 900)).toBe(TODAY - 1);
      expect(held(TODAY - 2)).toBe(0);
      expect(held(TODAY)).toBe(900);
      expect(held(TODAY - 1) + held(TODAY)).toBe(1500);
      expect(fill(TODAY + 1, 1000)).toBeGreaterThanOrEqual(TODAY - 1);
      expect(held(TODAY + 1)).toBe(1000);
    });

    it("are refused after the store was closed", async () => {
      const { store } = await setUp();
      await store.close();
      for (const use of [() => store.daily.of("a"), () => store.daily.find(1, "a"), () => store.daily.write([])]) {
        let error: unknown;
        try {
          use();
        } catch (thrown) {
          error = thrown;
        }
        expect(isReason(error, "STORE_UNAVAILABLE")).toBe(true);
      }
    });
  });
}
