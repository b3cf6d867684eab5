import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, type Program, startProgram, until } from "../compare/program.ts";

/** A server that is measured, in a process of its own. */
export interface Side {
  readonly name: string;
  /** Starts it on a core, and waits until it accepts connections. With `tellsMemory`, `memoryOf` works. */
  start(core: number | undefined, options?: { readonly tellsMemory: boolean }): Promise<Running>;
}

export interface Running {
  readonly port: number;
  readonly program: Program;
  stop(): Promise<void>;
}

/** A server of this directory. `args` come before the port. */
export function peerSide(name: string, file: string, args: readonly string[] = []): Side {
  const path = fileURLToPath(new URL(file, import.meta.url));
  return {
    name,
    async start(core, options) {
      const port = await freePort();
      const program = startNode([path, ...args, String(port)], core, options);
      await until(() => accepts(port), program);
      return { port, program, stop: () => program.stop() };
    },
  };
}

const MAIN = fileURLToPath(new URL("../../src/server/main.ts", import.meta.url));

/** Helios as `npm start` starts it, with its data and logs in a new directory. */
export const heliosSide: Side = { name: "Helios", start: startHelios };

/** The same over the data of a directory, if it is given. Resolves when it is ready. */
export async function startHelios(
  core: number | undefined,
  { tellsMemory = false, dataDir }: { readonly tellsMemory?: boolean; readonly dataDir?: string } = {},
): Promise<Running> {
  const port = await freePort();
  const directory = await mkdtemp(join(tmpdir(), "helios-bench-"));
  const places = ["--data-dir", dataDir ?? join(directory, "data"), "--log-dir", join(directory, "logs")];
  const args = ["--disable-sigusr1", MAIN, "--port", String(port), ...places];
  const program = startNode(args, core, { tellsMemory });
  await until(() => isReady(port), program);
  return {
    port,
    program,
    async stop() {
      await program.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const HOOK = new URL("memory-hook.ts", import.meta.url).href;

function startNode(args: readonly string[], core: number | undefined, { tellsMemory } = { tellsMemory: false }) {
  const hook = tellsMemory ? ["--import", HOOK] : [];
  return startProgram([process.execPath, ...hook, ...args], { core, ipc: tellsMemory });
}

/** Memory of a server after a garbage collection, in bytes. */
export interface Memory {
  /** All memory of the process. */
  readonly rss: number;
  /** Objects of JavaScript, and the buffers that they own. */
  readonly heap: number;
}

export async function memoryOf({ program }: Running): Promise<Memory> {
  const told = once(program.child, "message");
  program.child.send("memory");
  const [memory] = (await told) as [Memory];
  return memory;
}

/** Whether Helios says that it is ready. */
export async function isReady(port: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
  await answer?.text();
  return answer?.ok ?? false;
}

export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
