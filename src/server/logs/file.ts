import { constants } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Clock } from "../../core/index.ts";
import type { Destination } from "./sink.ts";

/**
 * How often a log checks that its file is still the one at its path; a moved file is written to at most that much
 * longer. @limit ms
 */
const LOOK_INTERVAL_MS = 1000;

/**
 * Fails at once if the path is a pipe without a reader. Otherwise, opening it would block a thread, and the exit, forever.
 */
const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY;

export interface LogFileOptions {
  readonly path: string;
  /** Before the file would exceed this size, it is renamed to `<path>.1`, the previous one to `<path>.2`, and so on. */
  readonly maxBytes: number;
  /** Number of rotated files that are kept. */
  readonly kept: number;
  readonly clock: Clock;
  /** Runs one task of several files at a time. A disk that hangs then blocks one thread rather than all. */
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>;
}

/** A log file that rotates by size. It is opened when needed, and created again if somebody has moved or deleted it. */
export function createLogFile({ path, maxBytes, kept, clock, alone }: LogFileOptions): Destination {
  let file: FileHandle | undefined;
  /** Undefined for a pipe or a device, which is neither measured nor rotated. */
  let size: number | undefined;
  let lookedAt = Number.NEGATIVE_INFINITY;

  const close = async (): Promise<void> => {
    const before = file;
    file = undefined;
    await before?.close();
  };
  const reopen = async (): Promise<FileHandle> => {
    await makeDirectory(dirname(path));
    file = await open(path, APPEND, 0o666);
    const found = await file.stat();
    size = found.isFile() ? found.size : undefined;
    return file;
  };
  const isStillThere = async (): Promise<boolean> => {
    if (file === undefined) return false;
    const own = await file.stat();
    // Lines in a deleted file are lost at once. A moved file still has them.
    if (own.nlink === 0) return false;
    if (clock.monotonic() - lookedAt < LOOK_INTERVAL_MS) return true;
    lookedAt = clock.monotonic();
    const there = await stat(path).catch(() => undefined);
    return own.ino === there?.ino && own.dev === there.dev;
  };
  const rotate = async (): Promise<void> => {
    await close();
    if (kept === 0) await rm(path, { force: true });
    for (let number = kept; number > 0; number -= 1) {
      await rename(number === 1 ? path : `${path}.${number - 1}`, `${path}.${number}`).catch(unlessMissing);
    }
  };

  return {
    name: basename(path),
    close: () => alone(close),
    prepare: (bytes) =>
      alone(async () => {
        if (!(await isStillThere())) {
          await close();
          await reopen();
        }
        if (size === undefined || size === 0 || size + bytes <= maxBytes) return;
        await rotate();
        await reopen();
      }),
    write: (bytes) =>
      alone(async () => {
        try {
          const { bytesWritten } = await (file ?? (await reopen())).write(bytes);
          if (size !== undefined) size += bytesWritten;
          return bytesWritten;
        } catch (error) {
          // Perhaps only the open file has a problem.
          await close().catch(() => {});
          throw error;
        }
      }),
  };
}

/**
 * Like the store's `makeDirectory`, but asynchronous: a disk of logs that hangs must not stop the service. Node's own
 * recursive `mkdir` never returns if a parent exists but nothing can be created in it, as in /proc.
 */
async function makeDirectory(directory: string): Promise<void> {
  const make = (): Promise<void> =>
    mkdir(directory).catch(async (error: NodeJS.ErrnoException) => {
      const there = await stat(directory).catch(() => undefined);
      if (!there?.isDirectory()) throw error;
    });
  await make().catch(async (error: NodeJS.ErrnoException) => {
    const parent = dirname(directory);
    if (error.code !== "ENOENT" || parent === directory) throw error;
    await makeDirectory(parent);
    await make();
  });
}

function unlessMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
