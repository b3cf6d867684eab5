import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { renameSync, symlinkSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { errorOf } from "../../../../support/errors.ts";
import { SOAK } from "../../../../support/soak.ts";
import { answering, hostOf, tree, write } from "../../artifact-rig.ts";

const CODE = {
  "entry.ts": answering("value", 'import { value } from "./lib/value.ts";'),
  "lib/value.ts": "export const value: number = 1;\n",
};

const problemOf = async (files: Parameters<typeof tree>[0], path = "entry"): Promise<string> => {
  const error = await errorOf(hostOf(tree(files)).resolve(path));
  expect(error.reason).toBe("MODULE_INVALID");
  return error.metadata.problem ?? "";
};

const artifactOf = async (root: string, path = "entry"): Promise<string> => (await hostOf(root).resolve(path)).artifact;

describe("the digests of a module", () => {
  it("are the same for the same bytes, wherever the modules root is", async () => {
    const [here, there] = [await hostOf(tree(CODE)).resolve("entry"), await hostOf(tree(CODE)).resolve("entry")];
    expect(there).toEqual(here);
    expect(here.sha256).toBe(createHash("sha256").update(CODE["entry.ts"]).digest("hex"));
  });

  it("show another byte of an imported file in the artifact's digest, while the entry's own stays", async () => {
    const root = tree(CODE);
    const before = await hostOf(root).resolve("entry");
    write(root, { "lib/value.ts": "export const value: number = 2;\n" });
    const after = await hostOf(root).resolve("entry");
    expect(after.sha256).toBe(before.sha256);
    expect(after.artifact).not.toBe(before.artifact);
  });

  it("ignore files that are not imported", async () => {
    const root = tree(CODE);
    const before = await artifactOf(root);
    write(root, { "lib/other.ts": "", "value.ts": "" });
    expect(await artifactOf(root)).toBe(before);
  });

  it("depend on which of two files an import leads to", async () => {
    const code = { "entry.mjs": answering("[a, b]", 'import a from "a"; import b from "b";') };
    const packages = (a: string, b: string): Record<string, string> => ({
      ...code,
      "node_modules/a/package.json": `{ "exports": "./${a}.mjs" }`,
      "node_modules/a/1.mjs": "export { default } from './2.mjs';",
      "node_modules/a/2.mjs": "export default 2;",
      "node_modules/b/package.json": `{ "exports": "./${b}.mjs" }`,
      "node_modules/b/1.mjs": "export { default } from './2.mjs'; // b",
      "node_modules/b/2.mjs": "export default 2; // b",
    });
    const root = tree(packages("1", "1"));
    const before = await artifactOf(root);
    write(root, packages("2", "1"));
    expect(await artifactOf(root)).not.toBe(before);
    write(root, packages("1", "1"));
    expect(await artifactOf(root)).toBe(before);
  });

  it("belong to the right module when many are resolved at once", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `m${index}`);
    const root = tree(Object.fromEntries(names.map((name) => [`${name}.ts`, answering(`"${name}"`)])));
    const host = hostOf(root);
    const resolved = await Promise.all(names.map((name) => host.resolve(name)));
    expect(resolved.map(({ modulePath }) => modulePath)).toEqual(names);
    expect(new Set(resolved.map(({ artifact }) => artifact)).size).toBe(names.length);
    expect(await Promise.all(names.map((name) => host.resolve(name)))).toEqual(resolved);
  });

  it("notice a package and a link that change between two resolves", async () => {
    const root = tree({
      "entry.mjs": answering("a", 'import a from "a"; import "./link.mjs";'),
      "node_modules/a/package.json": '{ "exports": "./1.mjs" }',
      "node_modules/a/1.mjs": "export default 1;",
      "node_modules/a/2.mjs": "export default 2;",
      "1.mjs": "1;",
      "2.mjs": "2;",
    });
    const host = hostOf(root);
    symlinkSync(join(root, "1.mjs"), join(root, "link.mjs"));
    const digests = [(await host.resolve("entry")).artifact];
    write(root, { "node_modules/a/package.json": '{ "exports": "./2.mjs" }' });
    digests.push((await host.resolve("entry")).artifact);
    unlinkSync(join(root, "link.mjs"));
    symlinkSync(join(root, "2.mjs"), join(root, "link.mjs"));
    digests.push((await host.resolve("entry")).artifact);
    expect(new Set(digests).size).toBe(3);
  });
});

