import { watch as watchDirectory } from "node:fs";
import { stat } from "node:fs/promises";
import type { Clock, Timer } from "../../../../kernel/clock.ts";
import { createQuiet } from "../../../async/quiet.ts";
import { Serial } from "../../../async/serial.ts";
import { messageOf } from "../../../errors/error.ts";

/** Time without another change after which changes of files are handled together. @limit ms */
const QUIET_MS = 200;
/** Time after which changes of files are handled even if they continue. @limit ms */
const MOST_MS = 2000;
/**
 * How often the files of followed modules (`HELIOS_WATCH_MODULES`) are checked in addition, because some file systems
 * do not report changes. @limit ms
 */
const LOOK_INTERVAL_MS = 5000;
/** How often the files of followed modules are checked while the system allows no more watches. @limit ms */
const UNWATCHED_INTERVAL_MS = 1000;
/** Files that are checked at once. */
const AT_ONCE = 64;

export interface FileWatch {
  /**
   * Sets the files and directories of a module whose changes are reported to `changed`. They replace the earlier ones. An
   * empty list ends the reports. Resolves, when the files have been checked, to whether some of them are new.
   */
  follow(module: string, files: readonly string[]): Promise<boolean>;
  /** Stops the watch. Resolves when no check is in progress any more. */
  close(): Promise<void>;
}

export interface FileWatchOptions {
  readonly clock: Clock;
  /** Called with all files that changed together, by module, once no file has changed for a while. */
  readonly changed: (changes: ReadonlyMap<string, readonly string[]>) => void;
  /** Called once, if the system allows no more watches. Files are then only checked from time to time. */
  readonly unwatched: (problem: string) => void;
  /** Watches a directory, and calls `onChange` when something may have changed in it. Default: `watch` of node:fs. */
  readonly watch?: (directory: string, onChange: () => void) => SystemWatch;
}

interface SystemWatch {
  on(event: "error", listener: () => void): unknown;
  close(): void;
}

interface Watched {
  readonly watcher: SystemWatch;
  /** Inode of the watched directory. Another directory may have taken its path since. */
  readonly inode: string;
}

/** Watches files for changes. It compares their sizes, times and inodes. The system's watches only say when to compare. */
export function watchFiles({ clock, changed, unwatched, watch = watchBySystem }: FileWatchOptions): FileWatch {
  const followed = new Map<string, Map<string, string>>();
  const watched = new Map<string, Watched>();
  /** Whether the system refused a watch when it was last asked for one. */
  let isRefused = false;
  let isReported = false;
  let closed = false;
  const turns = new Serial();

  /** Returns the files of a module that have changed since the last comparison. */
  const compare = async (module: string): Promise<readonly string[]> => {
    const seen = followed.get(module);
    if (seen === undefined) return [];
    const now = await signaturesOf([...seen.keys()]);
    const different = [...now].filter(([file, signature]) => seen.get(file) !== signature).map(([file]) => file);
    for (const [file, signature] of now) seen.set(file, signature);
    return different;
  };
  const compareAll = async (modules: readonly string[]): Promise<void> => {
    const changes = new Map<string, readonly string[]>();
    for (const module of modules) {
      const different = await compare(module);
      if (different.length > 0) changes.set(module, different);
    }
    if (closed) return;
    keepWatches();
    if (changes.size > 0) changed(changes);
  };
  const quiet = createQuiet(clock, { quietMs: QUIET_MS, mostMs: MOST_MS }, (modules) => {
    void turns.run(() => compareAll(modules));
  });

  const look = async (): Promise<void> => {
    for (const [module, seen] of [...followed]) {
      const now = await signaturesOf([...seen.keys()]);
      if (closed) return;
      // Somebody may still be writing the files. The comparison waits until no file changes any more.
      if ([...now].some(([file, signature]) => seen.get(file) !== signature)) quiet.touch(module);
    }
    keepWatches();
  };

  const touch = (directory: string): void => {
    for (const [module, seen] of followed) if (seen.has(directory)) quiet.touch(module);
  };

  /** Returns whether the directory is watched now. */
  const open = (directory: string, inode: string): boolean => {
    try {
      const watcher = watch(directory, () => touch(directory));
      watcher.on("error", () => {
        if (watched.get(directory)?.watcher === watcher) shut(directory);
      });
      watched.set(directory, { watcher, inode });
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") return false;
      if (!isReported) unwatched(messageOf(error));
      [isReported, isRefused] = [true, true];
      return false;
    }
  };
  const shut = (directory: string): void => {
    watched.get(directory)?.watcher.close();
    watched.delete(directory);
  };

  /** Watches exactly the followed directories that exist. A directory that was replaced is watched again. */
  const keepWatches = (): void => {
    const wanted = new Map<string, string>();
    for (const seen of followed.values()) {
      for (const [file, signature] of seen) if (signature.startsWith(DIRECTORY)) wanted.set(file, inodeOf(signature));
    }
    for (const [directory, { inode }] of [...watched]) if (wanted.get(directory) !== inode) shut(directory);
    isRefused = false;
    for (const [directory, inode] of wanted) {
      // Changes before the watch began were not reported.
      if (!watched.has(directory) && open(directory, inode)) touch(directory);
    }
  };

  let timer: Timer | undefined;
  const lookLater = (): void => {
    if (closed) return;
    timer = clock.setTimer(isRefused ? UNWATCHED_INTERVAL_MS : LOOK_INTERVAL_MS, () => {
      void turns.run(look).finally(lookLater);
    });
  };
  lookLater();

  return {
    follow: (module, files) =>
      turns.run(async () => {
        if (closed) return false;
        const before = followed.get(module);
        if (files.length === 0) {
          followed.delete(module);
          keepWatches();
          return false;
        }
        const fresh = files.filter((file) => !before?.has(file));
        if (before !== undefined && fresh.length === 0 && before.size === files.length) return false;
        const signatures = await signaturesOf(fresh);
        const known = (file: string): string => before?.get(file) ?? signatures.get(file) ?? GONE;
        followed.set(module, new Map(files.map((file) => [file, known(file)])));
        keepWatches();
        return fresh.length > 0;
      }),

    async close() {
      closed = true;
      timer?.cancel();
      quiet.close();
      for (const directory of [...watched.keys()]) shut(directory);
      await turns.idle();
    },
  };
}

const watchBySystem: NonNullable<FileWatchOptions["watch"]> = (directory, onChange) =>
  watchDirectory(directory, { persistent: false }, onChange);

const GONE = "-";
const DIRECTORY = "d:";

/** Returns signatures that change if a file is written, replaced, created or deleted. */
async function signaturesOf(files: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const signatures = new Map<string, string>();
  for (let start = 0; start < files.length; start += AT_ONCE) {
    const some = files.slice(start, start + AT_ONCE);
    const found = await Promise.all(some.map(signatureOf));
    for (const [index, file] of some.entries()) signatures.set(file, found[index] ?? GONE);
  }
  return signatures;
}

async function signatureOf(file: string): Promise<string> {
  try {
    const found = await stat(file, { bigint: true });
    const kind = found.isDirectory() ? DIRECTORY : "f:";
    return `${kind}${found.dev}.${found.ino}:${found.size}:${found.mtimeNs}`;
  } catch {
    return GONE;
  }
}

function inodeOf(signature: string): string {
  return signature.split(":")[1] ?? "";
}
