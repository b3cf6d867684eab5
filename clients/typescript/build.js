// Builds the package into dist: JavaScript for Node from 20 on, with its types.
//
//   node build.js [--out <directory>] [--optional]
//
// The sources include files of the repository outside this directory, src/kernel and gen. The compiler keeps the directories
// of all of them below dist, so that their imports of each other stay right; dist/index.js is then the entry by which a
// program comes in. This script is JavaScript because npm runs it by the Node of the machine, which may not run TypeScript.
//
// npm's `prepare` gives --optional: an installation must go on where there is no compiler (`npm ci --omit=dev`), where
// nothing can be written, and where the sources are being changed and do not compile.
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const PACKAGE = dirname(fileURLToPath(import.meta.url));
const ENTRY = `export * from "./clients/typescript/src/index.js";\n`;

/** Throws an error that says what went wrong. */
function build(out) {
  const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
  // What an earlier build left behind would be published, too.
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, "index.js"), ENTRY);
  writeFileSync(join(out, "index.d.ts"), ENTRY);
  const project = join(PACKAGE, "tsconfig.build.json");
  const { status } = spawnSync(process.execPath, [compiler, "-p", project, "--outDir", out], { stdio: "inherit" });
  if (status !== 0) throw new Error("the sources do not compile");
}

const { values } = parseArgs({
  options: { out: { type: "string", default: join(PACKAGE, "dist") }, optional: { type: "boolean", default: false } },
});
try {
  build(values.out);
} catch (error) {
  process.stderr.write(`@helios/client was not built: ${error instanceof Error ? error.message : error}\n`);
  if (!values.optional) process.exitCode = 1;
}
