import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";

const HOME = join(import.meta.dirname, "../..");

/** What Node reports about the compiled code of a start that prints the version. */
function start(): string {
  const { NODE_COMPILE_CACHE: _, ...env } = process.env;
  const args = [join(HOME, "src/server/main.ts"), "--version"];
  // The report has several lines for each file, more than a megabyte at a first start.
  const maxBuffer = 64 * 1024 * 1024;
  const options = { encoding: "utf8", maxBuffer, env: { ...env, NODE_DEBUG_NATIVE: "COMPILE_CACHE" } } as const;
  const { stdout, stderr, status } = spawnSync(process.execPath, args, options);
  expect(status).toBe(0);
  return stdout + stderr;
}

it("a start uses the code of the service that an earlier start has compiled", () => {
  start();
  const report = start();
  for (const file of ["src/server/run.ts", "src/server/server.ts", "src/core/engine.ts"]) {
    expect(report).toMatch(new RegExp(`code cache for ESM \\S*/${file} was accepted`));
  }
});
