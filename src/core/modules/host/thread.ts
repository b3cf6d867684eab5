import { Worker } from "node:worker_threads";
import type { Clock, Timer } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import { createPostWriter, fromPost } from "./bootstrap/posts.ts";
import { type Channel, type ChannelEvents, readLines } from "./channel.ts";
import { heapCeilingMb, watchThreadMemory } from "./memory.ts";
import { BOOTSTRAP, permissionFlags } from "./permissions.ts";
import type { Reaper, Watched } from "./reaper/index.ts";
import { findThread } from "./reaper/processes.ts";
import type { Launch } from "./start.ts";

/**
 * Time that a thread may take to end by force: some ms, unless it is in a synchronous call of the system, or collects
 * garbage. Beyond it the thread is left behind. @limit ms
 */
const END_TIMEOUT_MS = 1000;

/** Each has a name of its own, by which the kernel knows it. */
let threads = 0;

export interface ThreadDeps {
  readonly clock: Clock;
  /** Told of each thread that no force ended, and of each of those that ended all the same. */
  stranded(change: 1 | -1): void;
  readonly reaper: Reaper;
}

/** Opens a channel to a new thread of this process. */
export function openThread(spec: Launch, events: ChannelEvents, deps: ThreadDeps): Channel {
  const { clock, stranded, reaper } = deps;
  threads += 1;
  const name = `helios-${threads}`;
  const worker = new Worker(BOOTSTRAP, {
    env: { ...spec.env },
    execArgv: permissionFlags(spec),
    resourceLimits: { maxOldGenerationSizeMb: heapCeilingMb(spec.maxHeapMb) },
    stdout: true,
    stderr: true,
    name,
  });
  const write = createPostWriter((value) => worker.postMessage(value));
  let watched: Watched | undefined;
  if (spec.grants.childProcess) {
    worker.once("online", () => {
      const tid = findThread(name);
      if (tid !== undefined && !ended) watched = reaper.watch({ type: "thread", pid: process.pid, tid });
    });
  }
  let failure: string | undefined;
  let killed = false;
  let ended = false;
  let timer: Timer | undefined;
  const end = (description: string): void => {
    ended = true;
    timer?.cancel();
    stopWatching();
    watched?.ended();
    events.ended(description);
  };
  const kill = (because?: string): void => {
    if (ended || killed) return;
    killed = true;
    failure ??= because;
    // What it waits for may be one of them.
    watched?.sweep();
    void worker.terminate();
    // What has arrived by then is taken first: the service itself may have been busy for so long.
    timer = clock.setTimer(END_TIMEOUT_MS, () => setImmediate(strand));
  };
  const strand = (): void => {
    if (ended) return;
    stranded(1);
    worker.once("exit", () => stranded(-1));
    end(`${failure ?? "ended by force"}; its thread does not end, and is left behind`);
  };
  const stopWatching = watchThreadMemory(worker, spec.maxHeapMb, {
    high: () => events.memoryHigh(),
    exceeded: () => kill("out of memory"),
  });
  worker.on("message", (posted) => {
    if (!ended) events.message(fromPost(posted, events));
  });
  worker.on("error", (error: unknown) => {
    const outOfMemory = (error as { code?: string } | null)?.code === "ERR_WORKER_OUT_OF_MEMORY";
    failure ??= outOfMemory ? "out of memory" : `uncaught: ${messageOf(error)}`;
  });
  worker.once("exit", (code) => {
    if (!ended) end(failure ?? `exit code ${code}`);
  });
  readLines(worker.stdout, (line) => events.line("stdout", line));
  readLines(worker.stderr, (line) => events.line("stderr", line));
  return {
    send(message) {
      if (!ended) write(message);
    },
    startedProcess: (pid) => watched?.child(pid),
    kill,
  };
}
