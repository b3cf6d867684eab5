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

/** Opens a channel to a new process, the leader of a group of its own. */
export function openProcess(spec: Launch, events: ChannelEvents, reaper: Reaper): Channel {
  const stdio = spec.grants.childProcess ? MARKED_STDIO : STDIO;
  const args = [
    ...permissionFlags(spec),
    // Else a signal opens a port, by which whoever reaches it may run anything.
    "--disable-sigusr1",
    `--max-old-space-size=${spec.maxHeapMb}`,
    BOOTSTRAP,
    // To be closed by the bootstrap. Those that it has in the place of them are its own.
    ...inheritedDescriptors().flatMap((descriptor) => (descriptor < stdio.length ? [] : [String(descriptor)])),
  ];
  const child = spawn(process.execPath, args, {
    cwd: spec.root,
    env: { ...spec.env },
    stdio,
    detached: true,
  });
  const watched = child.pid === undefined ? undefined : reaper.watch(rootOf(child, child.pid));
  // Where the service may open no more files, there is not even a list.
  const pipe = (child.stdio as ChildProcess["stdio"] | undefined)?.[LINK_FD] as Socket | null | undefined;
  const writer = pipe ? createFrameWriter(pipe) : undefined;
  let outOfMemory = false;
  let because: string | undefined;
  let ended = false;
  const end = (description: string, isOfMachine = false): void => {
    if (ended) return;
    ended = true;
    stopWatching();
    // What it has started must not outlive it.
    if (spec.grants.childProcess) killGroup(child);
    watched?.ended();
    // Its answers, and why it ended, may be in the pipe still.
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
    events.line("stderr", `the module wrote to the service's pipe: it is ended: ${why}`);
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
  // It is gone, which its exit tells.
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

/** Calls back when all is read that is in the pipe of a process that has ended. */
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
  // Nobody talks through it: that the others hold their end is all that it is for.
  mark?.destroy();
  return {
    type: "process",
    pid,
    start: readProcess(pid)?.start,
    mark: mark === undefined ? undefined : readDescriptor(pid, MARK_FD),
  };
}

/** By its group and only while it is known to live, or to have just ended: a number alone may be another's by now. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // Nobody of the group is left.
  }
}
