// Generates gen/ from proto/ and from the sources that run in module processes, docs/errors.md from the error tables,
// docs/limits.md from the constants and the contract, docs/suites.md from the built-in suites, docs/openapi.json from the
// contract, and testdata/ with the kernel. All files are generated in a temporary directory first. Then only those that differ
// are replaced, each at once, so that a program that runs meanwhile never misses one. With --check, fails if the committed files
// differ.
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
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
import { breakersFile, bucketingVectors, conditionsFile, evaluationVectors } from "./vectors.ts";

/** The content of files, by path. */
type Files = ReadonlyMap<string, string>;

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const OPENAPI = "docs/openapi.json";
const PAGES = {
  "docs/limits.md": limitsPage,
  "docs/errors.md": errorsPage,
  "docs/suites.md": suitesPage,
  "testdata/breakers.json": breakersFile,
  "testdata/bucketing.json": bucketingVectors,
  "testdata/conditions.json": conditionsFile,
  "testdata/evaluation.json": evaluationVectors,
};

/** Everything but the description of the REST API. */
async function generateCode(scratch: string): Promise<Files> {
  execFileSync("buf", ["generate"], { cwd: scratch, stdio: "inherit" });
  const pages = Object.entries(PAGES).map(([file, page]) => [file, page()] as const);
  return new Map([...filesIn(scratch, "gen"), ...pages, ...Object.entries(await bundles())]);
}

/** Must run after gen/ is up to date, because it imports gen/. */
async function generateOpenapi(scratch: string): Promise<Files> {
  const { openapiDocument } = await import("./openapi/document.ts");
  const image = execFileSync("buf", ["build", "--as-file-descriptor-set", "-o", "-#format=binpb"], {
    cwd: scratch,
    maxBuffer: 1e8,
  });
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  return new Map([[OPENAPI, `${JSON.stringify(openapiDocument(readComments(image), version), null, 2)}\n`]]);
}

/** The files below one directory of `root`. */
function filesIn(root: string, directory: string): Files {
  const files = readdirSync(join(root, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
  return new Map(files.map((file) => [file, readFileSync(join(root, file), "utf8")]));
}

/** The generated files that differ in the checkout, or are missing there. */
function changed(fresh: Files): readonly string[] {
  const present = (file: string): string | undefined =>
    existsSync(join(ROOT, file)) ? readFileSync(join(ROOT, file), "utf8") : undefined;
  return [...fresh].filter(([file, text]) => present(file) !== text).map(([file]) => file);
}

function replaceChanged(fresh: Files): void {
  for (const file of changed(fresh)) {
    const path = join(ROOT, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.new`, fresh.get(file) ?? "");
    renameSync(`${path}.new`, path);
  }
}

/** The files in gen/ that are no longer generated. */
function leftOver(fresh: Files): readonly string[] {
  return existsSync(join(ROOT, "gen")) ? [...filesIn(ROOT, "gen").keys()].filter((file) => !fresh.has(file)) : [];
}

// Inside the checkout, so that the generator finds its packages by name.
const scratch = mkdtempSync(join(ROOT, "node_modules", ".generate-"));
try {
  for (const input of ["proto", "buf.yaml", "buf.gen.yaml"]) {
    cpSync(join(ROOT, input), join(scratch, input), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(scratch, "node_modules"));
  const code = await generateCode(scratch);
  if (process.argv.includes("--check")) {
    const stale = [...changed(code), ...leftOver(code), ...changed(await generateOpenapi(scratch))].sort();
    for (const file of stale) process.stderr.write(`${file} is out of date; run npm run generate\n`);
    process.exitCode = stale.length === 0 ? 0 : 1;
  } else {
    replaceChanged(code);
    replaceChanged(await generateOpenapi(scratch));
    for (const file of leftOver(code)) rmSync(join(ROOT, file));
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
