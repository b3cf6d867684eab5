import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Held } from "./blocks.ts";

const HOME = join(import.meta.dirname, "../..");
/** Between two looks whether the server is ready, in ms. */
const LOOK_MS = 5;

/** A server in a process of its own, as `npm start` runs it. */
export interface Server {
  readonly baseUrl: string;
  /** From the start of the process to the first 200 of `/readyz`, in ms; and the CPU time that the process took by then. */
  readonly readyMs: number;
  readonly cpuMs: number;
  /** The longest block of its event loop since the last call; with `memory`, also the memory after a garbage collection. */
  held(what?: "memory"): Promise<Held>;
  stop(): Promise<void>;
}

/** Starts a server over a data directory. With `watched`, it can be asked what it holds. */
export async function startServer(dataDir: string, watched = false): Promise<Server> {
  const logs = mkdtempSync(join(tmpdir(), "helios-growth-"));
  const port = await freePort();
  const preload = watched ? ["--import", join(import.meta.dirname, "blocks.ts")] : [];
  const settings = ["--port", String(port), "--data-dir", dataDir, "--log-dir", logs, "--log-level", "error"];
  const begun = performance.now();
  const args = [...preload, "src/server/main.ts", ...settings];
  const child = spawn(process.execPath, args, { cwd: HOME, stdio: ["ignore", "ignore", "inherit", "ipc"] });
  // A benchmark that fails must not leave a server behind.
  const kill = (): void => void child.kill("SIGTERM");
  process.once("exit", kill);
  const baseUrl = `http://127.0.0.1:${port}`;
  await ready(child, baseUrl);
  const readyMs = performance.now() - begun;
  const cpuMs = cpuOf(child);
  return {
    baseUrl,
    readyMs,
    cpuMs,
    async held(what) {
      child.send(what ?? "block");
      const [answer] = (await once(child, "message")) as [Held];
      return answer;
    },
    async stop() {
      child.kill("SIGTERM");
      await once(child, "exit");
      process.off("exit", kill);
      rmSync(logs, { recursive: true, force: true });
    },
  };
}

async function ready(child: ChildProcess, baseUrl: string): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the server ended with code ${child.exitCode}`);
    const status = await fetch(`${baseUrl}/readyz`).then(
      (answer) => answer.status,
      () => 0,
    );
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** The user and system time of a process, in ms. */
function cpuOf({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === "string") throw new Error("the probe has no port");
  return address.port;
}
