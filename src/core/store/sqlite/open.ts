import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import type { Clock } from "../../../kernel/clock.ts";
import { HeliosError, messageOf } from "../../errors/error.ts";
import { REPLAYED_MS } from "../answers.ts";
import { makeDirectory } from "../make-directory.ts";
import { checkRetention, type Retention, type RetentionOptions } from "../retention.ts";
import type { Store } from "../store.ts";
import { SqliteAnswers } from "./answers.ts";
import {
  ADD_DAILY,
  ADD_NOTES,
  APPLICATION_ID,
  COPY_FORMAT_1,
  CREATE_META,
  CREATE_SCHEMA,
  FORMAT,
  HAS_NOTES,
  OLD_ANSWERS,
  READ_META,
  SCHEMA_NAMES,
} from "./schema.ts";
import { SqliteStore } from "./store.ts";

/**
 * Size up to which a whole database is checked at each start; of a larger one, only the present state is checked.
 * @limit bytes
 */
const WHOLLY_CHECKED_BYTES = 32 * 1024 * 1024;

export interface SqliteStoreOptions extends RetentionOptions {
  /** Created if it is missing. No other store may use it at the same time. */
  readonly directory: string;
  readonly clock: Clock;
  /** Creates the incarnation of a new database. */
  readonly newId: () => string;
  /** Default: `WHOLLY_CHECKED_BYTES`. */
  readonly whollyCheckedBytes?: number;
}

/**
 * Opens the store in a directory, or creates one there. A write is on the disk before it is acknowledged (WAL,
 * synchronous=FULL), so it survives any end of the process.
 *
 * A database of an older format is converted first, atomically. Older versions of Helios then refuse it.
 *
 * Rejects with STORE_LOCKED while another store has the directory open. Rejects with STORE_DAMAGED or STORE_FORMAT_UNKNOWN
 * without changing a byte of the database, and with STORE_DIRECTORY_UNUSABLE if the directory cannot be accessed.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { directory, clock, newId } = options;
  const retention = checkRetention(options);
  const undo: (() => void)[] = [];
  const release = (): void => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) step();
  };
  try {
    makeDirectory(directory);
    undo.push(lock(directory));
    const file = join(directory, "helios.db");
    if (!existsSync(file)) create(file, newId());
    else if (inspect(file, options.whollyCheckedBytes ?? WHOLLY_CHECKED_BYTES) < FORMAT)
      migrate(file, clock, retention);
    const database = open(file);
    undo.push(() => database.close());
    const explain = (error: unknown): unknown =>
      NOT_SOUND.has(primaryCode(error)) ? damaged(file, messageOf(error), error) : error;
    return new SqliteStore({ database, clock, retention, defer: setImmediate, release, newId, explain });
  } catch (error) {
    release();
    throw asStoreError(directory, error);
  }
}

/**
 * Locks the directory. The system releases the lock when the process ends, however it ends. The lock is a file of its own
 * for two reasons: the database may not exist yet, and a process that opens and closes a file (as `inspect` does) loses its
 * own locks on it.
 */
export function lock(directory: string): () => void {
  const owner = join(directory, "helios.owner");
  const database = new DatabaseSync(join(directory, "helios.lock"));
  try {
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (primaryCode(error) !== SQLITE_BUSY) throw new Error(`helios.lock: ${messageOf(error)}`, { cause: error });
    throw HeliosError.of("STORE_LOCKED", { directory, owner: readOwner(owner) });
  }
  quietly(() => writeFileSync(owner, `process ${process.pid} on ${hostname()}\n`));
  return () => {
    quietly(() => rmSync(owner, { force: true }));
    database.close();
  };
}

function readOwner(file: string): string {
  let owner = "unknown";
  quietly(() => {
    owner = readFileSync(file, "utf8").trim().slice(0, 200) || owner;
  });
  return owner;
}

/**
 * The database is created under another name first. If the process dies meanwhile, no half-made database is left under the
 * final name.
 */
