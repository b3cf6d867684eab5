import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../../../kernel/clock.ts";
import { readLines } from "../wire/channel.ts";
import type { Order, Root } from "./orders.ts";
import { readProcess } from "./processes.ts";

/** The program of the reaper: main.ts, generated as one file of JavaScript. */
const MAIN = fileURLToPath(new URL("../../../../../gen/bundles/host/reaper/main.js", import.meta.url));
/**
 * Time until the reaper (the helper process that ends what modules have started) is started again after a crash.
 * @limit ms
 */
const RESTART_DELAY_MS = 100;
/** Time that the reaper may take to end; then it is killed. @limit ms */
const END_TIMEOUT_MS = 5000;

/** Kills the processes that modules have started. If the service is killed, it kills the modules as well. */
export interface Reaper {
  watch(root: Root): Watched;
  /** Kills whatever is left of the watched processes, and stops the reaper. Do not call `watch` afterwards. */
  close(): Promise<void>;
}

/** A watched process or thread. */
export interface Watched {
  /** The thread says that it has started this process. A running process that is not a child of this one is ignored. */
  child(pid: number): void;
  /** Kills the processes that it has started. */
  sweep(): void;
  /** Records that it has ended, and kills the processes that it has started. */
  ended(): void;
}

/** Creates a reaper. Its process starts when something is first watched, and again after it was killed. */
export function createReaper(clock: Clock): Reaper {
  const roots = new Map<number, Root>();
  /** Roots that have ended, until the reaper has swept what they left. */
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
    // An error means that the reaper has ended, which `exit` reports.
    child.stdin?.on("error", () => {});
    readLines(child.stdout, (line) => {
      ended.delete(Number(line));
      roots.delete(Number(line));
    });
    child.unref();
    for (const stream of [child.stdin, child.stdout]) (stream as Socket | null | undefined)?.unref();
    for (const [id, root] of roots) send({ type: "root", id, root });
    for (const id of ended) send({ type: "ended", id });
  };

  const send = (order: Order): void => {
    if (reaper?.stdin?.writable) reaper.stdin.write(`${JSON.stringify(order)}\n`);
  };

  return {
    watch(root) {
      lastId += 1;
      const id = lastId;
      roots.set(id, root);
      if (reaper === undefined) start();
      else send({ type: "root", id, root });
      return {
        child(pid) {
          const found = readProcess(pid);
          const isOther = pid === reaper?.pid || [...roots.values()].some((one) => one.pid === pid);
          if (isOther || (found !== undefined && found.parent !== process.pid)) return;
          send({ type: "child", id, pid, ...(found === undefined ? {} : { start: found.start }) });
        },
        sweep: () => send({ type: "sweep", id }),
        ended() {
          ended.add(id);
          send({ type: "ended", id });
        },
      };
    },

    async close() {
      // If the reaper was just killed, a new one does its work.
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
