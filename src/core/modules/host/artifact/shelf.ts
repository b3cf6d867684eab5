import { mkdtemp, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { makeDirectory } from "../../../store/make-directory.ts";
import { MAX_HEAD_BYTES, startsAsArtifact } from "./artifact.ts";

/** Storage of artifacts and assets by their digests. Its methods reject with the errors of the disk. */
export interface Shelf {
  /** The name of the place, for messages. */
  readonly place: string;
  /** Reads an artifact. Resolves to undefined if it is missing. */
  read(digest: string): Promise<Uint8Array | undefined>;
  /**
   * Reads the first line of an artifact, including the line break. Resolves to undefined if it is missing or is not an
   * artifact.
   */
  head(digest: string): Promise<Uint8Array | undefined>;
  /** Stores an artifact. Resolves when it would survive a power failure. */
  write(digest: string, bytes: Uint8Array): Promise<void>;
  list(): Promise<readonly string[]>;
  /** Deletes an artifact or asset, and the directory of the artifact's assets. */
  delete(digest: string): Promise<void>;
  /** Resolves to the directory of the assets' files, named by their digests. Creates it if it is missing. */
  assets(): Promise<string>;
  /** Resolves to the directory in which the assets of an artifact are arranged, each at its path. */
  treeOf(digest: string): Promise<string>;
  /** Deletes what only this process uses. */
  close(): Promise<void>;
}

/**
 * Creates a shelf that keeps artifacts in memory. Assets, which may be large, are in a temporary directory until it is
 * closed.
 */
export function memoryShelf(): Shelf {
  const artifacts = new Map<string, Uint8Array>();
  let files: { readonly directory: string; readonly shelf: Shelf } | undefined;
  let made: Promise<Shelf> | undefined;
  const make = async (): Promise<Shelf> => {
    await removeOrphans();
    const directory = await mkdtemp(join(tmpdir(), `${OF_THIS_MACHINE}${process.pid}-`));
    files = { directory, shelf: directoryShelf(directory) };
    return files.shelf;
  };
  const shelf = (): Promise<Shelf> => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
  return {
    place: "memory",
    read: async (digest) => artifacts.get(digest),
    head: async (digest) => artifacts.get(digest),
    write: async (digest, bytes) => void artifacts.set(digest, bytes),
    list: async () => [...artifacts.keys(), ...((await files?.shelf.list()) ?? [])],
    async delete(digest) {
      artifacts.delete(digest);
      await files?.shelf.delete(digest);
    },
    assets: async () => (await shelf()).assets(),
    treeOf: async (digest) => (await shelf()).treeOf(digest),
    async close() {
      await made?.catch(() => {});
      if (files !== undefined) await rm(files.directory, { recursive: true, force: true });
    },
  };
}

/**
 * The name contains the machine, because several machines may share the directory for temporary files, and their process
 * ids are unrelated.
 */
const OF_THIS_MACHINE = `helios-assets-${hostname()}-`;

/** Deletes the directories of processes that were killed. They may be large. */
async function removeOrphans(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(OF_THIS_MACHINE)) continue;
    const [, pid] = /^(\d+)-[^-]+$/.exec(name.slice(OF_THIS_MACHINE.length)) ?? [];
    if (pid === undefined || isThere(Number(pid))) continue;
    // The directories of other users cannot be deleted.
    await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => {});
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

const TEMPORARY = /^[0-9a-f]{64}(\.\d+)+\.tmp$/;
const DIGEST = /^[0-9a-f]{64}$/;

/** Directory below which each artifact with assets has a directory for them. */
const TREES = "trees";

/**
 * Creates a shelf that keeps each artifact and asset in a file of a directory. It creates the directory if it is missing.
 */
export function directoryShelf(directory: string): Shelf {
  let ready: Promise<void> | undefined;
  let written = 0;
  const prepare = async (): Promise<void> => {
    makeDirectory(directory);
    // Deletes files that a killed process was writing.
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

    async head(digest) {
      await prepared();
      return readHead(join(directory, digest));
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
      const trees = await readdir(join(directory, TREES)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return [];
        throw error;
      });
      return [...new Set([...(await readdir(directory)), ...trees])].filter((name) => DIGEST.test(name));
    },

    async delete(digest) {
      await rm(join(directory, TREES, digest), { recursive: true, force: true });
      await rm(join(directory, digest), { force: true });
    },

    async assets() {
      await prepared();
      return directory;
    },

    treeOf: async (digest) => join(directory, TREES, digest),
    close: async () => {},
  };
}

/** Bytes that are read at once while searching for the end of the first line. */
const HEAD_PIECE = 64 * 1024;
const NEWLINE = 0x0a;

async function readHead(file: string): Promise<Uint8Array | undefined> {
  const handle = await open(file, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (handle === undefined) return undefined;
  try {
    const pieces: Uint8Array[] = [];
    for (let read = 0; read <= MAX_HEAD_BYTES; read += HEAD_PIECE) {
      const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(HEAD_PIECE) });
      const piece = buffer.subarray(0, bytesRead);
      if (bytesRead === 0 || (pieces.length === 0 && !startsAsArtifact(piece))) return undefined;
      pieces.push(piece);
      if (piece.includes(NEWLINE)) return Buffer.concat(pieces);
    }
    return undefined;
  } finally {
    await handle.close();
  }
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

/** Syncs the directory. A rename survives a power failure only then. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
