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

/** Keeps artifacts by their digests. */
export interface ArtifactStore {
  /** Resolves when it is stored, on disk if there is one; replaces a damaged one. Rejects with STORE_UNAVAILABLE. */
  put(digest: string, bytes: Uint8Array): Promise<void>;
  /** Its bytes, which have the digest. Rejects with an Error that says what is wrong with it. */
  get(digest: string): Promise<Uint8Array>;
  /**
   * Keeps copies of the files of a module's assets, each once by its digest, for an artifact that is put next. Rejects with a
   * CodeProblem; STORE_UNAVAILABLE where it is the place of the artifacts, MACHINE_FAULT or a MachineFault where it is
   * another fault of the machine.
   */
  stage(root: string, paths: readonly string[]): Promise<readonly Asset[]>;
  /**
   * The directory in which the assets of an artifact lie, each at its path, as they were. Rejects with an Error that says
   * which is missing or damaged; else as `stage`.
   */
  place(digest: string, assets: readonly Asset[]): Promise<string>;
  /** From now until what is returned is called, it is not deleted. It may be held more than once. */
  hold(digest: string): () => void;
  /**
   * Deletes all others, with assets that they alone have, but those that are held, or were put or read in the last 10
   * minutes. Rejects with STORE_UNAVAILABLE.
   */
  keep(digests: ReadonlySet<string>): Promise<void>;
  /** Deletes what is there for this process alone. */
  close(): Promise<void>;
}

export function createArtifactStore(clock: Clock, shelf: Shelf): ArtifactStore {
  const touched = new Map<string, number>();
  /** How often each is held. */
  const held = new Map<string, number>();
  /** The assets of artifacts, by their digests. */
  const assetsOf = new Map<string, readonly string[]>();
  /** What the files of an artifact's assets were when they were checked. */
  const checked = new Map<string, string>();
  let stagings = 0;
  const touch = (digest: string): void => void touched.set(digest, clock.monotonic());
  /** One after the other: nothing is deleted that is just found to be there. */
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
      // From now on nothing is deleted, and what is being deleted is gone.
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

/** Away from the event loop, however much it is. */
async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return Buffer.from(digest).toString("hex");
}

/** What tells that the files are those that they were; undefined where one is missing. */
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
