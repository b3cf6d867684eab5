import { lstat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../../../kernel/clock.ts";
import { Serial } from "../../../async/serial.ts";
import { HeliosError, messageOf } from "../../../errors/error.ts";
import type { Asset } from "../disk/asset.ts";
import type { AssetFault } from "../disk/keep-assets.ts";
import { digestsIn } from "./artifact.ts";
import { assetKeeper } from "./builder.ts";
import type { Shelf } from "./shelf.ts";

/** Time for which code that was stored or read recently is kept on the disk, even if no module needs it. @limit ms */
const RECENT_MS = 10 * 60_000;
const DIGEST = /^[0-9a-f]{64}$/;

/** Stores artifacts by their digests. */
export interface ArtifactStore {
  /**
   * Stores an artifact, and replaces a damaged one. Resolves when it is stored, on disk if the shelf is on disk. Rejects
   * with STORE_UNAVAILABLE.
   */
  put(digest: string, bytes: Uint8Array): Promise<void>;
  /** Reads an artifact and checks its digest. Rejects with an Error that says whether it is missing or damaged. */
  get(digest: string): Promise<Uint8Array>;
  /**
   * Copies the files of a module's assets, each once by its digest, for an artifact that is put next. Rejects with:
   * - a CodeProblem, if the files are at fault
   * - STORE_UNAVAILABLE, if the directory of the artifacts is at fault
   * - MACHINE_FAULT or a MachineFault, if another part of the machine is at fault
   */
  stage(root: string, paths: readonly string[]): Promise<readonly Asset[]>;
  /**
   * Resolves to the directory in which the assets of an artifact lie, each at its path and with its original content.
   * Rejects with an Error that says which asset is missing or damaged, and otherwise like `stage`.
   */
  place(digest: string, assets: readonly Asset[]): Promise<string>;
  /** Prevents the deletion of an artifact until the returned function is called. An artifact may be held more than once. */
  hold(digest: string): () => void;
  /**
   * Deletes all other artifacts, with the assets that only they use. Keeps those that are held, and those that were put or
   * read in the last 10 minutes. Rejects with STORE_UNAVAILABLE.
   */
  keep(digests: ReadonlySet<string>): Promise<void>;
  /** Deletes what only this process uses. */
  close(): Promise<void>;
}

export function createArtifactStore(clock: Clock, shelf: Shelf): ArtifactStore {
  const touched = new Map<string, number>();
  /** Number of holds of each artifact. */
  const held = new Map<string, number>();
  /** The digests of each artifact's assets. */
  const assetsOf = new Map<string, readonly string[]>();
  /** The state of each artifact's asset files when they were last checked. */
  const checked = new Map<string, string>();
  let stagings = 0;
  const touch = (digest: string): void => void touched.set(digest, clock.monotonic());
  /** Stores and deletions run one after another, so that an artifact that was just found is not deleted. */
  const turns = new Serial();
  const unavailable = (error: unknown): HeliosError => {
    const problem = `artifacts in ${shelf.place}: ${messageOf(error)}`;
    return HeliosError.of("STORE_UNAVAILABLE", { problem }, { cause: error });
  };
  const inTurn = (work: () => Promise<void>): Promise<void> =>
    turns.run(work).catch((error: unknown) => {
      throw unavailable(error);
    });
  const errorOf = ({ problem, isOfStore }: AssetFault): HeliosError =>
    isOfStore ? unavailable(new Error(problem)) : HeliosError.of("MACHINE_FAULT", { problem });
  const assetsDirectory = (): Promise<string> =>
    shelf.assets().catch((error: unknown) => {
      throw unavailable(error);
    });
  return {
    put: (digest, bytes) => {
      touch(digest);
      assetsOf.set(digest, digestsIn(bytes));
      return inTurn(async () => {
        if (!(await isWhole(shelf, digest))) await shelf.write(digest, bytes);
      });
    },

    async get(digest) {
      touch(digest);
      const bytes = DIGEST.test(digest) ? await shelf.read(digest) : undefined;
      if (bytes === undefined) throw new Error(`its artifact ${digest} is not in ${shelf.place}`);
      if ((await sha256(bytes)) !== digest) throw new Error(`its artifact ${digest} in ${shelf.place} is damaged`);
      return bytes;
    },

    async stage(root, paths) {
      if (paths.length === 0) return [];
      // From now on, nothing is deleted. Deletions in progress are awaited below.
      stagings += 1;
      try {
        await turns.idle();
        const directory = await assetsDirectory();
        const { assets, fault } = await assetKeeper.build({ type: "stage", directory, root, paths });
        if (fault !== undefined) throw errorOf(fault);
        for (const asset of assets) touch(asset.sha256);
        return assets;
      } finally {
        stagings -= 1;
      }
    },

    async place(digest, assets) {
      const directory = await assetsDirectory();
      const tree = await shelf.treeOf(digest);
      const now = await stateOf(tree, assets);
      if (now === undefined || checked.get(digest) !== now) {
        const { fault } = await assetKeeper.build({ type: "place", directory, tree, assets });
        if (fault !== undefined) throw errorOf(fault);
        const state = await stateOf(tree, assets);
        if (state !== undefined) checked.set(digest, state);
      }
      return tree;
    },

    hold(digest) {
      held.set(digest, (held.get(digest) ?? 0) + 1);
      let isHeld = true;
      return () => {
        if (!isHeld) return;
        isHeld = false;
        const others = (held.get(digest) ?? 1) - 1;
        if (others > 0) held.set(digest, others);
        else held.delete(digest);
        touch(digest);
      };
    },

    keep: (digests) =>
      inTurn(async () => {
        const isNeeded = (digest: string): boolean => digests.has(digest) || held.has(digest) || isRecent(digest);
        const all = await shelf.list();
        const assets = new Set<string>();
        for (const digest of all) {
          if (!isNeeded(digest)) continue;
          const known = assetsOf.get(digest) ?? digestsIn((await shelf.head(digest)) ?? new Uint8Array());
          assetsOf.set(digest, known);
          for (const asset of known) assets.add(asset);
        }
        for (const digest of all) {
          if (assets.has(digest) || isNeeded(digest) || stagings > 0) continue;
          assetsOf.delete(digest);
          checked.delete(digest);
          await shelf.delete(digest);
        }
      }),

    close: () => shelf.close(),
  };

  function isRecent(digest: string): boolean {
    const at = touched.get(digest);
    if (at === undefined) return false;
    if (clock.monotonic() - at < RECENT_MS) return true;
    touched.delete(digest);
    return false;
  }
}

async function isWhole(shelf: Shelf, digest: string): Promise<boolean> {
  const found = await shelf.read(digest).catch(() => undefined);
  return found !== undefined && (await sha256(found)) === digest;
}

/** Computes the digest outside of the event loop, because the bytes may be many. */
async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return Buffer.from(digest).toString("hex");
}

/** Returns a text that changes if the files change, or undefined if a file is missing. */
async function stateOf(tree: string, assets: readonly Asset[]): Promise<string | undefined> {
  try {
    const states: string[] = [];
    for (const { path } of assets) {
      const { ino, size, mtimeNs } = await lstat(join(tree, path), { bigint: true });
      states.push(`${ino} ${size} ${mtimeNs}`);
    }
    return states.join("\n");
  } catch {
    return undefined;
  }
}
