import type { Clock } from "../../../clock.ts";
import { HeliosError, messageOf } from "../../../errors.ts";
import type { Shelf } from "./shelf.ts";

/**
 * Time for which code that was stored or read lately is kept on the disk, whether or not a module needs it. @limit ms
 */
const RECENT_MS = 10 * 60_000;
const DIGEST = /^[0-9a-f]{64}$/;

/** Keeps artifacts by their digests. */
export interface ArtifactStore {
  /** Resolves when it is stored, on disk if there is one; replaces a damaged one. Rejects with STORE_UNAVAILABLE. */
  put(digest: string, bytes: Uint8Array): Promise<void>;
  /** Its bytes, which have the digest. Rejects with an Error that says what is wrong with it. */
  get(digest: string): Promise<Uint8Array>;
  /** From now until what is returned is called, it is not deleted. It may be held more than once. */
  hold(digest: string): () => void;
  /** Deletes all others but those that are held, or were put or read in the last 10 minutes. Rejects with STORE_UNAVAILABLE. */
  keep(digests: ReadonlySet<string>): Promise<void>;
}

export function createArtifactStore(clock: Clock, shelf: Shelf): ArtifactStore {
  const touched = new Map<string, number>();
  /** How often each is held. */
  const held = new Map<string, number>();
  const touch = (digest: string): void => void touched.set(digest, clock.monotonic());
  let last: Promise<unknown> = Promise.resolve();
  /** One after the other: nothing is deleted that is just found to be there. */
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const done = last.then(work).catch((error: unknown) => {
      const problem = `artifacts in ${shelf.place}: ${messageOf(error)}`;
      throw HeliosError.of("STORE_UNAVAILABLE", { problem }, { cause: error });
    });
    last = done.catch(() => {});
    return done;
  };
  return {
    put: (digest, bytes) => {
      touch(digest);
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
        for (const digest of await shelf.list()) {
          if (digests.has(digest) || held.has(digest) || isRecent(digest)) continue;
          await shelf.remove(digest);
        }
      }),
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
