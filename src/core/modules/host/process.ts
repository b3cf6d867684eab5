import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { createFrameReader, LINK_FD, toFrame } from "./bootstrap/frames.ts";
import { type Channel, type ChannelEvents, readLines } from "./channel.ts";
import { watchMemory } from "./memory.ts";
import { BOOTSTRAP, permissionFlags } from "./permissions.ts";
import type { Launch } from "./start.ts";

/** Opens a channel to a new process, the leader of a group of its own. */
export function openProcess(spec: Launch, events: ChannelEvents): Channel {
  const args = [...permissionFlags(spec), `--max-old-space-size=${spec.maxHeapMb}`, BOOTSTRAP];
  const child = spawn(process.execPath, args, {
    cwd: spec.root,
    env: { ...spec.env },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    detached: true,
  });
  const pipe = child.stdio[LINK_FD] as Socket | null | undefined;
  let outOfMemory = false;
  let because: string | undefined;
  let ended = false;
  const end = (description: string): void => {
    if (ended) return;
    ended = true;
    stopWatching();
    // What it has started must not outlive it.
    if (spec.grants.childProcess) killGroup(child);
    events.ended(description);
  };
  const stopWatching =
    child.pid === undefined
      ? () => {}
      : watchMemory(child.pid, spec.maxHeapMb, () => {
          if (ended) return;
          outOfMemory = true;
          killGroup(child);
        });
  const broken = (): void => {
    events.line("stderr", "the module wrote to the service's pipe: it is ended");
    if (!ended) killGroup(child);
  };
  pipe?.on(
    "data",
    createFrameReader((message) => events.message(message), broken),
  );
  // It is gone, which its exit tells.
  pipe?.on("error", () => {});
  child.on("error", (error) => {
    if (child.pid === undefined) end(`could not be started: ${error.message}`);
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
      if (!ended && pipe?.writable) pipe.write(toFrame(message));
    },
    kill(reason) {
      if (ended) return;
      because ??= reason;
      killGroup(child);
    },
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
