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
/** Files that are looked at together. */
const AT_ONCE = 64;

export interface FileWatch {
  /**
   * From now on `changed` is told of what becomes of these files and directories of a module, and no more of others; none:
   * of nothing. Resolves, when they have been looked at, to whether some of them are new.
   */
  follow(module: string, files: readonly string[]): Promise<boolean>;
  /** Resolves when nothing is under way any more. */
  close(): Promise<void>;
}

export interface FileWatchOptions {
  readonly clock: Clock;
  /** Told of the files that are not what they were, by module, once they are left alone: all that changed together. */
  readonly changed: (changes: ReadonlyMap<string, readonly string[]>) => void;
  /** Told once, where the system takes no more watches. */
  readonly unwatched: (problem: string) => void;
  /** Watches a directory, and tells when there is reason to look. Default: as the system does. */
  readonly watch?: (directory: string, told: () => void) => SystemWatch;
}

interface SystemWatch {
  on(event: "error", listener: () => void): unknown;
  close(): void;
}

interface Watched {
  readonly watcher: SystemWatch;
  /** Of the directory that is watched: another may be at its path by now. */
  readonly inode: string;
}

/** Looks at files by what the file system says of them; the system's own watches say when it is time to. */
export function watchFiles({ clock, changed, unwatched, watch = watchBySystem }: FileWatchOptions): FileWatch {
  const followed = new Map<string, Map<string, string>>();
  const watched = new Map<string, Watched>();
  /** Whether the system refused a watch when it was last asked for those that are wanted. */
  let isRefused = false;
  let isTold = false;
  let closed = false;
  const turns = new Serial();

  /** The files of a module that are not what they were when they were last compared. */
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
      // It may be at work still: what is there in a moment counts.
      if ([...now].some(([file, signature]) => seen.get(file) !== signature)) quiet.touch(module);
    }
    keepWatches();
  };

  const touch = (directory: string): void => {
    for (const [module, seen] of followed) if (seen.has(directory)) quiet.touch(module);
  };

  /** Whether it is watched now. */
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
      if (!isTold) unwatched(messageOf(error));
      [isTold, isRefused] = [true, true];
      return false;
    }
  };
  const shut = (directory: string): void => {
    watched.get(directory)?.watcher.close();
    watched.delete(directory);
  };

  /** Watches the directories that are there, each as it is now. */
  const keepWatches = (): void => {
    const wanted = new Map<string, string>();
    for (const seen of followed.values()) {
      for (const [file, signature] of seen) if (signature.startsWith(DIRECTORY)) wanted.set(file, inodeOf(signature));
    }
    for (const [directory, { inode }] of [...watched]) if (wanted.get(directory) !== inode) shut(directory);
    isRefused = false;
    for (const [directory, inode] of wanted) {
      // What has become of it until now, nobody told.
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

const watchBySystem: NonNullable<FileWatchOptions["watch"]> = (directory, told) =>
  watchDirectory(directory, { persistent: false }, told);

const GONE = "-";
const DIRECTORY = "d:";

/** Another exactly where the file is another one, or was written, or where it is not there any more. */
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
