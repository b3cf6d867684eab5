// Generates gen/ from proto/ and from the sources that run in module processes, docs/errors.md from the error tables,
// docs/limits.md from the constants and the contract, docs/suites.md from the ready suites, and testdata/ with the
// kernel. With --check it generates into a temporary directory, and fails if the committed files differ.
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { bundles } from "./bundles.ts";
import { errorsPage } from "./errors-doc.ts";
import { limitsPage } from "./limits-doc.ts";
import { readComments } from "./openapi/comments.ts";
import { suitesPage } from "./suites-doc.ts";
import { bucketingVectors, conditionsFile, evaluationVectors } from "./vectors.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const OPENAPI = "docs/openapi.json";
const PAGES = {
  "docs/limits.md": limitsPage,
  "docs/errors.md": errorsPage,
  "docs/suites.md": suitesPage,
  "testdata/bucketing.json": bucketingVectors,
  "testdata/conditions.json": conditionsFile,
  "testdata/evaluation.json": evaluationVectors,
};

async function generate(into: string): Promise<void> {
  execFileSync("buf", ["generate"], { cwd: into, stdio: "inherit" });
  const pages = Object.entries(PAGES).map(([file, page]) => [file, page()] as const);
  for (const [file, text] of [...pages, ...Object.entries(await bundles())]) {
    mkdirSync(join(into, dirname(file)), { recursive: true });
    writeFileSync(join(into, file), text);
  }
  // This module imports gen/, which must exist by then.
  const { openapiDocument } = await import("./openapi/document.ts");
  const image = execFileSync("buf", ["build", "--as-file-descriptor-set", "-o", "-#format=binpb"], {
    cwd: into,
    maxBuffer: 1e8,
  });
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  writeFileSync(join(into, OPENAPI), `${JSON.stringify(openapiDocument(readComments(image), version), null, 2)}\n`);
}

/** All generated files below `root`, by path. */
function generated(root: string): Map<string, string> {
  const files = readdirSync(join(root, "gen"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
  const there = [...files, OPENAPI, ...Object.keys(PAGES)].filter((file) => existsSync(join(root, file)));
  return new Map(there.map((file) => [file, readFileSync(join(root, file), "utf8")]));
}

async function differences(): Promise<string[]> {
  // Inside the checkout, so that the generator finds its packages by name.
  const scratch = mkdtempSync(join(ROOT, "node_modules", ".generate-"));
  try {
    for (const input of ["proto", "buf.yaml", "buf.gen.yaml"]) {
      cpSync(join(ROOT, input), join(scratch, input), { recursive: true });
    }
    symlinkSync(join(ROOT, "node_modules"), join(scratch, "node_modules"));
    await generate(scratch);
    const [fresh, committed] = [generated(scratch), generated(ROOT)];
    return [...new Set([...fresh.keys(), ...committed.keys()])]
      .filter((file) => fresh.get(file) !== committed.get(file))
      .sort();
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

if (process.argv.includes("--check")) {
  const stale = await differences();
  for (const file of stale) process.stderr.write(`${file} is out of date; run npm run generate\n`);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  await generate(ROOT);
}
