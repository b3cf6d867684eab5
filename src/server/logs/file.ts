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

/** A pipe at the path without a reader is an error at once: opening it would hold a thread for ever, and with it the exit. */
const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY;

export interface LogFileOptions {
  readonly path: string;
  /** Before it would grow beyond that, it becomes `<path>.1`, that `<path>.2`, and so on. */
  readonly maxBytes: number;
  /** How many old files are kept. */
  readonly kept: number;
  readonly clock: Clock;
  /** Runs one piece of work of several files at a time: a disk that hangs then holds up one thread, not all. */
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>;
}

/** A log file that rotates by its size, is opened when it is needed, and made again where somebody has moved or deleted it. */
export function createLogFile({ path, maxBytes, kept, clock, alone }: LogFileOptions): Destination {
  let file: FileHandle | undefined;
  /** Undefined of what is no file, such as a pipe or a device: that is neither counted nor put aside. */
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
    // What is written to a file that was deleted is lost at once; one that was moved still has it.
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
          // What is wrong may be the open file alone.
          await close().catch(() => {});
          throw error;
        }
      }),
  };
}

/**
 * As the store's `makeDirectory`, but asynchronous: a disk of logs that hangs while the service runs must not stop it.
 * Node's own recursive `mkdir` never comes back where nothing can be made in a directory that is there, as in /proc.
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
