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
/** Allowed names of files in a backup. No other file is read or written. */
const NAME = /^(helios\.db|artifacts\/[0-9a-f]{64})$/;

interface BackedUpFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** The description that a backup contains. */
export interface Manifest {
  readonly version: number;
  /** RFC 3339. */
  readonly time: string;
  readonly incarnation: string;
  readonly revision: number;
  readonly files: readonly BackedUpFile[];
}

/**
 * Writes a backup of a data directory into a new directory: the database as it was at one moment, and the code of modules
 * that it needs. A store may have the data directory open. The backup is written under another name first: a backup with
 * its final name is complete, and a failed one leaves nothing. Throws an Error that says what is wrong.
 */
export function backUp(directory: string, target: string, now: Date): Manifest {
  checkPath("the data directory", directory);
  checkPath("the directory to back up into", target);
  const file = join(directory, DATABASE);
  if (!isFile(file)) throw new Error(`${file} does not exist, so there is nothing to back up`);
  return explaining(`${directory} cannot be backed up into ${target}`, () => {
    const place = placeOf(target);
    if (isWithin(place, realpathSync(directory))) {
      throw new Error(`${target} is in the data directory; choose a directory outside it, preferably on another disk`);
    }
    refuseFull(place, target);
    const draft = `${place}.unfinished`;
    refuseForeign(draft);
    try {
      rmSync(draft, { recursive: true, force: true });
      makeDirectory(join(draft, ARTIFACTS));
      const manifest = fill(draft, directory, now);
      // If files were put there meanwhile, rmdir throws, and they stay.
      if (existsSync(place)) rmdirSync(place);
      renameSync(draft, place);
      sync(dirname(place));
      return manifest;
    } catch (error) {
      try {
        rmSync(draft, { recursive: true, force: true });
      } catch {
        // The first error is the one to report.
      }
      throw error;
    }
  });
}

function fill(draft: string, directory: string, now: Date): Manifest {
  // Artifacts are copied before and after. Whatever the database needs at the moment in between exists at one of the two.
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
 * Replaces the content of a data directory by a backup, with a new incarnation, so that every client starts over with a
 * snapshot. The whole backup is checked first. The database is replaced atomically. If a restore is interrupted, the old
 * database is still there; if it was damaged, no store opens the directory until it is restored again.
 *
 * Throws an Error that says what is wrong, and STORE_LOCKED if a store has the directory open.
 *
 * @param replace whether an existing database may be replaced.
 */
export function restore(backup: string, directory: string, replace: boolean, newId: () => string): Manifest {
  checkPath("the backup", backup);
  checkPath("the data directory", directory);
  const manifest = readManifest(backup);
  for (const wanted of manifest.files) checkFile(backup, wanted);
  checkDatabase(join(backup, DATABASE));
  return explaining(`${backup} cannot be restored into ${directory}`, () => {
    if (isWithin(placeOf(directory), realpathSync(backup))) {
      throw new Error(`${directory} is in the backup; a restore must not change the backup`);
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
  if (isThere && !replace) throw new Error(`${file} already exists; use --replace to replace it`);
  if (isThere && existsSync(file) && !isFile(file)) throw new Error(`${file} is not a file`);
  const removeDraft = (): void => {
    for (const suffix of ["", "-journal", "-wal", "-shm"]) rmSync(draft + suffix, { force: true });
  };
  // After an interrupted restore, only the draft prevents a store from starting with an empty database.
  const wasCut = !isThere && existsSync(draft);
  const incarnation = newId();
  try {
    removeDraft();
    copyFileSync(join(backup, DATABASE), draft);
    withDatabase(draft, (database) => database.prepare(WRITE_INCARNATION).run(incarnation));
    sync(draft);
    placeArtifacts(backup, directory, manifest);
  } catch (error) {
    // On a full disk the draft would only take up space.
    removeDraft();
    if (wasCut) writeFileSync(draft, "");
    throw error;
  }
  if (isThere) clear(file);
  renameSync(draft, file);
  sync(directory);
  return { ...manifest, incarnation };
}

/**
 * Runs an operation on the disk. An error of the disk or the database is wrapped with a text that says what was to be done.
 */
function explaining<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof HeliosError || !(error instanceof Error) || !("code" in error)) throw error;
    throw new Error(`${what}: ${messageOf(error)}`, { cause: error });
  }
}

function checkPath(what: string, path: string): void {
  if (path === "" || path.includes("\0"))
    throw new Error(`${what} is ${JSON.stringify(path)}, which is not a valid path`);
}

/** Resolves a path whose last parts need not exist. Links are followed as far as the path exists. */
function placeOf(path: string): string {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return realpathSync(path);
  const parent = dirname(path);
  return parent === path ? path : join(placeOf(parent), basename(path));
}

const isWithin = (place: string, directory: string): boolean => `${place}${sep}`.startsWith(`${directory}${sep}`);

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

/** Removes the database and its log. While the draft exists, a store refuses to start without a database. */
function clear(file: string): void {
  try {
    settle(file);
  } catch {
    // The database is damaged, or only its log exists. All of its files are removed.
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
  if (!isFile(file)) throw new Error(`${backup} is not a backup: it has no ${MANIFEST}`);
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
  if (!isFile(file)) throw new Error(`the backup is incomplete: ${file} is missing`);
  const found = digestOf(file);
  if (found.bytes === bytes && found.sha256 === sha256) return;
  throw new Error(`the backup is damaged: the SHA-256 of ${file} is not the one in the manifest`);
}

function refuseFull(place: string, target: string): void {
  const stat = statSync(place, { throwIfNoEntry: false });
  if (stat === undefined || (stat.isDirectory() && readdirSync(place).length === 0)) return;
  throw new Error(`${target} already exists and is not empty; choose a new or empty directory`);
}

/** What an interrupted backup left is removed. Any other file or directory of that name belongs to somebody else. */
function refuseForeign(draft: string): void {
  const stat = lstatSync(draft, { throwIfNoEntry: false });
  if (stat === undefined) return;
  const isOurs = (name: string): boolean => name === ARTIFACTS || name === MANIFEST || DRAFT_FILE.test(name);
  if (stat.isDirectory() && readdirSync(draft).every(isOurs)) return;
  throw new Error(`${draft} is in the way: it was not left by an interrupted backup; move it elsewhere`);
}

/** The database and the files that SQLite keeps beside it. */
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
      // A file that was deleted meanwhile is not needed.
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
