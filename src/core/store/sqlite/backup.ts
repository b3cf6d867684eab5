import { createHash } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { HeliosError, messageOf } from "../../errors/error.ts";
import { makeDirectory } from "../make-directory.ts";
import { checkDatabase, lock, settle, sync } from "./open.ts";
import { READ_IDENTITY, WRITE_INCARNATION } from "./schema.ts";

const MANIFEST = "backup.json";
const DATABASE = "helios.db";
const ARTIFACTS = "artifacts";
const VERSION = 1;
/** What may be in a backup: nothing else is read, or written anywhere. */
const NAME = /^(helios\.db|artifacts\/[0-9a-f]{64})$/;

interface BackedUpFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** What a backup says of itself. */
export interface Manifest {
  readonly version: number;
  /** RFC 3339. */
  readonly time: string;
  readonly incarnation: string;
  readonly revision: number;
  readonly files: readonly BackedUpFile[];
}

/**
 * Writes a backup of a data directory into a new directory, also while a store has it open: the database as it was at
 * one moment, and the modules' code that it needs. Under another name first: a backup that is there is whole, and one
 * that fails leaves nothing. Throws an Error that says what is wrong.
 */
export function backUp(directory: string, target: string, now: Date): Manifest {
  checkPath("the data directory", directory);
  checkPath("the directory to back up into", target);
  const file = join(directory, DATABASE);
  if (!isFile(file)) throw new Error(`there is no ${file} to back up`);
  return told(`${directory} cannot be backed up into ${target}`, () => {
    const place = placeOf(target);
    if (isWithin(place, realpathSync(directory))) {
      throw new Error(`${target} lies in the data directory; a backup goes elsewhere, best onto another disk`);
    }
    refuseFull(place, target);
    const draft = `${place}.unfinished`;
    refuseForeign(draft);
    try {
      rmSync(draft, { recursive: true, force: true });
      makeDirectory(join(draft, ARTIFACTS));
      const manifest = fill(draft, directory, now);
      // Not what came there meanwhile: of a directory that is not empty this throws.
      if (existsSync(place)) rmdirSync(place);
      renameSync(draft, place);
      sync(dirname(place));
      return manifest;
    } catch (error) {
      try {
        rmSync(draft, { recursive: true, force: true });
      } catch {
        // What went wrong first is what matters.
      }
      throw error;
    }
  });
}

function fill(draft: string, directory: string, now: Date): Manifest {
  // Before and after: what is needed at the moment in between is there at one of the two.
  copyArtifacts(directory, draft);
  copyDatabase(join(directory, DATABASE), join(draft, DATABASE));
  copyArtifacts(directory, draft);
  checkDatabase(join(draft, DATABASE));
  const artifacts = readdirSync(join(draft, ARTIFACTS)).sort();
  const paths = [DATABASE, ...artifacts.map((name) => `${ARTIFACTS}/${name}`)];
  const files = paths.map((path) => ({ path, ...digestOf(join(draft, path)) }));
  const manifest = { version: VERSION, time: now.toISOString(), ...identityOf(join(draft, DATABASE)), files };
  writeFileSync(join(draft, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const path of [...paths, MANIFEST, ARTIFACTS, "."]) sync(join(draft, path));
  return manifest;
}

/**
 * Makes a data directory what a backup has, with a new identity, so that every client starts over by a snapshot. All of
 * the backup is checked first. The database takes its place at once; a restore that is cut short leaves what was there
 * before or, where that was damaged, a directory that no store opens until it is restored again.
 *
 * Throws an Error that says what is wrong, STORE_LOCKED where a store has the directory open.
 *
 * @param replace whether a database that is there may be replaced.
 */
export function restore(backup: string, directory: string, replace: boolean, newId: () => string): Manifest {
  checkPath("the backup", backup);
  checkPath("the data directory", directory);
  const manifest = readManifest(backup);
  for (const wanted of manifest.files) checkFile(backup, wanted);
  checkDatabase(join(backup, DATABASE));
  return told(`${backup} cannot be restored into ${directory}`, () => {
    if (isWithin(placeOf(directory), realpathSync(backup))) {
      throw new Error(`${directory} lies in the backup itself; a backup stays as it is`);
    }
    makeDirectory(directory);
    const unlock = lock(directory);
    try {
      return replaceBy(backup, manifest, directory, replace, newId);
    } finally {
      unlock();
    }
  });
}

function replaceBy(
  backup: string,
  manifest: Manifest,
  directory: string,
  replace: boolean,
  newId: () => string,
): Manifest {
  const file = join(directory, DATABASE);
  const draft = `${file}.restoring`;
  const isThere = existsSync(file) || existsSync(`${file}-wal`);
  if (isThere && !replace) throw new Error(`${file} is there already; say --replace to replace it`);
  if (isThere && existsSync(file) && !isFile(file)) throw new Error(`${file} is not a file`);
  const removeDraft = (): void => {
    for (const suffix of ["", "-journal", "-wal", "-shm"]) rmSync(draft + suffix, { force: true });
  };
  // Where a restore was cut short the draft is all that keeps a store from beginning empty.
  const wasCut = !isThere && existsSync(draft);
  const incarnation = newId();
  try {
    removeDraft();
    copyFileSync(join(backup, DATABASE), draft);
    withDatabase(draft, (database) => database.prepare(WRITE_INCARNATION).run(incarnation));
    sync(draft);
    placeArtifacts(backup, directory, manifest);
  } catch (error) {
    // On a disk that is full it would only take room.
    removeDraft();
    if (wasCut) writeFileSync(draft, "");
    throw error;
  }
  if (isThere) clear(file);
  renameSync(draft, file);
  sync(directory);
  return { ...manifest, incarnation };
}

/** Runs what works on a disk; what the disk or the database says is told with what was to be done. */
function told<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof HeliosError || !(error instanceof Error) || !("code" in error)) throw error;
    throw new Error(`${what}: ${messageOf(error)}`, { cause: error });
  }
}

