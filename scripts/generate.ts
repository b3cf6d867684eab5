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

/** The content of files, by path. */
type Files = ReadonlyMap<string, string>;

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const OPENAPI = "docs/openapi.json";

/** Code from proto/. */
function generateCode(scratch: string): Files {
  execFileSync("buf", ["generate"], { cwd: scratch, stdio: "inherit" });
  return filesIn(scratch, "gen");
}

/** Everything that is made by code that imports gen/, which must be up to date. */
async function generateRest(scratch: string): Promise<Files> {
  const [{ errorsPage }, { limitsPage }, { suitesPage }, vectors] = await Promise.all([
    import("./errors-doc.ts"),
    import("./limits-doc.ts"),
    import("./suites-doc.ts"),
    import("./vectors.ts"),
  ]);
  return new Map([
    ["docs/limits.md", limitsPage()],
    ["docs/errors.md", errorsPage()],
    ["docs/suites.md", suitesPage()],
    ["testdata/breakers.json", vectors.breakersFile()],
    ["testdata/bucketing.json", vectors.bucketingVectors()],
    ["testdata/conditions.json", vectors.conditionsFile()],
    ["testdata/evaluation.json", vectors.evaluationVectors()],
    [OPENAPI, await openapi(scratch)],
    ...Object.entries(await bundles()),
  ]);
}

async function openapi(scratch: string): Promise<string> {
  const [{ openapiDocument }, { readComments }] = await Promise.all([
    import("./openapi/document.ts"),
    import("./openapi/comments.ts"),
  ]);
  const image = execFileSync("buf", ["build", "--as-file-descriptor-set", "-o", "-#format=binpb"], {
    cwd: scratch,
    maxBuffer: 1e8,
  });
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  return `${JSON.stringify(openapiDocument(readComments(image), version), null, 2)}\n`;
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
  const code = generateCode(scratch);
  const isCheck = process.argv.includes("--check");
  const staleCode = changed(code);
  if (!isCheck) replaceChanged(code);
  const all = new Map([...code, ...(await generateRest(scratch))]);
  if (isCheck) {
    const stale = [...new Set([...staleCode, ...changed(all), ...leftOver(all)])].sort();
    for (const file of stale) process.stderr.write(`${file} is out of date; run npm run generate\n`);
    process.exitCode = stale.length === 0 ? 0 : 1;
  } else {
    replaceChanged(all);
    for (const file of leftOver(all)) rmSync(join(ROOT, file));
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