function create(file: string, incarnation: string): void {
  const wal = `${file}-wal`;
  if (existsSync(`${file}.restoring`)) throw damaged(file, "a restore was interrupted: restore the backup again");
  if (sizeOf(wal) > 0) throw damaged(wal, "its database helios.db is missing");
  writeAside(file, (database) => database.prepare(CREATE_META).run(incarnation));
}

/** Converts a database of format 1 to the current format, and replaces it. */
function migrate(file: string, clock: Clock, retention: Retention): void {
  settle(file);
  const since = clock.now() - REPLAYED_MS;
  const copy = (database: DatabaseSync): void => {
    database.exec(COPY_FORMAT_1);
    const answers = new SqliteAnswers(database, clock, retention);
    for (const { id, time, value } of database.prepare(OLD_ANSWERS).iterate(since) as Iterable<OldAnswer>) {
      const { digest, answer } = JSON.parse(value) as { readonly digest: string; readonly answer: string };
      answers.write(id, { digest, answer: Buffer.from(answer, "base64") }, time + REPLAYED_MS);
    }
  };
  writeAside(file, copy, file);
}

/** Writes a database's log into its file. No log may stay beside the database that replaces it. */
export function settle(file: string): void {
  const database = new DatabaseSync(file);
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE");
  } finally {
    database.close();
  }
}

interface OldAnswer {
  readonly id: string;
  readonly time: number;
  readonly value: string;
}

/** Writes a complete database and then renames it to `file`. A reader finds either the old database or the new one. */
function writeAside(file: string, fill: (database: DatabaseSync) => void, old?: string): void {
  const draft = `${file}.new`;
  for (const suffix of ["", "-journal", "-wal", "-shm"]) rmSync(draft + suffix, { force: true });
  const database = new DatabaseSync(draft);
  try {
    if (old !== undefined) database.prepare("ATTACH ? AS old").run(old);
    database.exec(`PRAGMA auto_vacuum = INCREMENTAL; PRAGMA synchronous = FULL; BEGIN; ${CREATE_SCHEMA}`);
    fill(database);
    database.exec("COMMIT");
    if (old !== undefined) database.exec("DETACH old");
    database.exec("PRAGMA journal_mode = WAL");
  } finally {
    database.close();
  }
  sync(draft);
  renameSync(draft, file);
  sync(join(file, ".."));
}

/** Checks all pages of a database that no process has open. Throws STORE_DAMAGED or STORE_FORMAT_UNKNOWN. */
export function checkDatabase(file: string): void {
  if (!existsSync(file)) throw damaged(file, "there is no such file");
  try {
    inspect(file, Number.POSITIVE_INFINITY);
  } catch (error) {
    throw asStoreError(join(file, ".."), error);
  }
}

/** Refuses a file that is not a sound database of Helios, without changing a byte of it. Returns its format. */
function inspect(file: string, whollyCheckedBytes: number): number {
  const stat = statSync(file);
  if (!stat.isFile()) throw damaged(file, "it is not a file");
  if (stat.size === 0) throw damaged(file, "it is empty");
  const shared = `${file}-shm`;
  const hadShared = existsSync(shared);
  const database = new DatabaseSync(readOnlyName(file), { readOnly: true });
  try {
    const { application_id: application } = database.prepare("PRAGMA application_id").get() ?? {};
    if (application !== APPLICATION_ID) throw damaged(file, "it belongs to another application");
    const format = Number(database.prepare("PRAGMA user_version").get()?.user_version);
    if (format > FORMAT) throw HeliosError.of("STORE_FORMAT_UNKNOWN", { file, format, supported: FORMAT });
    if (format < 1) throw damaged(file, "it has no format");
    checkPages(database, file, stat.size, whollyCheckedBytes);
    const names = database.prepare("SELECT name FROM sqlite_schema").all();
    const missing = SCHEMA_NAMES[format]?.find((name) => !names.some((row) => row.name === name));
    if (missing !== undefined) throw damaged(file, `it has no ${missing}`);
    const identity = format === FORMAT ? READ_META : "SELECT incarnation, compacted FROM meta";
    if (database.prepare(identity).get() === undefined) throw damaged(file, "it has no identity");
    return format;
  } catch (error) {
    throw NOT_SOUND.has(primaryCode(error)) ? damaged(file, messageOf(error), error) : error;
  } finally {
    database.close();
    // SQLite needs this file to read a log that a crash left. It holds no data of its own.
    if (!hadShared) rmSync(shared, { force: true });
  }
}

