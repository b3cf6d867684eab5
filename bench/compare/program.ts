import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { pinned } from "./cores.ts";

/** A program that runs until it is stopped. */
export interface Program {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Ends it, and waits until it has ended. */
  stop(): Promise<void>;
}

export interface ProgramOptions {
  /** The core that it is held to. Undefined: any. */
  readonly core: number | undefined;
  /** Does not show what it writes to its error output. */
  readonly isQuiet?: boolean;
  /** Also opens a channel for messages. */
  readonly ipc?: boolean;
}

const STOP_MS = 15_000;

/** Starts a program. */
export function startProgram(
  command: readonly string[],
  { core, ipc = false, isQuiet = false }: ProgramOptions,
): Program {
  const [file = "", ...args] = pinned(core, command);
  const child = spawn(file, args, {
    stdio: ["ignore", "ignore", isQuiet ? "ignore" : "inherit", ...(ipc ? (["ipc"] as const) : [])],
    serialization: "advanced",
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${file} could not be started`);
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  return {
    pid,
    child,
    async stop() {
      process.removeListener("exit", kill);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      const late = setTimeout(kill, STOP_MS);
      await exited;
      clearTimeout(late);
    },
  };
}

/** Asks until the answer is true. Throws after the time, and if the program ends meanwhile. */
export async function until(isReady: () => Promise<boolean>, { child }: Program, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isReady())) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`${child.spawnargs.join(" ")} ended with ${child.exitCode ?? child.signalCode}`);
    if (performance.now() > deadline)
      throw new Error(`${child.spawnargs.join(" ")} was not ready within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}

/** Memory of a process in MiB. NaN on systems other than Linux. */
export function residentMib(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  } catch {
    return Number.NaN;
  }
}
