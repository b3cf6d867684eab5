import { Worker } from "node:worker_threads";
import { messageOf } from "../../errors.ts";
import { type Channel, type ChannelEvents, readLines } from "./channel.ts";
import type { InstanceSpec } from "./host.ts";
import { BOOTSTRAP, permissionFlags } from "./permissions.ts";

/** Opens a channel to a new thread of this process. */
export function openThread(spec: InstanceSpec, events: ChannelEvents): Channel {
  const worker = new Worker(BOOTSTRAP, {
    env: { ...spec.env },
    execArgv: permissionFlags(spec),
    resourceLimits: { maxOldGenerationSizeMb: spec.maxHeapMb },
    stdout: true,
    stderr: true,
  });
  let failure: string | undefined;
  let ended = false;
  worker.on("message", (message) => events.message(message));
  worker.on("error", (error: unknown) => {
    const outOfMemory = (error as { code?: string } | null)?.code === "ERR_WORKER_OUT_OF_MEMORY";
    failure = outOfMemory ? "out of memory" : `uncaught: ${messageOf(error)}`;
  });
  worker.once("exit", (code) => {
    ended = true;
    events.ended(failure ?? `exit code ${code}`);
  });
  readLines(worker.stdout, (line) => events.line("stdout", line));
  readLines(worker.stderr, (line) => events.line("stderr", line));
  return {
    send(message) {
      if (!ended) worker.postMessage(message);
    },
    kill: () => void worker.terminate(),
  };
}