function checkPath(what: string, path: string): void {
  if (path === "" || path.includes("\0")) throw new Error(`${what} is ${JSON.stringify(path)}, which is no path`);
}

/** Where a path leads to, be it there or not: links are followed as far as it is. */
function placeOf(path: string): string {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return realpathSync(path);
  const parent = dirname(path);
  return parent === path ? path : join(placeOf(parent), basename(path));
}

const isWithin = (place: string, directory: string): boolean => `${place}${sep}`.startsWith(`${directory}${sep}`);

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

/** Leaves no log beside the database. While the draft is there, a store refuses to begin without a database. */
function clear(file: string): void {
  try {
    settle(file);
  } catch {
    // It is damaged, or there is only its log: then it goes as a whole.
    for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(file + suffix, { force: true });
  }
  rmSync(`${file}-shm`, { force: true });
}

function placeArtifacts(backup: string, directory: string, { files }: Manifest): void {
  const artifacts = join(directory, ARTIFACTS);
  makeDirectory(artifacts);
  for (const { path, sha256 } of files) {
    const target = join(directory, path);
    if (path === DATABASE || (existsSync(target) && digestOf(target).sha256 === sha256)) continue;
    copyFileSync(join(backup, path), `${target}.restoring`);
    sync(`${target}.restoring`);
    renameSync(`${target}.restoring`, target);
  }
  sync(artifacts);
}

function readManifest(backup: string): Manifest {
  const file = join(backup, MANIFEST);
  if (!isFile(file)) throw new Error(`${backup} is no backup: it has no ${MANIFEST}`);
  let manifest: Partial<Manifest>;
  try {
    manifest = JSON.parse(readFileSync(file, "utf8")) as Partial<Manifest>;
  } catch (error) {
    throw new Error(`${file} is damaged: it is not JSON`, { cause: error });
  }
  const { version, files } = manifest ?? {};
  if (version !== VERSION) throw new Error(`${file} has version ${version}; this version of Helios reads ${VERSION}`);
  const isList = Array.isArray(files) && files.every(isBackedUpFile);
  if (!isList || !files.some(({ path }) => path === DATABASE))
    throw new Error(`${file} is damaged: it lists no database`);
  return manifest as Manifest;
}

function isBackedUpFile(value: unknown): value is BackedUpFile {
  const { path, bytes, sha256 } = (value ?? {}) as Partial<BackedUpFile>;
  return typeof path === "string" && NAME.test(path) && typeof bytes === "number" && typeof sha256 === "string";
}

function checkFile(backup: string, { path, bytes, sha256 }: BackedUpFile): void {
  const file = join(backup, path);
  if (!isFile(file)) throw new Error(`the backup is not whole: ${file} is missing`);
  const found = digestOf(file);
  if (found.bytes === bytes && found.sha256 === sha256) return;
  throw new Error(`the backup is damaged: ${file} is not what was backed up (its SHA-256 is another)`);
}

function refuseFull(place: string, target: string): void {
  const stat = statSync(place, { throwIfNoEntry: false });
  if (stat === undefined || (stat.isDirectory() && readdirSync(place).length === 0)) return;
  throw new Error(`${target} is there already; a backup goes into a directory that is new or empty`);
}

/** What a backup that was cut short left is removed; whatever else is of that name is not ours. */
function refuseForeign(draft: string): void {
  const stat = lstatSync(draft, { throwIfNoEntry: false });
  if (stat === undefined) return;
  const isOurs = (name: string): boolean => name === ARTIFACTS || name === MANIFEST || DRAFT_FILE.test(name);
  if (stat.isDirectory() && readdirSync(draft).every(isOurs)) return;
  throw new Error(`${draft} is in the way: it is not what a backup that was cut short leaves`);
}

/** The database, and what SQLite has beside it. A data directory has its lock, too. */
const DRAFT_FILE = /^helios\.db(-journal|-wal|-shm)?$/;

function copyDatabase(file: string, target: string): void {
  const database = new DatabaseSync(file, { readOnly: true, timeout: 10_000 });
  try {
    database.prepare("VACUUM INTO ?").run(target);
  } finally {
    database.close();
  }
}

function copyArtifacts(directory: string, draft: string): void {
  const source = join(directory, ARTIFACTS);
  if (!existsSync(source)) return;
  for (const name of readdirSync(source)) {
    const target = join(draft, ARTIFACTS, name);
    if (!NAME.test(`${ARTIFACTS}/${name}`) || existsSync(target)) continue;
    try {
      copyFileSync(join(source, name), target);
    } catch (error) {
      // What is deleted meanwhile is not needed.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

function identityOf(file: string): { readonly incarnation: string; readonly revision: number } {
  return withDatabase(file, (database) => {
    return database.prepare(READ_IDENTITY).get() as { readonly incarnation: string; readonly revision: number };
  });
}

function withDatabase<T>(file: string, run: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(file);
  try {
    return run(database);
  } finally {
    database.close();
  }
}

function digestOf(file: string): { readonly bytes: number; readonly sha256: string } {
  const hash = createHash("sha256");
  const chunk = new Uint8Array(1024 * 1024);
  let bytes = 0;
  const descriptor = openSync(file, "r");
  try {
    for (let read = readSync(descriptor, chunk); read > 0; read = readSync(descriptor, chunk)) {
      hash.update(chunk.subarray(0, read));
      bytes += read;
    }
  } finally {
    closeSync(descriptor);
  }
  return { bytes, sha256: hash.digest("hex") };
}