/**
 * Checks that the pages are sound and that no page is missing. A large database is only checked where the current state is.
 * Damage elsewhere is found when the pages are read, or by a complete check: `npm run check:data`.
 */
function checkPages(database: DatabaseSync, file: string, size: number, whollyCheckedBytes: number): void {
  const isSmall = size + sizeOf(`${file}-wal`) <= whollyCheckedBytes;
  for (const what of isSmall ? ["1"] : ["meta", "entries", "histories"]) {
    const { integrity_check: verdict } = database.prepare(`PRAGMA integrity_check(${what})`).get() ?? {};
    if (verdict !== "ok") throw damaged(file, String(verdict));
  }
  const { page_count: pages } = database.prepare("PRAGMA page_count").get() ?? {};
  const { page_size: pageSize } = database.prepare("PRAGMA page_size").get() ?? {};
  const expected = Number(pages) * Number(pageSize);
  if (sizeOf(`${file}-wal`) === 0 && size < expected) throw damaged(file, `it is cut at ${size} of ${expected} bytes`);
}

/** If there is no log to read, SQLite can be opened as if nobody changed the file. It then creates no files beside it. */
function readOnlyName(file: string): string | URL {
  if (sizeOf(`${file}-wal`) > 0 || sizeOf(`${file}-journal`) > 0) return file;
  const url = pathToFileURL(file);
  url.searchParams.set("immutable", "1");
  return url;
}

function open(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  try {
    // Other programs may read, as a backup does. `helios.lock` ensures that only one store writes.
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    // When SQLite restarts the log, it cuts the file to this size.
    database.exec(`PRAGMA journal_size_limit = ${MAX_IDLE_LOG_BYTES}`);
    const hasNotes = database.prepare(HAS_NOTES).get() !== undefined;
    database.exec(`BEGIN IMMEDIATE; ${hasNotes ? "" : ADD_NOTES}; ${ADD_DAILY} COMMIT`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

const SQLITE_BUSY = 5;
/**
 * Size to which the database's write-ahead log is cut after a checkpoint; a burst of writes may make it larger for a
 * while. @limit bytes
 */
const MAX_IDLE_LOG_BYTES = 16 * 1024 * 1024;
/** SQLITE_ERROR (a statement does not fit the schema), SQLITE_CORRUPT, SQLITE_NOTADB. */
const NOT_SOUND: ReadonlySet<number | undefined> = new Set([1, 11, 26]);

/** Returns the kind of an SQLite error: the low byte of its error code. Undefined for other errors. */
function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return Number(error.errcode) & 0xff;
}

function asStoreError(directory: string, error: unknown): HeliosError {
  if (error instanceof HeliosError) return error;
  if (primaryCode(error) === SQLITE_BUSY) {
    return HeliosError.of("STORE_LOCKED", { directory, owner: "a program that opened helios.db" }, { cause: error });
  }
  return HeliosError.of("STORE_DIRECTORY_UNUSABLE", { directory, problem: messageOf(error) }, { cause: error });
}

function damaged(file: string, problem: string, cause?: unknown): HeliosError {
  return HeliosError.of("STORE_DAMAGED", { file, problem }, { cause });
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** Waits until the disk has stored a file's content, or a directory's names. */
export function sync(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Ignores failures. The owner's name is only written for people to read. */
function quietly(run: () => void): void {
  try {
    run();
  } catch {}
}
