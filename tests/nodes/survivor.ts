import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Fate, Front } from "./front.ts";

const PROGRAM = fileURLToPath(new URL("../fixtures/survivor/main.mjs", import.meta.url));

/** The counts of a client's process so far. */
export interface Done {
  readonly answers: number;
  readonly errors: number;
  /** Answers in the loop that leaves its connection idle. */
  readonly slow: number;
  readonly frames: number;
  readonly calls: number;
}

export interface Survivor {
  readonly pid: number;
  /** Throws if the process has ended, with its output. */
  done(): Promise<Done>;
  /** Throws unless all its loops make progress within `ms`: answers, idle connections, watches, breakers. */
  works(ms?: number): Promise<void>;
  /** Asks the process to close everything. Resolves to how it ended, and throws if it did not end by itself within `ms`. */
  end(ms?: number): Promise<{ readonly code: number | null; readonly signal: string | null; readonly errors: string }>;
  kill(): void;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A process of that Node that uses that client module with that address. */
export function startSurvivor(node: string, module: string, baseUrl: string, options: object = {}): Survivor {
  const child: ChildProcess = spawn(node, [PROGRAM, module, baseUrl, JSON.stringify(options)], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null || child.pid === undefined) throw new Error("no process");
  let errors = "";
  stdin.on("error", () => {});
  stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const lines: Interface = createInterface({ input: stdout });
  // All its output was read by then.
  const exited = once(child, "close");
  const answers = lines[Symbol.asyncIterator]();
  const done = async (): Promise<Done> => {
    stdin.write("?\n");
    const answer = await Promise.race([answers.next(), exited.then(() => undefined)]);
    if (answer === undefined || answer.done)
      throw new Error(`the client's process ended with ${child.exitCode ?? child.signalCode}: ${errors}`);
    return JSON.parse(answer.value) as Done;
  };
  return {
    pid: child.pid,
    done,
    async works(ms = 20_000) {
      const before = await done();
      const deadline = performance.now() + ms;
      for (;;) {
        const now = await done();
        const stuck = (["answers", "slow", "frames", "calls"] as const).filter((key) => now[key] <= before[key]);
        if (stuck.length === 0) return;
        if (performance.now() > deadline) throw new Error(`${stuck.join(", ")} stand still: ${JSON.stringify(now)}`);
        await pause(20);
      }
    },
    async end(ms = 10_000) {
      stdin.write("end\n");
      const late = pause(ms).then(() => {
        if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      });
      await Promise.race([exited, late]);
      await exited;
      if (child.signalCode === "SIGKILL") throw new Error(`the client's process did not end by itself: ${errors}`);
      return { code: child.exitCode, signal: child.signalCode, errors };
    },
    kill: () => void child.kill("SIGKILL"),
  };
}

/** Checks that the process survives these disturbances, works afterwards, and ends by itself without an error. */
export async function survives(front: Front, fates: readonly Fate[], survivor: Survivor, ms = 20_000): Promise<void> {
  try {
    await survivor.works(ms);
    front.meet(fates);
    front.cut();
    const deadline = performance.now() + ms;
    while (front.left > 0) {
      await survivor.done();
      if (performance.now() > deadline) throw new Error(`${front.left} disturbances did not happen within ${ms} ms`);
      await pause(10);
    }
    await survivor.works(ms);
    const { code, signal, errors } = await survivor.end();
    if (code !== 0 || errors !== "") throw new Error(`the process ended with ${code ?? signal}: ${errors}`);
  } catch (error) {
    survivor.kill();
    throw error;
  }
}
