import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { beforeAll, describe, expect, it } from "vitest";
import { HeliosError, type Reason } from "../../../../src/core/errors/error.ts";
import { checkDatabase, openSqliteStore } from "../../../../src/core/store/sqlite/open.ts";
import type { Store } from "../../../../src/core/store/store.ts";
import { systemClock } from "../../../../src/kernel/clock.ts";
import { digests, makeDirectory } from "../directories.ts";
import { readAll, rejection } from "../rig.ts";

const open = (directory: string) =>
  openSqliteStore({ directory, clock: systemClock, newId: () => crypto.randomUUID() });

/** A database that was closed, and one after a crash, with changes that are only in the log. */
const closed = makeDirectory();
const crashed = makeDirectory();
let contents: unknown;

beforeAll(async () => {
  const live = makeDirectory();
  const store = await open(live);
  for (let n = 0; n < 300; n += 1) {
    await store.put(`k/${n % 30}`, JSON.stringify("x".repeat(500)), { cause: { action: "Test" } });
  }
  for (const name of ["helios.db", "helios.db-wal"]) copyFileSync(join(live, name), join(crashed, name));
  contents = await everything(store);
  await store.close();
  copyFileSync(join(live, "helios.db"), join(closed, "helios.db"));
});

async function everything(store: Store): Promise<unknown> {
  return { list: await store.list(""), changes: await readAll(store, "", 0, 500) };
}

function copyOf(source: string): string {
  const directory = makeDirectory();
  for (const name of Object.keys(digests(source))) copyFileSync(join(source, name), join(directory, name));
  return directory;
}

async function refusal(directory: string): Promise<HeliosError> {
  const before = digests(directory);
  const error = await rejection(open(directory));
  expect(digests(directory)).toEqual(before);
  if (!(error instanceof HeliosError)) throw new Error("it was not refused", { cause: error });
  return error;
}

function overwrite(file: string, position: number, bytes: Uint8Array): void {
  const content = readFileSync(file);
  content.set(bytes, position);
  writeFileSync(file, content);
}

const noise = (length: number): Uint8Array => Uint8Array.from({ length }, (_, n) => (n * 151 + 7) & 0xff);

const damages: Record<string, (file: string) => void> = {
  "a file of random bytes": (file) => writeFileSync(file, noise(20_000)),
  "a text": (file) => writeFileSync(file, "this is no database"),
  "an empty file": (file) => writeFileSync(file, ""),
  "a file truncated in its header": (file) => truncateSync(file, 60),
  "a file truncated in the middle": (file) => truncateSync(file, Math.floor(readFileSync(file).length / 2)),
  "a file truncated at a page": (file) => truncateSync(file, 4096 * 3),
  "a page of random bytes": (file) => overwrite(file, 4096 * 4, noise(4096)),
  "a header of another format": (file) => overwrite(file, 0, noise(16)),
};

describe("a damaged database is refused without a changed byte", () => {
  for (const [what, damage] of Object.entries(damages)) {
    it(`${what}: after a close`, async () => {
      const directory = copyOf(closed);
      damage(join(directory, "helios.db"));
      const error = await refusal(directory);
      expect(error.reason).toBe<Reason>("STORE_DAMAGED");
      expect(error.metadata.file).toBe(join(directory, "helios.db"));
    });
  }

  for (const [what, damage] of Object.entries(damages)) {
    it(`${what}: after a crash, unless the log has everything that is missing`, async () => {
      const directory = copyOf(crashed);
      damage(join(directory, "helios.db"));
      const before = digests(directory);
      const outcome = await open(directory).catch((error: unknown) => error);
      if (outcome instanceof Error) {
        expect(outcome).toMatchObject({ reason: "STORE_DAMAGED" });
        expect(digests(directory)).toEqual(before);
      } else {
        const store = outcome as Store;
        expect(await everything(store)).toEqual(contents);
        await store.close();
      }
    });
  }

  it("one bit of an index that does not match its table", async () => {
    const directory = copyOf(closed);
    const file = join(directory, "helios.db");
    const content = readFileSync(file);
    const database = new DatabaseSync(file, { readOnly: true });
    const row = database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_entries_1'").get();
    database.close();
    const start = 4096 * (Number(row?.rootpage) - 1);
    const at = content.indexOf("k/7", start);
    expect(at).toBeGreaterThan(start);
    overwrite(file, at, new TextEncoder().encode("k/8"));
    expect((await refusal(directory)).reason).toBe<Reason>("STORE_DAMAGED");
  });

  it("a log whose database is missing", async () => {
    const directory = makeDirectory();
    copyFileSync(join(crashed, "helios.db-wal"), join(directory, "helios.db-wal"));
    const error = await refusal(directory);
    expect(error.reason).toBe<Reason>("STORE_DAMAGED");
    expect(error.metadata.file).toBe(join(directory, "helios.db-wal"));
  });

  it("a directory instead of the database", async () => {
    const directory = makeDirectory();
    mkdirSync(join(directory, "helios.db"));
    expect((await rejection(open(directory))) as HeliosError).toMatchObject({ reason: "STORE_DAMAGED" });
  });

  const changes: Record<string, { sql: string; reason: Reason }> = {
    "a newer format": { sql: "PRAGMA user_version = 3", reason: "STORE_FORMAT_UNKNOWN" },
    "no format": { sql: "PRAGMA user_version = 0", reason: "STORE_DAMAGED" },
    "the application id of another program": { sql: "PRAGMA application_id = 7", reason: "STORE_DAMAGED" },
    "a missing table": { sql: "DROP TABLE entries", reason: "STORE_DAMAGED" },
    "a missing index": { sql: "DROP INDEX journal_by_key", reason: "STORE_DAMAGED" },
    "a missing identity": { sql: "DELETE FROM meta", reason: "STORE_DAMAGED" },
    "a table with other columns": {
      sql: "DROP TABLE meta; CREATE TABLE meta (something TEXT)",
      reason: "STORE_DAMAGED",
    },
  };
  for (const [what, { sql, reason }] of Object.entries(changes)) {
    it(`${what}: after a close`, async () => {
      const directory = copyOf(closed);
      const database = new DatabaseSync(join(directory, "helios.db"));
      database.exec(sql);
      database.close();
      expect((await refusal(directory)).reason).toBe(reason);
    });

    it(`${what}: in the log alone`, async () => {
      const source = copyOf(closed);
      const directory = makeDirectory();
      const database = new DatabaseSync(join(source, "helios.db"));
      database.exec(sql);
      for (const name of ["helios.db", "helios.db-wal"]) copyFileSync(join(source, name), join(directory, name));
      database.close();
      expect((await refusal(directory)).reason).toBe(reason);
    });
  }

  it("the error names the format that was found and the one that is supported", async () => {
    const directory = copyOf(closed);
    const database = new DatabaseSync(join(directory, "helios.db"));
    database.exec("PRAGMA user_version = 12");
    database.close();
    expect((await refusal(directory)).metadata).toMatchObject({ format: "12", supported: "2" });
  });
});

