import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { openSqliteStore } from "../../../../src/core/store/sqlite/open.ts";
import { APPLICATION_ID } from "../../../../src/core/store/sqlite/schema.ts";
import { createManualClock } from "../../../../src/kernel/clock.ts";
import { digests, makeDirectory } from "../directories.ts";
import { readAll } from "../rig.ts";

const cause = { action: "Test" };
const open = (directory: string) =>
  openSqliteStore({ directory, clock: createManualClock(), newId: () => "another incarnation" });

/** A database as earlier versions wrote it. */
function makeFormat1(directory: string, rows: number): void {
  const database = new DatabaseSync(join(directory, "helios.db"));
  database.exec(`
    PRAGMA journal_mode = WAL;
    CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), incarnation TEXT NOT NULL, compacted INTEGER NOT NULL) STRICT;
    CREATE TABLE entries (key TEXT NOT NULL PRIMARY KEY, revision INTEGER NOT NULL, create_time REAL NOT NULL,
      update_time REAL NOT NULL, value TEXT NOT NULL) STRICT;
    CREATE TABLE journal (revision INTEGER PRIMARY KEY, key TEXT NOT NULL, time REAL NOT NULL,
      create_time REAL NOT NULL, cause TEXT NOT NULL, value TEXT) STRICT;
    CREATE INDEX journal_by_key ON journal (key, revision);
    PRAGMA application_id = ${APPLICATION_ID};
    PRAGMA user_version = 1;
    INSERT INTO meta VALUES (1, 'the first', 2);
  `);
  const journal = database.prepare("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?)");
  for (let n = 2; n <= rows; n += 1) journal.run(n, `k${n % 3}`, n + 0.5, n % 3, JSON.stringify(cause), String(n));
  const entry = database.prepare("INSERT INTO entries VALUES (?, ?, ?, ?, ?)");
  for (let n = rows - 2; n <= rows; n += 1) entry.run(`k${n % 3}`, n, n % 3, n + 0.5, String(n));
  database.close();
}

describe("a database of format 1", () => {
  it("is opened with all its contents, and continues in the present format", async () => {
    const directory = makeDirectory();
    makeFormat1(directory, 30);
    const store = await open(directory);
    expect(store.incarnation).toBe("the first");
    expect(await store.list("")).toEqual({
      entries: [30, 28, 29].map((n) => ({
        key: `k${n % 3}`,
        value: String(n),
        revision: n,
        createTime: n % 3,
        updateTime: n + 0.5,
      })),
      revision: 30,
    });
    const changes = await readAll(store, "", 2, 7);
    expect(changes.map(({ revision, value, previous }) => [revision, value, previous])).toEqual(
      Array.from({ length: 28 }, (_, n) => [n + 3, String(n + 3), n < 2 ? undefined : String(n)]),
    );
    expect(
      await store.batch(
        ["k0", "k1"].map((key) => ({ key, value: "new" })),
        cause,
      ),
    ).toMatchObject({ revision: 31 });
    await store.close();
    expect(Object.keys(digests(directory))).toEqual(["helios.db"]);
    const again = await open(directory);
    expect(await again.history("k0", 2)).toMatchObject([{ revision: 31 }, { revision: 30 }]);
    await again.close();
  });

  it("keeps its unexpired answers to requests apart from state and journal", async () => {
    const directory = makeDirectory();
    makeFormat1(directory, 30);
    const database = new DatabaseSync(join(directory, "helios.db"));
    const clock = createManualClock();
    const times = [clock.now() - 1000, clock.now() - 601_000];
    for (const [at, time] of times.entries()) {
      const value = JSON.stringify({ digest: `d${at}`, answer: Buffer.from("ü").toString("base64") });
      database
        .prepare("INSERT INTO entries VALUES (?, ?, ?, ?, ?)")
        .run(`request/id-${at}`, 31 + at, time, time, value);
      database
        .prepare("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?)")
        .run(31 + at, `request/id-${at}`, time, time, "{}", value);
    }
    database.close();
    const store = await openSqliteStore({ directory, clock, newId: () => "" });
    expect(await store.list("request/")).toEqual({ entries: [], revision: 32 });
    expect(await readAll(store, "", 2, 9)).toHaveLength(28);
    expect(store.answers.find("id-0")).toEqual({ digest: "d0", answer: new Uint8Array(Buffer.from("ü")) });
    expect(store.answers.find("id-1")).toBeUndefined();
    expect(await store.put("a", "1", { cause })).toMatchObject({ revision: 33 });
    await store.close();
    const again = await openSqliteStore({ directory, clock, newId: () => "" });
    expect((await again.list("none")).revision).toBe(33);
    await again.close();
  });
});
