import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
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
import type { Clock } from "../clock.ts";
import { HeliosError, messageOf } from "../errors.ts";
import { checkKeptChanges, KEPT_CHANGES } from "./checks.ts";
import {
  APPLICATION_ID,
  COPY_FORMAT_1,
  CREATE_META,
  CREATE_SCHEMA,
  FORMAT,
  READ_META,
  SCHEMA_NAMES,
} from "./sqlite-schema.ts";
import { SqliteStore } from "./sqlite-store.ts";
import type { Store } from "./store.ts";

export interface SqliteStoreOptions {
  /** Made if it is missing; no other store may use it meanwhile. */
  readonly directory: string;
  readonly clock: Clock;
  /** Makes the incarnation of a new database. */
  readonly newId: () => string;
  /** Changes kept for `changes` and `watch`; older ones are compacted away. Default 100,000. */
  readonly keptChanges?: number;
}

/**
 * Opens the store in a directory, or makes one there. A write is on the disk before it is acknowledged (WAL,
 * synchronous=FULL), whatever kills the process afterwards.
 *
 * A database of an older format is made one of today's first, at once or not at all; older versions of Helios refuse
 * it from then on.
 *
 * Rejects with STORE_LOCKED while another store has the directory open; with STORE_DAMAGED or STORE_FORMAT_UNKNOWN
 * without having changed a byte of the database; with STORE_DIRECTORY_UNUSABLE where there is no access to it.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { directory, clock, newId } = options;
  const keptChanges = checkKeptChanges(options.keptChanges ?? KEPT_CHANGES);
  const undo: (() => void)[] = [];
  const release = (): void => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) step();
  };
  try {
    mkdirSync(directory, { recursive: true });
    undo.push(lock(directory));
    const file = join(directory, "helios.db");
    if (!existsSync(file)) create(file, newId());
    else if (inspect(file) < FORMAT) migrate(file);
    const database = open(file);
    undo.push(() => database.close());
    return new SqliteStore({ database, clock, keptChanges, defer: setImmediate, release });
  } catch (error) {
    release();
    throw asStoreError(directory, error);
  }
}

/**
 * Takes the directory with a lock that the system frees when the process ends, however it does. A file of its own
 * bears it, since the database may not be there yet, and since whoever reads a file whose locks the same process
 * holds (as `inspect` does) loses them.
 */
function lock(directory: string): () => void {
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

/** Under another name first: a process that dies meanwhile leaves nothing that looks like a database of ours. */
function create(file: string, incarnation: string): void {
  const wal = `${file}-wal`;
  if (sizeOf(wal) > 0) throw damaged(wal, "its database helios.db is missing");
  writeAside(file, (database) => database.prepare(CREATE_META).run(incarnation));
}

/** Makes a database of today's format of one of format 1, and puts it in its place. */
function migrate(file: string): void {
  const old = new DatabaseSync(file);
  try {
    // Its log must not be left beside the file that takes its place.
    old.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE");
  } finally {
    old.close();
  }
  writeAside(file, (database) => database.exec(COPY_FORMAT_1), file);
}

/** Writes a whole database and then gives it the file's name: whoever opens that finds the old one or the new one. */
function writeAside(file: string, fill: (database: DatabaseSync) => void, old?: string): void {
  const draft = `${file}.new`;
  for (const suffix of ["", "-journal", "-wal", "-shm"]) rmSync(draft + suffix, { force: true });
  const database = new DatabaseSync(draft);
  try {
    if (old !== undefined) database.prepare("ATTACH ? AS old").run(old);
    database.exec(`PRAGMA synchronous = FULL; BEGIN; ${CREATE_SCHEMA}`);
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

/** Refuses what is not a sound database of ours, without changing a byte of it; the format that it has. */
function inspect(file: string): number {
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
    const { integrity_check: verdict } = database.prepare("PRAGMA integrity_check(1)").get() ?? {};
    if (verdict !== "ok") throw damaged(file, String(verdict));
    const names = database.prepare("SELECT name FROM sqlite_schema").all();
    const missing = SCHEMA_NAMES[format]?.find((name) => !names.some((row) => row.name === name));
    if (missing !== undefined) throw damaged(file, `it has no ${missing}`);
    if (database.prepare(READ_META).get() === undefined) throw damaged(file, "it has no identity");
    return format;
  } catch (error) {
    throw NOT_SOUND.has(primaryCode(error)) ? damaged(file, messageOf(error), error) : error;
  } finally {
    database.close();
    // Reading a log that a crash left needs this file; it holds nothing of its own.
    if (!hadShared) rmSync(shared, { force: true });
  }
}

/** Without a log to look at, SQLite can be told that nobody changes the file: it then makes no files beside it. */
function readOnlyName(file: string): string | URL {
  if (sizeOf(`${file}-wal`) > 0 || sizeOf(`${file}-journal`) > 0) return file;
  const url = pathToFileURL(file);
  url.searchParams.set("immutable", "1");
  return url;
}

function open(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  try {
    // In this order: the first access then takes the lock for good, and keeps the log's index out of shared memory.
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    database.exec("BEGIN IMMEDIATE; COMMIT");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

const SQLITE_BUSY = 5;
/** SQLITE_ERROR (a statement does not fit the schema), SQLITE_CORRUPT, SQLITE_NOTADB. */
const NOT_SOUND: ReadonlySet<number | undefined> = new Set([1, 11, 26]);

/** The low byte of SQLite's error code says what, the rest why; undefined for an error of another kind. */
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

/** Waits until the disk has a file's content, or a directory's names. */
function sync(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** For what is nice to have: the owner's name is only there to be read by people. */
function quietly(run: () => void): void {
  try {
    run();
  } catch {
    // Nothing depends on it.
  }
}