describe("the resolver refuses with the place", () => {
  it.each<[string, Parameters<typeof tree>[0], string]>([
    [
      "a missing import",
      { "entry.ts": '// 1\n\nimport "./no.ts";' },
      "entry.ts:3 imports ./no.ts, which does not exist",
    ],
    [
      "a missing re-export",
      { "entry.mjs": 'export { default } from "./lib/a.mjs";', "lib/a.mjs": '\nexport * from "../no.mjs";' },
      "lib/a.mjs:2 imports ../no.mjs, which does not exist",
    ],
    [
      "a missing file of an import() that is written out",
      { "entry.mjs": answering('import("./no.mjs")') },
      "entry.mjs:2 imports ./no.mjs, which does not exist",
    ],
    [
      "a missing package",
      { "entry.ts": 'import "no-such-package";' },
      "entry.ts:1 imports no-such-package, which does not exist",
    ],
    [
      "types that are imported as values",
      { "entry.ts": 'import { HeliosModule } from "helios/module";' },
      "entry.ts:1 imports helios/module, which does not exist when it runs; import its types with `import type`",
    ],
    [
      "a directory",
      { "entry.ts": 'import "./lib";', "lib/a.ts": "" },
      "entry.ts:1 imports ./lib, which is a directory",
    ],
    ["a URL", { "entry.ts": 'import "data:text/javascript,1";' }, "which is neither a file nor a module of Node's own"],
    ["invalid TypeScript", { "entry.ts": "export default 1;\n\nlet x = ;" }, "entry.ts:3: Expression expected"],
    [
      "TypeScript that has to be compiled",
      { "entry.ts": "\nenum A {}" },
      "entry.ts:2: TypeScript enum is not supported",
    ],
    [
      "such TypeScript in an imported file, too",
      { "entry.mjs": 'import "./lib/a.ts";', "lib/a.ts": "const a: = 1;" },
      "lib/a.ts:1: ",
    ],
    ["invalid JavaScript", { "entry.mjs": "\nimport { from;" }, "entry.mjs:2: it cannot be read as JavaScript"],
    [
      "invalid JSON",
      { "entry.mjs": 'import a from "./a.json" with { type: "json" };', "a.json": "{" },
      "a.json is not JSON",
    ],
    [
      "JSON that is imported as code",
      { "entry.mjs": '\nimport a from "./a.json";', "a.json": "{}" },
      'entry.mjs:2 imports ./a.json, which is JSON; the import needs: with { type: "json" }',
    ],
    [
      "a file that is not code",
      { "entry.mjs": 'import "./a.css";', "a.css": "" },
      "a.css is neither JavaScript nor TypeScript nor JSON nor WebAssembly",
    ],
    ["invalid WebAssembly", { "entry.mjs": 'import "./a.wasm";', "a.wasm": "" }, "a.wasm is not WebAssembly: "],
    ["an invalid package.json", { "entry.ts": "", "package.json": "{" }, "package.json is not JSON"],
    [
      "a large file",
      { "entry.mjs": Buffer.alloc(16 * 1024 * 1024 + 1, 0x20) },
      "entry.mjs has 16777217 bytes, more than 16777216",
    ],
    [
      "a lot of TypeScript",
      { "entry.ts": Buffer.alloc(4 * 1024 * 1024 + 1, 0x20) },
      "a TypeScript file may have at most 4194304",
    ],
  ])("%s", async (_, files, problem) => {
    expect(await problemOf(files)).toContain(problem);
  });

  it("more than 1,000 files, and more than 64 MiB", SOAK, async () => {
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`lib/${index}.mjs`, ""]));
    const all = Object.keys(many).map((path) => `import "./${path}";`);
    expect(await problemOf({ ...many, "entry.mjs": all.join("\n") })).toBe("it has more than 1000 files");
    const root = tree({ ...many, "entry.mjs": all.slice(1).join("\n") });
    expect((await hostOf(root).resolve("entry")).artifact).toMatch(/^[0-9a-f]{64}$/);
    const large = Buffer.alloc(16 * 1024 * 1024, 0x20);
    const files = { "1.mjs": large, "2.mjs": large, "3.mjs": large, "4.mjs": large };
    const entry = Object.keys(files).map((path) => `import "./${path}";`);
    expect(await problemOf({ ...files, "entry.mjs": entry.join("\n") })).toContain("more than 67108864 bytes in all");
  });

  it("a pipe, without waiting for a writer", async () => {
    const root = tree({ "entry.mjs": 'import "./lib/pipe.mjs";', "lib/a.mjs": "" });
    execFileSync("mkfifo", [join(root, "lib/pipe.mjs")]);
    expect((await errorOf(hostOf(root).resolve("entry"))).metadata.problem).toContain("lib/pipe.mjs");
    expect((await errorOf(hostOf(root).resolve("lib/pipe"))).metadata.problem).toBe("lib/pipe.mjs is not a file");
  });

  it("a text that breaks the parser, and reads the next one nevertheless", async () => {
    const root = tree({ ...CODE, "deep.ts": `export default ${"(".repeat(100_000)}` });
    const host = hostOf(root);
    const [broken, whole] = await Promise.all([errorOf(host.resolve("deep")), host.resolve("entry")]);
    expect(broken).toMatchObject({ reason: "MODULE_INVALID" });
    expect(broken.metadata.problem).toContain("the parser ended");
    expect(whole).toEqual(await host.resolve("entry"));
  });
});

it("an optional package, required or imported dynamically, may be missing", async () => {
  const root = tree({
    "entry.cjs": 'try { require("no-such"); require("./no"); import("no-such-either"); } catch {}',
    "entry.mjs": 'export { default } from "./entry.cjs";',
  });
  expect(await artifactOf(root)).toMatch(/^[0-9a-f]{64}$/);
});

it("a module that failed to resolve resolves once its files are back", async () => {
  const root = tree(CODE);
  const host = hostOf(root);
  const resolved = await host.resolve("entry");
  renameSync(join(root, "lib"), join(root, "elsewhere"));
  expect((await errorOf(host.resolve("entry"))).reason).toBe("MODULE_INVALID");
  renameSync(join(root, "elsewhere"), join(root, "lib"));
  expect(await host.resolve("entry")).toEqual(resolved);
});
