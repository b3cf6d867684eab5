import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../../../kernel/clock.ts";
import { readLines } from "../wire/channel.ts";
import type { Order, Root } from "./orders.ts";
import { readProcess } from "./processes.ts";

/** main.ts, generated as JavaScript. */
const MAIN = fileURLToPath(new URL("../../../../../gen/stripped/core/modules/host/reaper/main.js", import.meta.url));
/**
 * Time until the reaper (the helper process that ends what modules have started) is started again after a crash.
 * @limit ms
 */
const RESTART_DELAY_MS = 100;
/** Time that the reaper may take to end; then it is killed. @limit ms */
const END_TIMEOUT_MS = 5000;

/** Ends what modules have started, and the modules themselves where the service is killed. */
export interface Reaper {
  watch(root: Root): Watched;
  /** Ends whatever is left of what it watches. Nothing may be watched any more. */
  close(): Promise<void>;
}

/** One process or thread that is watched. */
export interface Watched {
  /** A process that the thread says it has started; believed of none that lives and is not this process's child. */
  child(pid: number): void;
  /** Ends what it has started. */
  sweep(): void;
  /** It has ended. */
  ended(): void;
}

/** The reaper's process starts with the first that is watched, and again where it is killed. */
export function createReaper(clock: Clock): Reaper {
  const roots = new Map<number, Root>();
  /** Those of them that have ended, until the reaper says that it has looked at what they left. */
  const ended = new Set<number>();
  let lastId = 0;
  let closed = false;
  let reaper: ChildProcess | undefined;

  const start = (): void => {
    if (closed || reaper !== undefined || roots.size === 0) return;
    const again = (): void => void clock.setTimer(RESTART_DELAY_MS, start);
    let child: ChildProcess;
    try {
      child = spawn(process.execPath, ["--disable-sigusr1", "--max-old-space-size=32", MAIN], {
        cwd: "/",
        env: {},
        stdio: ["pipe", "pipe", "ignore"],
        detached: true,
      });
    } catch {
      again();
      return;
    }
    reaper = child;
    const gone = (): void => {
      if (reaper !== child) return;
      reaper = undefined;
      again();
    };
    child.once("exit", gone);
    child.once("error", gone);
    // It is gone, which its exit tells.
    child.stdin?.on("error", () => {});
    readLines(child.stdout, (line) => {
      ended.delete(Number(line));
      roots.delete(Number(line));
    });
    child.unref();
    for (const stream of [child.stdin, child.stdout]) (stream as Socket | null | undefined)?.unref();
    for (const [id, root] of roots) tell({ type: "root", id, root });
    for (const id of ended) tell({ type: "ended", id });
  };

  const tell = (order: Order): void => {
    if (reaper?.stdin?.writable) reaper.stdin.write(`${JSON.stringify(order)}\n`);
  };

  return {
    watch(root) {
      lastId += 1;
      const id = lastId;
      roots.set(id, root);
      if (reaper === undefined) start();
      else tell({ type: "root", id, root });
      return {
        child(pid) {
          const found = readProcess(pid);
          const isOther = pid === reaper?.pid || [...roots.values()].some((one) => one.pid === pid);
          if (isOther || (found !== undefined && found.parent !== process.pid)) return;
          tell({ type: "child", id, pid, ...(found === undefined ? {} : { start: found.start }) });
        },
        sweep: () => tell({ type: "sweep", id }),
        ended() {
          ended.add(id);
          tell({ type: "ended", id });
        },
      };
    },

    async close() {
      // One that was killed just before has left its work to the next.
      start();
      closed = true;
      const child = reaper;
      if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const timer = clock.setTimer(END_TIMEOUT_MS, () => child.kill("SIGKILL"));
      const exited = once(child, "exit");
      child.ref();
      child.stdin?.end();
      await exited;
      timer.cancel();
    },
  };
}
