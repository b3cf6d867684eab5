import { open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectory } from "../../../store/make-directory.ts";

/** Where artifacts lie, by their digests. Rejects with what the disk says. */
export interface Shelf {
  /** In messages. */
  readonly place: string;
  /** Undefined: there is none. */
  read(digest: string): Promise<Uint8Array | undefined>;
  /** Resolves when it is there to stay. */
  write(digest: string, bytes: Uint8Array): Promise<void>;
  list(): Promise<readonly string[]>;
  remove(digest: string): Promise<void>;
}

export function memoryShelf(): Shelf {
  const artifacts = new Map<string, Uint8Array>();
  return {
    place: "memory",
    read: async (digest) => artifacts.get(digest),
    write: async (digest, bytes) => void artifacts.set(digest, bytes),
    list: async () => [...artifacts.keys()],
    remove: async (digest) => void artifacts.delete(digest),
  };
}

const TEMPORARY = /^[0-9a-f]{64}\.\d+\.tmp$/;
const DIGEST = /^[0-9a-f]{64}$/;

/** One file for each artifact in a directory of their own, which is made where it is missing. */
export function directoryShelf(directory: string): Shelf {
  let ready: Promise<void> | undefined;
  let written = 0;
  const prepare = async (): Promise<void> => {
    makeDirectory(directory);
    // Of a process that was killed while it wrote.
    for (const name of await readdir(directory)) {
      if (TEMPORARY.test(name)) await rm(join(directory, name), { force: true });
    }
  };
  const prepared = (): Promise<void> => {
    ready ??= prepare().catch((error: unknown) => {
      ready = undefined;
      throw error;
    });
    return ready;
  };
  return {
    place: directory,

    async read(digest) {
      await prepared();
      return readFile(join(directory, digest)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      });
    },

    async write(digest, bytes) {
      await prepared();
      written += 1;
      const temporary = join(directory, `${digest}.${written}.tmp`);
      try {
        await writeDurably(temporary, bytes);
        await rename(temporary, join(directory, digest));
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => {});
        throw error;
      }
      await syncDirectory(directory);
    },

    async list() {
      await prepared();
      return (await readdir(directory)).filter((name) => DIGEST.test(name));
    },

    remove: (digest) => rm(join(directory, digest), { force: true }),
  };
}

async function writeDurably(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, "w", 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A renamed file survives a power failure only with its directory. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
