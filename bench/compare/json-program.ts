import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { pinned } from "./cores.ts";

const BENCH = new URL("../", import.meta.url);

/** Runs a program of `bench` that prints JSON. Rejects if it fails. The caller says what the JSON is. */
export async function runJsonProgram<T>(path: string, args: readonly string[], core: number | undefined): Promise<T> {
  const file = fileURLToPath(new URL(path, BENCH));
  const [command = "", ...rest] = pinned(core, [
    process.execPath,
    "--disable-warning=ExperimentalWarning",
    file,
    ...args,
  ]);
  const child = spawn(command, rest, { stdio: ["ignore", "pipe", "inherit"] });
  const [printed, [code]] = await Promise.all([text(child.stdout), once(child, "close")]);
  if (code !== 0) throw new Error(`bench/${path} ended with exit code ${code}`);
  return JSON.parse(printed) as T;
}