describe("a database that is too large for a complete check", () => {
  const openLarge = (directory: string) =>
    openSqliteStore({ directory, clock: systemClock, newId: () => crypto.randomUUID(), whollyCheckedBytes: 0 });
  /** The first page of a table or an index. */
  const pageOf = (file: string, name: string): number => {
    const database = new DatabaseSync(file, { readOnly: true });
    const row = database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").get(name);
    database.close();
    return 4096 * (Number(row?.rootpage) - 1);
  };

  it("is opened, and damage is reported when it is read: present state at the start, the journal later", async () => {
    const sound = copyOf(closed);
    const store = await openLarge(sound);
    expect(await everything(store)).toEqual(contents);
    await store.close();
    for (const part of ["entries", "sqlite_autoindex_entries_1", "meta"]) {
      const directory = copyOf(closed);
      const file = join(directory, "helios.db");
      overwrite(file, pageOf(file, part), noise(4096));
      const before = digests(directory);
      expect(await rejection(openLarge(directory))).toMatchObject({ reason: "STORE_DAMAGED" });
      expect(digests(directory)).toEqual(before);
    }
    const directory = copyOf(closed);
    const file = join(directory, "helios.db");
    overwrite(file, pageOf(file, "journal_by_key"), noise(4096));
    const damaged = await openLarge(directory);
    expect((await damaged.list("")).entries).toHaveLength(30);
    expect(await rejection(damaged.history("k/1", 9))).toMatchObject({ reason: "STORE_DAMAGED" });
    expect(await rejection(damaged.put("k/1", "1", { cause: { action: "Test" } }))).toMatchObject({
      reason: "STORE_UNAVAILABLE",
    });
    expect(damaged.writable.refusal?.problem).toContain("malformed");
    await damaged.close();
  });

  for (const what of [
    "a file truncated in its header",
    "a file truncated in the middle",
    "a file truncated at a page",
    "a text",
  ]) {
    it(`is refused if it is ${what}`, async () => {
      const directory = copyOf(closed);
      damages[what]?.(join(directory, "helios.db"));
      expect(await rejection(openLarge(directory))).toMatchObject({ reason: "STORE_DAMAGED" });
    });
  }
});

describe("a complete check", () => {
  it("finds damage that a start does not find, reports a sound database, and reports a missing file", () => {
    const directory = copyOf(closed);
    const file = join(directory, "helios.db");
    checkDatabase(file);
    overwrite(file, readFileSync(file).length - 4096, noise(4096));
    expect(() => checkDatabase(file)).toThrow("is damaged");
    expect(() => checkDatabase(join(makeDirectory(), "helios.db"))).toThrow("there is no such file");
  });
});

describe("a database after a crash is opened with", () => {
  it("a log beside the database", async () => {
    const directory = copyOf(crashed);
    const store = await open(directory);
    expect((await store.list("")).revision).toBe(300);
    await store.close();
    expect(Object.keys(digests(directory))).toEqual(["helios.db"]);
  });

  it("a log whose last write was partial, without that write", async () => {
    const [live, directory] = [makeDirectory(), makeDirectory()];
    const writing = await open(live);
    for (let n = 1; n <= 10; n += 1) await writing.put("a", String(n), { cause: { action: "Test" } });
    for (const name of ["helios.db", "helios.db-wal"]) copyFileSync(join(live, name), join(directory, name));
    await writing.close();
    const log = join(directory, "helios.db-wal");
    truncateSync(log, readFileSync(log).length - 100);
    const store = await open(directory);
    expect(await store.list("")).toMatchObject({ entries: [{ value: "9" }], revision: 9 });
    expect(await store.put("a", "again", { cause: { action: "Test" } })).toMatchObject({ revision: 10 });
    await store.close();
  });

  it("the beginning of a database that was never completed, of any length", async () => {
    const content = readFileSync(join(closed, "helios.db"));
    for (const length of [0, 1, 100, 4096, 5000, content.length]) {
      const directory = makeDirectory();
      for (const suffix of [".new", ".new-journal", ".new-wal"]) {
        writeFileSync(join(directory, `helios.db${suffix}`), content.subarray(0, length));
      }
      const store = await open(directory);
      expect(await store.list("")).toEqual({ entries: [], revision: 0 });
      await store.close();
      expect(Object.keys(digests(directory))).toEqual(["helios.db"]);
    }
  });
});
