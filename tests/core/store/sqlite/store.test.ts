import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dailySize } from "../../../../src/core/store/daily.ts";
import { openSqliteStore } from "../../../../src/core/store/sqlite/open.ts";
import type { Store } from "../../../../src/core/store/store.ts";
import { createManualClock } from "../../../../src/kernel/clock.ts";
import { times } from "../../../effort.ts";
import { makeDirectory } from "../directories.ts";
import { commands, type Model, runCommand } from "../model.ts";
import { readAll } from "../rig.ts";
import { storeSuite } from "../suite.ts";

const cause = { action: "Test" };
const open = (directory: string, keptChanges = 100_000, clock = createManualClock()): Promise<Store> =>
  openSqliteStore({ directory, clock, newId: () => crypto.randomUUID(), keptChanges });

storeSuite("sqlite store", (options) =>
  openSqliteStore({ directory: makeDirectory(), newId: () => crypto.randomUUID(), ...options }),
);

/** Everything that can be read from a store. */
async function everything(store: Store, model: Model): Promise<unknown> {
  const { entries, revision } = await store.list("");
  const keys = [...new Set(model.changes.map(({ key }) => key))];
  return {
    incarnation: store.incarnation,
    entries,
    revision,
    changes: await readAll(store, "", model.compacted, 50),
    histories: await Promise.all(keys.map((key) => store.history(key, 9999))),
  };
}

describe("a reopened SQLite store", () => {
  it("has the records by day of before, and counts their size on", async () => {
    const directory = makeDirectory();
    const options = { directory, clock: createManualClock(), newId: () => "one" };
    const value = "x".repeat(1_000);
    const limit = 10 * dailySize("k0", value);
    const keys = [...Array(10).keys()].map((n) => `k${n}`);
    const first = await openSqliteStore({ ...options, dailyBytes: limit });
    first.daily.write(keys.map((key) => ({ day: 19_000, key, value })));
    await first.close();
    const second = await openSqliteStore({ ...options, dailyBytes: limit });
    expect(keys.map((key) => second.daily.of(key))).toEqual(keys.map(() => [{ day: 19_000, value }]));
    expect(second.daily.write([{ day: 19_001, key: "k0", value }])).toBe(19_000);
    await second.close();
  });

  it("of a version without records by day can have them", async () => {
    const directory = makeDirectory();
    const first = await open(directory);
    await first.put("a", "1", { cause });
    await first.close();
    const database = new DatabaseSync(join(directory, "helios.db"));
    database.exec("DROP TABLE daily; DROP TABLE daily_size");
    database.close();
    const second = await open(directory);
    second.daily.write([{ day: 19_000, key: "k", value: "x" }]);
    expect(second.daily.of("k")).toEqual([{ day: 19_000, value: "x" }]);
    expect(await second.list("")).toMatchObject({ revision: 1, entries: [{ key: "a" }] });
    await second.close();
  });

  it("has the same contents as before, after any sequence of commands", async () => {
    await fc.assert(
      fc.asyncProperty(commands, commands, async (before, after) => {
        const directory = makeDirectory();
        const clock = createManualClock();
        const model: Model = { changes: [], compacted: 0 };
        const first = await open(directory, 100_000, clock);
        for (const command of before) await runCommand(first, model, command, clock.now());
        const received = await everything(first, model);
        await first.close();
        const second = await open(directory, 100_000, clock);
        expect(await everything(second, model)).toEqual(received);
        for (const command of after) await runCommand(second, model, command, clock.now());
        await second.close();
      }),
      { numRuns: times(5, 30) },
    );
  });

  it("continues its revisions, even if all changes were compacted", async () => {
    const directory = makeDirectory();
    const first = await open(directory);
    await first.put("a", "1", { cause });
    await first.delete("a", { cause });
    await first.compact(2);
    expect(await first.history("a", 9)).toEqual([]);
    await first.close();
    const second = await open(directory);
    expect(await second.list("")).toEqual({ entries: [], revision: 2 });
    expect(await second.put("a", "1", { cause, ifRevision: 0 })).toMatchObject({ revision: 3 });
    await second.close();
  });

  it("applies a lower limit of kept changes gradually, with each write", async () => {
    const directory = makeDirectory();
    const first = await open(directory);
    await Promise.all(Array.from({ length: 500 }, () => first.put("a", "1", { cause })));
    await first.close();
    const second = await open(directory, 10);
    await second.put("a", "1", { cause });
    await expect(second.changes("", 0, 1)).rejects.toMatchObject({ oldest: 64 });
    for (let n = 0; n < 10; n += 1) await second.put("a", "1", { cause });
    await expect(second.changes("", 0, 1)).rejects.toMatchObject({ oldest: 480 });
    await second.close();
  });

  it("has another incarnation only if the data are others", async () => {
    const [one, two] = [makeDirectory(), makeDirectory()];
    const stores = [await open(one), await open(two)];
    const incarnations = stores.map(({ incarnation }) => incarnation);
    expect(new Set(incarnations).size).toBe(2);
    for (const store of stores) await store.close();
    const again = await open(one);
    expect(again.incarnation).toBe(incarnations[0]);
    await again.close();
  });

  it("has one data file after it is closed, and creates its directory with all parents", async () => {
    const directory = `${makeDirectory()}/new/deeper`;
    const store = await open(directory);
    await store.put("a", "1", { cause });
    expect(readdirSync(directory).sort()).toEqual([
      "helios.db",
      "helios.db-shm",
      "helios.db-wal",
      "helios.lock",
      "helios.owner",
    ]);
    await store.close();
    expect(readdirSync(directory).sort()).toEqual(["helios.db", "helios.lock"]);
  });
});
