import {
  chmodSync,
  closeSync,
  copyFileSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { threadId } from "node:worker_threads";
import { type Asset, MAX_ASSET_BYTES, readPieces } from "./asset.ts";
import { isFault } from "./fault.ts";
import { findAssets } from "./find-assets.ts";
import { isWithin } from "./paths.ts";
import { CodeProblem } from "./problem.ts";

/**
 * A job for the thread that reads and copies assets. `stage` copies files into `directory`, which contains the artifacts.
 * `place` arranges the assets of one artifact in a `tree`.
 */
export type AssetJob =
  | { readonly type: "stage"; readonly directory: string; readonly root: string; readonly paths: readonly string[] }
  | { readonly type: "place"; readonly directory: string; readonly tree: string; readonly assets: readonly Asset[] };

export interface AssetResult {
  readonly assets: readonly Asset[];
  /** Why the job failed although the files are in order. Absent if it succeeded. */
  readonly fault?: AssetFault;
}

export interface AssetFault {
  readonly problem: string;
  /** Whether the directory of the artifacts is at fault. */
  readonly isOfStore: boolean;
}

/** Does a job. Throws a CodeProblem if the caller's files are at fault. */
export function doAssetJob(job: AssetJob): AssetResult {
  try {
    if (job.type === "stage") return { assets: stageAssets(job.directory, job.root, job.paths) };
    placeAssets(job.directory, job.tree, job.assets);
    return { assets: job.assets };
  } catch (error) {
    const { code, syscall, path } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const problem = `${path ?? "a file"} cannot be used (${code} in ${syscall})`;
    const fault = assetFault(error as NodeJS.ErrnoException, problem, job.directory);
    if (fault === undefined) throw new CodeProblem(problem);
    return { assets: [], fault };
  }
}

/** Returns the fault behind an error, or undefined if a path that the caller named is at fault. */
export function assetFault(error: NodeJS.ErrnoException, problem: string, directory: string): AssetFault | undefined {
  const { path } = error;
  if (path !== undefined && isWithin(directory, path)) return { problem, isOfStore: true };
  // Errors of reading have the file's path. An error without a path comes from writing.
  return isFault(error) ? { problem, isOfStore: path === undefined } : undefined;
}

/** How often a file is copied again because it changed meanwhile. */
const TRIES = 3;

/** Stores a copy of each file beside the artifacts, named by its digest. Throws a CodeProblem. */
function stageAssets(directory: string, root: string, paths: readonly string[]): readonly Asset[] {
  removeLeftovers(directory);
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

/** Copies a file, and keeps the copy only if it has the expected digest. */
function copy(directory: string, file: string, expected: string, most: number, path: string): Omit<Asset, "path"> {
  const temporary = temporaryOf(directory, expected);
  let opened: number | undefined;
  rmSync(temporary, { force: true });
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
 * Arranges an artifact's assets in a directory of their own, each at its path and with its original content. The files are
 * hard links to the shared copies where possible, so they take no further space. Throws a CodeProblem.
 */
function placeAssets(directory: string, tree: string, assets: readonly Asset[]): void {
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
    // Some file systems have no hard links, or limit their number.
    copyFileSync(from, to);
    chmodSync(to, 0o400);
  }
}

/** The name contains the thread's id, because a thread that was ended after a timeout may still be in a system call. */
const temporaryOf = (directory: string, digest: string): string => join(directory, `${digest}.0.${threadId}.tmp`);
const LEFTOVER = /^[0-9a-f]{64}\.0(\.\d+)?\.tmp$/;

/**
 * Deletes the files of interrupted jobs. This is safe: this thread has no job in progress, and a thread that was ended does
 * not rename files any more.
 */
function removeLeftovers(directory: string): void {
  for (const name of readdirSync(directory)) if (LEFTOVER.test(name)) rmSync(join(directory, name), { force: true });
}

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
