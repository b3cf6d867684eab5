import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/server/main.ts", import.meta.url));

/** A separate Helios process with a temporary data directory. */
export interface OwnServer {
  readonly baseUrl: string;
  readonly process: ChildProcess;
  /** Stops it, waits until it has ended, and removes its directory. Resolves to its exit code. */
  stop(): Promise<number | null>;
}

/** Starts Helios on a free port, with optional flags, and waits until it is ready. */
export async function startOwnServer(flags: readonly string[] = []): Promise<OwnServer> {
  for (;;) {
    const port = await freePort();
    const server = await startAt(port, flags).catch(async (error: unknown) => {
      // Another process may have taken the port meanwhile.
      if (await isFree(port)) throw error;
    });
    if (server !== undefined) return server;
  }
}

async function startAt(port: number, flags: readonly string[]): Promise<OwnServer> {
  const directory = await mkdtemp(join(tmpdir(), "helios-demo-"));
  const own = { "--port": String(port), "--data-dir": join(directory, "data"), "--log-dir": join(directory, "logs") };
  const child = spawn(process.execPath, [MAIN, ...Object.entries(own).flat(), ...flags], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const baseUrl = `http://127.0.0.1:${port}`;
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  await ready(baseUrl, child).catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  return {
    baseUrl,
    process: child,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, "exit");
        child.kill("SIGTERM");
        await exited;
      }
      await remove();
      return child.exitCode;
    },
  };
}

async function ready(baseUrl: string, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`the server ended with exit code ${child.exitCode}`);
    const answer = await fetch(`${baseUrl}/readyz`).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.kill("SIGKILL");
  throw new Error("the server was not ready within 30 s");
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}

function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port, "127.0.0.1");
  return once(probe, "listening").then(
    () => {
      probe.close();
      return true;
    },
    () => false,
  );
}
