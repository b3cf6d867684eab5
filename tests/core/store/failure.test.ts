import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { isReason } from "../../../src/core/errors/error.ts";
import { checkRetention } from "../../../src/core/store/retention.ts";
import { openSqliteStore } from "../../../src/core/store/sqlite/open.ts";
import { CREATE_META, CREATE_SCHEMA } from "../../../src/core/store/sqlite/schema.ts";
import { SqliteStore } from "../../../src/core/store/sqlite/store.ts";
import { RevisionConflict } from "../../../src/core/store/store.ts";
import { createManualClock, systemClock } from "../../../src/kernel/clock.ts";
import { makeDirectory } from "./directories.ts";
import { type Filled, startWriter } from "./processes.ts";
import { readAll, rejection } from "./rig.ts";

const cause = { action: "Test" };

/** A store whose database refuses the statements that `failing` matches, and reports every statement. */
function brittleStore() {
  const real = new DatabaseSync(":memory:");
  real.exec(CREATE_SCHEMA);
  real.prepare(CREATE_META).run("one");
  const clock = createManualClock();
  const state = { failing: /^$/, commits: 0, received: [] as number[] };
  const check = (sql: string): void => {
    if (state.failing.test(sql)) throw new Error("disk I/O error");
  };
  const store = new SqliteStore({
    database: {
      get isTransaction() {
        return real.isTransaction;
      },
      exec(sql) {
        check(sql);
        real.exec(sql);
        if (sql === "COMMIT") state.commits += 1;
      },
      prepare(sql) {
        const statement = real.prepare(sql);
        return {
          get: (...values) => statement.get(...values),
          all: (...values) => statement.all(...values),
          iterate: (...values) => statement.iterate(...values),
          run: (...values) => {
            check(sql);
            return statement.run(...values);
          },
          setReturnArrays: (enabled) => statement.setReturnArrays(enabled),
        };
      },
    },
    clock,
    retention: checkRetention({}),
    explain: (error) => error,
    newId: () => "two",
    defer: setImmediate,
    release: () => real.close(),
  });
  return { store, state, clock };
}

describe("a write that fails", () => {
  for (const failing of [/^BEGIN/, /^COMMIT/, /INSERT INTO entries/, /INSERT INTO journal/]) {
    it(`changes nothing, also in memory, and notifies no one (${failing.source})`, async () => {
      const { store, state } = brittleStore();
      await store.watch(0, ([change]) => state.received.push(change?.revision ?? 0));
      const before = await store.put("a", "1", { cause });
      state.failing = failing;
      expect(isReason(await rejection(store.put("a", "2", { cause })), "STORE_UNAVAILABLE")).toBe(true);
      expect(await store.list("")).toEqual({ entries: [before], revision: 1 });
      expect(await store.changes("", 0, 9)).toMatchObject({ changes: [{ revision: 1 }], through: 1 });
      expect(state.received).toEqual([1]);
      state.failing = /^$/;
      expect(await store.put("a", "3", { cause, ifRevision: 1 })).toMatchObject({ revision: 2 });
      expect(state.received).toEqual([1, 2]);
    });
  }

  it("fails all writes in its transaction, also those that lost a race, because the winner was not written", async () => {
    const { store, state } = brittleStore();
    state.failing = /^COMMIT/;
    const writes = [
      store.put("a", "1", { cause, ifRevision: 0 }),
      store.put("a", "2", { cause, ifRevision: 0 }),
      store.delete("a", { cause }),
      store.delete("none", { cause }),
    ];
    for (const result of await Promise.allSettled(writes)) {
      expect(isReason(result.status === "rejected" && result.reason, "STORE_UNAVAILABLE")).toBe(true);
    }
    state.failing = /^$/;
    expect(await store.put("a", "2", { cause, ifRevision: 0 })).toMatchObject({ revision: 1 });
  });

  for (const failing of [/^COMMIT/, /INSERT INTO daily/]) {
    it(`of records by day changes none of them, also in memory (${failing.source})`, async () => {
      const { store, state } = brittleStore();
      store.daily.write([{ day: 5, key: "a", value: "1" }]);
      state.failing = failing;
      const changes = [
        { day: 5, key: "a", value: undefined },
        { day: 6, key: "b", value: "2" },
      ];
      expect(isReason(await rejection(Promise.try(() => store.daily.write(changes))), "STORE_UNAVAILABLE")).toBe(true);
      expect([store.daily.of("a"), store.daily.of("b")]).toEqual([[{ day: 5, value: "1" }], []]);
      state.failing = /^$/;
      store.daily.write(changes);
      expect([store.daily.of("a"), store.daily.of("b")]).toEqual([[], [{ day: 6, value: "2" }]]);
      expect(store.writable.refusal).toBeUndefined();
    });
  }

  it("leaves all changes in place if it fails during their compaction", async () => {
    const { store, state } = brittleStore();
    for (let n = 0; n < 5; n += 1) await store.put("a", String(n), { cause });
    state.failing = /UPDATE meta/;
    expect(isReason(await rejection(store.compact(3)), "STORE_UNAVAILABLE")).toBe(true);
    state.failing = /^$/;
    expect(await readAll(store, "", 0, 9)).toHaveLength(5);
    await store.compact(3);
    expect(await readAll(store, "", 3, 9)).toHaveLength(2);
  });
});

