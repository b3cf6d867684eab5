// Generates tests/conformance/gen from the proto files of the suite: node tests/conformance/generate.ts
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ROOT, suiteProtos } from "./suite.ts";

const GENERATED = join(ROOT, "tests/conformance/gen");
const FILES = ["config", "server_compat", "service"].map((name) => `connectrpc/conformance/v1/${name}.proto`);
const OPTIONS = ["target=ts", "import_extension=ts", "erasable_syntax=true"];

function generate(protos: string, out: string): void {
  const template = JSON.stringify({ version: "v2", plugins: [{ local: "protoc-gen-es", out, opt: OPTIONS }] });
  const paths = FILES.flatMap((file) => ["--path", join(protos, file)]);
  const path = `${join(ROOT, "node_modules/.bin")}:${process.env.PATH}`;
  execFileSync("buf", ["generate", protos, "--template", template, ...paths], {
    cwd: ROOT,
    env: { ...process.env, PATH: path },
    stdio: "inherit",
  });
}

function filesIn(directory: string): ReadonlyMap<string, string> {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  return new Map(names.sort().map((name) => [name, readFileSync(join(directory, name), "utf8")]));
}

/** Throws if the committed code is not that of the suite's proto files. */
export async function checkGenerated(): Promise<void> {
  const cache = join(ROOT, "node_modules/.cache");
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, "conformance-gen-"));
  try {
    generate(await suiteProtos(), scratch);
    const [fresh, committed] = [filesIn(scratch), filesIn(GENERATED)];
    const isSame = fresh.size === committed.size && [...fresh].every(([name, text]) => committed.get(name) === text);
    if (!isSame) throw new Error("tests/conformance/gen is out of date; run node tests/conformance/generate.ts");
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const protos = await suiteProtos();
  rmSync(GENERATED, { recursive: true, force: true });
  generate(protos, GENERATED);
}
