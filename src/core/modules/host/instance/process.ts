import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { systemClock, type Timer } from "../../../../kernel/clock.ts";
import { inheritedDescriptors } from "../bounds/inherited.ts";
import { watchMemory } from "../bounds/memory.ts";
import { isFault } from "../disk/fault.ts";
import type { Reaper } from "../reaper/index.ts";
import { MARK_FD, type Root } from "../reaper/orders.ts";
import { readDescriptor, readProcess } from "../reaper/processes.ts";
import { DEAF, isDeaf, isFull, mayBeSent } from "../wire/backlog.ts";
import { type Channel, type ChannelEvents, readLines } from "../wire/channel.ts";
import { createFrameReader, createFrameWriter, LINK_FD, moduleFrames, toFrame } from "../wire/frames.ts";
import { takeInTurns } from "../wire/turns.ts";
import { BOOTSTRAP, permissionFlags } from "./permissions.ts";
import type { Launch } from "./start.ts";

/**
 * Time that the service takes to read the last messages of a module's ended process; the rest is not read. @limit ms
 */
const UNREAD_MS = 1000;
/** Time that a module's process may continue after its pipe to the service is closed; then it is ended. @limit ms */
const CLOSED_MS = 1000;

type StdioPlaces = ("ignore" | "pipe")[];

/** Starts a process, which leads a process group of its own, and opens a channel to it. */
export function openProcess(spec: Launch, events: ChannelEvents, reaper: Reaper): Channel {
  const stdio = spec.grants.childProcess ? MARKED_STDIO : STDIO;
  const args = [
    ...permissionFlags(spec),
    // Otherwise SIGUSR1 would open an inspector port, through which anybody could run code in the process.
    "--disable-sigusr1",
    `--max-old-space-size=${spec.maxHeapMb}`,
    BOOTSTRAP,
    // The bootstrap closes these descriptors. The lower ones are already replaced by the process's own streams.
    ...inheritedDescriptors().flatMap((descriptor) => (descriptor < stdio.length ? [] : [String(descriptor)])),
  ];
  const child = spawn(process.execPath, args, {
    cwd: spec.root,
    env: { ...spec.env },
    stdio,
    detached: true,
  });
  const watched = child.pid === undefined ? undefined : reaper.watch(rootOf(child, child.pid));
  // If the service cannot open more files, even the list of streams is missing.
  const pipe = (child.stdio as ChildProcess["stdio"] | undefined)?.[LINK_FD] as Socket | null | undefined;
  const writer = pipe ? createFrameWriter(pipe) : undefined;
  let outOfMemory = false;
  let because: string | undefined;
  let ended = false;
  const end = (description: string, isOfMachine = false): void => {
    if (ended) return;
    ended = true;
    stopWatching();
    // Processes that the module has started must not outlive it.
    if (spec.grants.childProcess) killGroup(child);
    watched?.ended();
    // The pipe may still contain its answers, and the reason for its ending.
    whenRead(pipe, () => events.ended(description, isOfMachine));
  };
  const stopWatching =
    child.pid === undefined
      ? () => {}
      : watchMemory(child.pid, spec.maxHeapMb, () => {
          if (ended) return;
          outOfMemory = true;
          killGroup(child);
        });
  const kill = (reason?: string): void => {
    if (ended) return;
    because ??= reason;
    killGroup(child);
  };
  const cutOff = (reason: string): void => {
    kill(reason);
    pipe?.destroy();
  };
  const broken = (why: string): void => {
    events.line("stderr", `the module is killed because it wrote invalid data to the service's pipe: ${why}`);
    if (!ended) killGroup(child);
  };
  const read = createFrameReader(
    moduleFrames(events),
    (messages) => {
      for (const message of messages) events.message(message);
    },
    broken,
  );
  if (pipe && writer) takeInTurns(pipe, read, () => !ended && isFull(writer));
  // An error means that the process has ended, which `exit` reports.
  pipe?.on("error", () => {});
  pipe?.once("close", () => systemClock.setTimer(CLOSED_MS, () => kill("it closed the pipe to the service")));
  child.on("error", (error) => {
    if (child.pid === undefined) end(`could not be started: ${error.message}`, isFault(error));
  });
  child.once("exit", (code, signal) => {
    end(
      because !== undefined
        ? because
        : outOfMemory
          ? "out of memory"
          : signal === null
            ? `exit code ${code}`
            : `killed by ${signal}`,
    );
  });
  readLines(child.stdout, (line) => events.line("stdout", line));
  readLines(child.stderr, (line) => {
    outOfMemory ||= line.includes("heap out of memory");
    events.line("stderr", line);
  });
  return {
    send(message) {
      if (ended || writer === undefined || !pipe?.writable) return true;
      const frame = toFrame(message);
      if (!mayBeSent(message, frame.length, writer)) return false;
      writer.write(frame);
      if (isDeaf(writer)) cutOff(DEAF);
      return true;
    },
    get unread() {
      return writer?.messages ?? 0;
    },
    get isFull() {
      return writer !== undefined && isFull(writer);
    },
    kill,
    cutOff,
  };
}

/** Calls `then` when everything in the pipe of an ended process has been read. */
function whenRead(pipe: Socket | null | undefined, then: () => void): void {
  if (!pipe || pipe.readableEnded || pipe.destroyed) {
    then();
    return;
  }
  let timer: Timer | undefined;
  const done = (): void => {
    timer?.cancel();
    pipe.off("end", done).off("close", done);
    then();
  };
  timer = systemClock.setTimer(UNREAD_MS, done);
  pipe.once("end", done).once("close", done);
}

const STDIO: StdioPlaces = ["ignore", "pipe", "pipe", "pipe"];
const MARKED_STDIO: StdioPlaces = Array.from({ length: MARK_FD + 1 }, (_, fd) =>
  fd === MARK_FD ? "pipe" : (STDIO[fd] ?? "ignore"),
);

function rootOf(child: ChildProcess, pid: number): Root {
  const mark = (child.stdio as ReadonlyArray<unknown>)[MARK_FD] as Socket | undefined;
  // Nothing is sent through this pipe. It serves only to recognize the processes that hold its other end.
  mark?.destroy();
  return {
    type: "process",
    pid,
    start: readProcess(pid)?.start,
    mark: mark === undefined ? undefined : readDescriptor(pid, MARK_FD),
  };
}

/**
 * Kills the process group. This is called only while the process runs or has just ended, because later its number may
 * belong to another process.
 */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // No process of the group is left.
  }
}