describe("a store that refuses writes", () => {
  it("says so from the first failed write until one succeeds", async () => {
    const { store, state, clock } = brittleStore();
    const received: unknown[] = [];
    const observing = store.writable.observe((refusal) => received.push(refusal));
    await store.put("a", "1", { cause });
    expect(store.writable.refusal).toBeUndefined();
    state.failing = /^COMMIT/;
    await rejection(store.put("a", "2", { cause }));
    const refusal = { since: 1.7e12, problem: "disk I/O error" };
    expect(store.writable.refusal).toEqual(refusal);
    clock.advance(1000);
    await rejection(store.put("a", "2", { cause }));
    expect(store.writable.refusal).toEqual(refusal);
    expect(await store.get("a")).toMatchObject({ value: "1" });
    state.failing = /^$/;
    await store.put("a", "2", { cause });
    expect(store.writable.refusal).toBeUndefined();
    expect(received).toEqual([refusal, undefined]);
    observing.close();
    state.failing = /^BEGIN/;
    await rejection(store.put("a", "3", { cause }));
    expect(received).toHaveLength(2);
  });

  it("finds out by itself when writes succeed again", async () => {
    const { store, state, clock } = brittleStore();
    state.failing = /INSERT INTO/;
    await rejection(store.put("a", "1", { cause }));
    for (let n = 0; n < 10; n += 1) clock.advance(5000);
    expect(store.writable.refusal).toMatchObject({ since: 1.7e12 });
    state.failing = /^$/;
    clock.advance(5000);
    expect(store.writable.refusal).toBeUndefined();
    expect(await store.list("")).toEqual({ entries: [], revision: 0 });
    await store.close();
  });
});

describe("simultaneous writes", () => {
  it("share one transaction, and each has its own result", async () => {
    const { store, state } = brittleStore();
    const results = await Promise.allSettled([
      store.put("a", "1", { cause, ifRevision: 0 }),
      store.put("a", "2", { cause, ifRevision: 0 }),
      store.put("a", "3", { cause, ifRevision: 1 }),
      store.delete("a", { cause, ifRevision: 1 }),
      store.delete("a", { cause, ifRevision: 2 }),
      store.delete("a", { cause }),
      store.put("a", "4", { cause, ifRevision: 0 }),
    ]);
    expect(state.commits).toBe(1);
    expect(results.map((result) => (result.status === "fulfilled" ? result.value : result.reason))).toEqual([
      expect.objectContaining({ revision: 1, value: "1" }),
      new RevisionConflict("a", 0, 1),
      expect.objectContaining({ revision: 2, value: "3" }),
      new RevisionConflict("a", 1, 2),
      3,
      undefined,
      expect.objectContaining({ revision: 4, value: "4" }),
    ]);
  });

  it("are split into several transactions if they are many, so that nothing else waits long", async () => {
    const { store, state } = brittleStore();
    await Promise.all(Array.from({ length: 1000 }, () => store.put("a", "1", { cause })));
    expect(state.commits).toBe(4);
  });
});

describe("a disk that is full", () => {
  it("refuses writes, keeps acknowledged ones, and contains nothing else later", async () => {
    const directory = makeDirectory();
    const writer = startWriter(directory, "fill", 1000);
    await writer.ended;
    expect(writer.said[0]).toBe("open");
    const { acknowledged, refusals, received, revision } = writer.said[1] as Filled;
    expect(acknowledged.length).toBeGreaterThan(20);
    expect(refusals).toEqual(Array.from({ length: 20 }, () => "STORE_UNAVAILABLE"));
    expect(received).toBe(acknowledged.length);
    expect(revision).toBe(acknowledged.length);
    const store = await openSqliteStore({ directory, clock: systemClock, newId: () => crypto.randomUUID() });
    const changes = await readAll(store, "", 0, 100);
    expect(changes.map(({ key, value, revision }) => ({ revision, key, value }))).toEqual(acknowledged);
    await store.put("a", "1", { cause });
    await store.close();
  });
});
