import {
  chmodSync,
  closeSync,
  copyFileSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { isWithin } from "../bootstrap/paths.ts";
import { type Asset, MAX_ASSET_BYTES, readPieces } from "./asset.ts";
import { findAssets } from "./find-assets.ts";
import { CodeProblem } from "./problem.ts";

/** What the thread that reads and copies assets is asked. `directory`: where artifacts lie. */
export type AssetJob =
  | { readonly type: "stage"; readonly directory: string; readonly root: string; readonly paths: readonly string[] }
  | { readonly type: "place"; readonly directory: string; readonly tree: string; readonly assets: readonly Asset[] };

/** What a job comes to. */
export interface AssetResult {
  readonly assets: readonly Asset[];
  /** What the machine, or the place of the artifacts, did not let it do; absent: it did it. */
  readonly fault?: string;
}

/** Does a job. Throws a CodeProblem for what is wrong with the files of the caller. */
export function doAssetJob(job: AssetJob): AssetResult {
  try {
    if (job.type === "stage") return { assets: stageAssets(job.directory, job.root, job.paths) };
    placeAssets(job.directory, job.tree, job.assets);
    return { assets: job.assets };
  } catch (error) {
    const { code, syscall, path } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const told = `${path ?? "a file"} cannot be used (${code} in ${syscall})`;
    if (isFault(error as NodeJS.ErrnoException, job.directory)) return { assets: [], fault: told };
    throw new CodeProblem(told);
  }
}

/** What says nothing about a file: too many are open, the disk is full or broken. */
const FAULTS: ReadonlySet<string> = new Set([
  "EMFILE",
  "ENFILE",
  "ENOMEM",
  "ENOSPC",
  "EDQUOT",
  "EROFS",
  "EIO",
  "EAGAIN",
]);

/** Whether an error is of the machine or of the place of the artifacts, and not of what the caller named. */
export function isFault({ code = "", path }: NodeJS.ErrnoException, directory: string): boolean {
  return FAULTS.has(code) || (path !== undefined && isWithin(directory, path));
}

/** How often a file that changes while it is copied is copied again. */
const TRIES = 3;

/** Sees to it that a copy of each file is among the artifacts, by its digest. Throws a CodeProblem. */
export function stageAssets(directory: string, root: string, paths: readonly string[]): readonly Asset[] {
  let left = MAX_ASSET_BYTES;
  const assets: Asset[] = [];
  for (const [path, file] of findAssets(root, paths)) {
    const asset = { path, ...stage(directory, file, left, path) };
    left -= asset.bytes;
    assets.push(asset);
  }
  if (assets.length > 0) sync(directory);
  return assets.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function stage(directory: string, file: string, most: number, path: string): Omit<Asset, "path"> {
  let found = readPieces(file, most, path);
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (isWhole(join(directory, found.sha256), found)) return found;
    const copied = copy(directory, file, found.sha256, most, path);
    if (copied.sha256 === found.sha256) return copied;
    found = copied;
  }
  throw new CodeProblem(`${path} changes while it is read`);
}

/** Copies what it reads, and keeps the copy if that is what was expected. */
function copy(directory: string, file: string, expected: string, most: number, path: string): Omit<Asset, "path"> {
  const temporary = temporaryOf(directory, expected);
  let opened: number | undefined;
  try {
    opened = openSync(temporary, "w", 0o400);
    const target = opened;
    const copied = readPieces(file, most, path, (piece) => {
      for (let at = 0; at < piece.length; ) at += writeSync(target, piece, at);
    });
    fsyncSync(target);
    if (copied.sha256 === expected) renameSync(temporary, join(directory, expected));
    return copied;
  } finally {
    if (opened !== undefined) closeSync(opened);
    rmSync(temporary, { force: true });
  }
}

/**
 * Sees to it that an artifact's assets lie in a directory of their own, each at its path, and are what they were. They share
 * the room of the copies that all artifacts have. Throws a CodeProblem.
 */
export function placeAssets(directory: string, tree: string, assets: readonly Asset[]): void {
  mkdirSync(tree, { recursive: true, mode: 0o700 });
  for (const asset of assets) {
    const target = join(tree, asset.path);
    if (isWhole(target, asset)) continue;
    const kept = join(directory, asset.sha256);
    if (lstatSync(kept, { throwIfNoEntry: false }) === undefined) {
      throw new CodeProblem(`its asset ${asset.path} (${asset.sha256}) is not in ${directory}`);
    }
    if (!isWhole(kept, asset))
      throw new CodeProblem(`its asset ${asset.path} (${asset.sha256}) in ${directory} is damaged`);
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    const temporary = temporaryOf(directory, asset.sha256);
    rmSync(temporary, { force: true });
    try {
      linkOrCopy(kept, temporary);
      renameSync(temporary, target);
    } finally {
      rmSync(temporary, { force: true });
    }
  }
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    // Not every file system has links, or has as many.
    copyFileSync(from, to);
    chmodSync(to, 0o400);
  }
}

/** Jobs are done one after the other. */
const temporaryOf = (directory: string, digest: string): string => join(directory, `${digest}.0.tmp`);

function isWhole(file: string, { sha256, bytes }: Omit<Asset, "path">): boolean {
  try {
    if (lstatSync(file, { throwIfNoEntry: false })?.size !== bytes) return false;
    return readPieces(file, bytes, file).sha256 === sha256;
  } catch {
    return false;
  }
}

function sync(directory: string): void {
  const opened = openSync(directory, "r");
  try {
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}
