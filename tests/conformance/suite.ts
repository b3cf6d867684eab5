import { execFile } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MODULE = "connectrpc.com/conformance";
const VERSION = "v1.0.7";
const CACHE = join(ROOT, "node_modules/.cache/conformance", `${VERSION}-${process.platform}-${process.arch}`);

const run = promisify(execFile);

/** Runs Go. It checks what it downloads against the public checksum database, and downloads a newer Go if it needs one. */
async function go(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  try {
    const options = { cwd: CACHE, env: { ...process.env, GOTOOLCHAIN: "auto", GOSUMDB: "sum.golang.org", ...env } };
    return (await run("go", args, options)).stdout;
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw isMissing ? new Error("test:conformance needs Go 1.21 or newer on the PATH") : error;
  }
}

/** Returns the path of the suite's program. Builds it once for each version, in about a minute. */
export async function suiteProgram(): Promise<string> {
  const program = join(CACHE, "connectconformance");
  if (existsSync(program)) return program;
  // A build that was cut off leaves nothing in the place of the program.
  const building = join(CACHE, "building");
  mkdirSync(CACHE, { recursive: true });
  rmSync(building, { recursive: true, force: true });
  await go(["install", `${MODULE}/cmd/connectconformance@${VERSION}`], { GOBIN: building });
  renameSync(join(building, "connectconformance"), program);
  return program;
}

/** Returns the directory with the suite's proto files. */
export async function suiteProtos(): Promise<string> {
  mkdirSync(CACHE, { recursive: true });
  const { Dir } = JSON.parse(await go(["mod", "download", "-json", `${MODULE}@${VERSION}`])) as { Dir: string };
  return join(Dir, "proto");
}
