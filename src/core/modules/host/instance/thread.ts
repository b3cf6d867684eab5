import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import type { Clock, Timer } from "../../../../kernel/clock.ts";
import { messageOf } from "../../../errors/error.ts";
import { heapCeilingMb, watchThreadMemory } from "../bounds/memory.ts";
import { isFault } from "../disk/fault.ts";
import type { Reaper, Watched } from "../reaper/index.ts";
import { findThread } from "../reaper/processes.ts";
import { DEAF, isDeaf, isFull, mayBeSent } from "../wire/backlog.ts";
import { type Channel, type ChannelEvents, readLines } from "../wire/channel.ts";
import { toPacket } from "../wire/packets.ts";
import { createPostWriter, createReadCounts, fromPost, type ThreadData } from "../wire/posts.ts";
import { inTurns } from "../wire/turns.ts";
import { BOOTSTRAP, permissionFlags } from "./permissions.ts";
import type { Launch } from "./start.ts";

/**
 * Time that killing a thread may take: some ms, unless it is in a synchronous system call or collects garbage. Then the
 * thread is left behind. @limit ms
 */
const END_TIMEOUT_MS = 1000;

/**
 * Unread messages of a module's thread to the service. Beyond them the thread is ended, and the module counts as
 * crashed. @limit messages
 */
const MAX_WAITING = 32_768;

/** Gives each thread a name of its own, by which it is found in /proc. */
let threads = 0;

export interface ThreadDeps {
  readonly clock: Clock;
  /** Called with 1 when a thread could not be killed in time, and with -1 when such a thread has ended after all. */
  stranded(change: 1 | -1): void;
  readonly reaper: Reaper;
}

/** Starts a thread of this process, and opens a channel to it. */
export function openThread(spec: Launch, events: ChannelEvents, deps: ThreadDeps): Channel {
  const { clock, stranded, reaper } = deps;
  threads += 1;
  const name = `helios-${threads}`;
  const read = createReadCounts();
  const { port1: port, port2 } = new MessageChannel();
  const worker = new Worker(BOOTSTRAP, {
    env: { ...spec.env },
    execArgv: permissionFlags(spec),
    resourceLimits: { maxOldGenerationSizeMb: heapCeilingMb(spec.maxHeapMb) },
    stdout: true,
    stderr: true,
    name,
    workerData: { port: port2, read } satisfies ThreadData,
    transferList: [port2],
  });
  const writer = createPostWriter((value, moved) => port.postMessage(value, moved), read);
  let watched: Watched | undefined;
  if (spec.grants.childProcess) {
    worker.once("online", () => {
      const tid = findThread(name);
      if (tid !== undefined && !ended) watched = reaper.watch({ type: "thread", pid: process.pid, tid });
    });
  }
  let failure: string | undefined;
  let isOfMachine = false;
  let killed = false;
  let ended = false;
  let timer: Timer | undefined;
  const end = (description: string): void => {
    ended = true;
    port.close();
    timer?.cancel();
    stopWatching();
    watched?.ended();
    events.ended(description, isOfMachine);
  };
  const kill = (because?: string): void => {
    if (ended || killed) return;
    killed = true;
    failure ??= because;
    // The thread may be waiting for a process that it has started.
    watched?.sweep();
    void worker.terminate();
    // Messages that have arrived by then are read first. The service itself may have been busy for so long.
    timer = clock.setTimer(END_TIMEOUT_MS, () => setImmediate(strand));
  };
  const cutOff = (because: string): void => {
    kill(because);
    port.close();
  };
  const strand = (): void => {
    if (ended) return;
    stranded(1);
    worker.once("exit", () => stranded(-1));
    end(`${failure ?? "ended by force"}; its thread cannot be ended and is left behind`);
  };
  const stopWatching = watchThreadMemory(worker, spec.maxHeapMb, {
    high: () => events.memoryHigh(),
    exceeded: () => kill("out of memory"),
  });
  const take = (posted: unknown): void => {
    if (!ended) events.message(fromPost(posted, events));
  };
  const turns = inTurns(take, MAX_WAITING, () => cutOff("it sent more than the service can take"));
  // This port is used instead of the worker's own, because it can be closed even if it still contains messages.
  port.on("message", (posted) => turns.put(posted));
  // Only the module's own code sends messages here, and none of them follows the protocol.
  worker.on("message", () => turns.put(undefined));
  worker.on("error", (error: unknown) => {
    const outOfMemory = (error as { code?: string } | null)?.code === "ERR_WORKER_OUT_OF_MEMORY";
    isOfMachine ||= failure === undefined && isFault(error);
    failure ??= outOfMemory ? "out of memory" : `uncaught: ${messageOf(error)}`;
  });
  worker.once("exit", (code) => {
    turns.drain();
    for (let last = receiveMessageOnPort(port); last !== undefined; last = receiveMessageOnPort(port))
      take(last.message);
    if (!ended) end(failure ?? `exit code ${code}`);
  });
  readLines(worker.stdout, (line) => events.line("stdout", line));
  readLines(worker.stderr, (line) => events.line("stderr", line));
  return {
    send(message) {
      if (ended) return true;
      const packet = toPacket(message);
      if (!mayBeSent(message, writer.sizeOf(packet), writer)) return false;
      writer.write(message, packet);
      if (isDeaf(writer)) cutOff(DEAF);
      return true;
    },
    get unread() {
      return writer.messages;
    },
    get isFull() {
      return isFull(writer);
    },
    startedProcess: (pid) => watched?.child(pid),
    kill,
    cutOff,
  };
}
