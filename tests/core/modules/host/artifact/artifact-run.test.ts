import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { errorOf } from "../../../../support/errors.ts";
import { describeInEach } from "../../../../support/isolations.ts";
import { answering, type Files, hostOf, launch, run, tree, write } from "../../artifact-rig.ts";

const BOOTSTRAP = new URL("../../../../../gen/bundles/host/reaper/main.js", import.meta.url);

describeInEach("code in a %s", (isolation) => {
  const answer = async (files: Files, fsRead: readonly string[] = []): Promise<unknown> =>
    answerOf(tree(files), fsRead);
  const answerOf = async (root: string, fsRead: readonly string[] = []): Promise<unknown> => {
    const host = hostOf(root);
    return run(await launch(host, await host.resolve("entry"), isolation, fsRead));
  };

  it("runs as it was when it was resolved, though the files have changed or are gone", async () => {
    const root = tree({
      "entry.ts": answering('[value, (await import("./lib/late.ts")).late]', 'import { value } from "./lib/value.ts";'),
      "lib/value.ts": 'export const value: string = "old";',
      "lib/late.ts": 'export const late = "old";',
    });
    const host = hostOf(root);
    const module = await host.resolve("entry");
    write(root, { "lib/value.ts": 'export const value = "new";' });
    rmSync(join(root, "lib/late.ts"));
    const instance = await launch(host, module, isolation);
    rmSync(join(root, "entry.ts"));
    expect(await run(instance)).toEqual(["old", "old"]);
    expect(await run(await launch(host, module, isolation))).toEqual(["old", "old"]);
  });

  it("does not start if the host is closed meanwhile", async () => {
    const host = hostOf(tree({ "entry.ts": answering("1") }));
    const starting = errorOf(launch(host, await host.resolve("entry"), isolation));
    await host.close();
    expect((await starting).reason).toBe("SERVER_DRAINING");
  });

  it("may have circular imports", async () => {
    const files = {
      "entry.mjs": answering("[a(), name]", 'import { a } from "./a.mjs"; export const name = "entry";'),
      "a.mjs": 'import { b } from "./b.mjs"; import { name } from "./entry.mjs"; export const a = () => b(name);',
      "b.mjs": 'import { a } from "./a.mjs"; export const b = (name) => [name, typeof a];',
    };
    expect(await answer(files)).toEqual([["entry", "function"], "entry"]);
  });

  it("follows links to files below the root, and treats a file and its links as one", async () => {
    const root = tree({
      "entry.mjs": answering(
        "[a === b, a]",
        'import { a } from "./link.mjs"; import { a as b } from "./lib/real.mjs";',
      ),
      "lib/real.mjs": "export const a = { url: import.meta.url.split('/').pop() };",
    });
    symlinkSync(join(root, "lib/real.mjs"), join(root, "link.mjs"));
    expect(await answerOf(root)).toEqual([true, { url: "real.mjs" }]);
  });

  it("uses packages below the root, also in CommonJS with all its forms of file names", async () => {
    const files = {
      "entry.ts": answering(
        "[pkg.whole, named, inner.name, scoped, sub]",
        [
          'import pkg, { named } from "pkg";',
          'import * as inner from "#inner";',
          'import scoped from "@scope/esm";',
          'import sub from "@scope/esm/sub";',
        ].join("\n"),
      ),
      "package.json": '{ "imports": { "#inner": "./inner.mjs" } }',
      "inner.mjs": 'export const name = "inner";',
      "node_modules/pkg/package.json": '{ "main": "./lib" }',
      "node_modules/pkg/lib/index.js": [
        'const path = require("path"); const { deep } = require("./deep"); const data = require("../data");',
        'let missing; try { require("optional-thing") } catch (error) { missing = error.code }',
        "exports.named = deep(); exports.whole = { data, missing, file: path.basename(__filename) };",
      ].join("\n"),
      "node_modules/pkg/lib/deep/index.js": 'exports.deep = () => require("other").kind;',
      "node_modules/pkg/data.json": '{ "of": "pkg" }',
      "node_modules/other/package.json":
        '{ "exports": { "import": "./no.mjs", "node-addons": "./addon.cjs", "require": "./required.cjs" } }',
      "node_modules/other/required.cjs": 'exports.kind = "required";',
      "node_modules/other/addon.cjs": 'exports.kind = "addon";',
      "node_modules/@scope/esm/package.json":
        '{ "type": "module", "exports": { ".": { "module-sync": "./main.js", "import": "./no.js" }, "./sub": "./sub.js" } }',
      "node_modules/@scope/esm/main.js": 'export default "scoped";',
      "node_modules/@scope/esm/sub.js": 'export default "sub";',
    };
    expect(await answer(files)).toEqual([
      { data: { of: "pkg" }, missing: "MODULE_NOT_FOUND", file: "index.js" },
      "required",
      "inner",
      "scoped",
      "sub",
    ]);
  });

  it.each<[string, Files]>([
    [
      "the syntax of a .js file without a package.json",
      { "entry.js": "module.exports = class { run() { return typeof require } }" },
    ],
    [
      "the type in a package.json",
      {
        "entry.js": "module.exports = class { run() { return typeof require } }",
        "package.json": '{ "type": "commonjs" }',
      },
    ],
    [
      "TypeScript",
      { "entry.ts": "const name: string = typeof require; module.exports = class { run() { return name } }" },
    ],
  ])("may be CommonJS itself, recognised by %s", async (_, files) => {
    expect(await answer(files)).toBe("function");
  });

  it("is an ES module if it has a top-level await, whatever its name", async () => {
    const files = {
      "entry.mjs": answering("globalThis.waited", 'import "./waits.js";'),
      "waits.js": "globalThis.waited = await 1;",
    };
    expect(await answer(files)).toBe(1);
  });

  it("imports JSON, and other code by literal names", async () => {
    const files = {
      "entry.ts": answering(
        '[data, (await import("./late.mjs")).default, require("./required.cjs"), import.meta.resolve("./late.mjs").endsWith("/late.mjs")]',
        [
          'import data from "./data.json" with { type: "json" };',
          'import { createRequire } from "node:module";',
          "const require = createRequire(import.meta.url);",
        ].join("\n"),
      ),
      "data.json": '\uFEFF{ "a": [1] }',
      "late.mjs": 'export default "late";',
      "required.cjs": 'module.exports = "required";',
    };
    expect(await answer(files)).toEqual([{ a: [1] }, "late", "required", true]);
  });

  it("has one instance of a file for each query, as Node has", async () => {
    const files = {
      "entry.mjs": answering(
        "[a === c, a === b, a.at, b.at]",
        'import a from "./a.mjs"; import b from "./a.mjs?2"; import c from "./a.mjs";',
      ),
      "a.mjs": "export default { at: new URL(import.meta.url).search };",
    };
    expect(await answer(files)).toEqual([true, false, "", "?2"]);
  });

  it("may import by a computed name only a file of the artifact; another fails with advice", async () => {
    const files = {
      "entry.mjs": answering(
        '[(await import("./" + "a.mjs")).default, await import("./" + "b.mjs").catch(({ code, message }) => [code, message])]',
        'import "./a.mjs";',
      ),
      "a.mjs": 'export default "a";',
      "b.mjs": 'export default "b";',
    };
    const message = expect.stringMatching(
      /^imports \.\/b\.mjs, which is not in the module's artifact: .*grant fs_read/,
    );
    expect(await answer(files)).toEqual(["a", ["ERR_MODULE_NOT_FOUND", message]]);
  });

  it("cannot read its own directory or anything beside it", async () => {
    const files = {
      "entry.mjs": answering(
        '[readFileSync, readdirSync].map((read) => { try { return read(new URL(".", import.meta.url)) } catch ({ code }) { return code } })',
        'import { readFileSync, readdirSync } from "node:fs";',
      ),
    };
    expect(await answer(files)).toEqual(["ERR_ACCESS_DENIED", "ERR_ACCESS_DENIED"]);
  });

  it("shows places in errors as its author wrote them", async () => {
    const files = {
      "lib/thrower.ts": "type A = string;\nexport const fail = (why: A): never => {\n  throw new Error(why);\n};\n",
    };
    const root = tree({ ...files, "entry.ts": answering('fail("why")', 'import { fail } from "./lib/thrower.ts";') });
    const { stack } = (await errorOf(answerOf(root))).metadata;
    expect(stack).toContain(`file://${root}/lib/thrower.ts:3:9`);
    expect(stack).toContain(`file://${root}/entry.ts:2`);
  });

  describe("code outside the modules root", () => {
    const withOutside = (entry: string): { root: string; outside: string } => {
      const outside = tree({
        "shared.ts": 'import { more } from "./more.ts"; export const shared: string = "shared " + more;',
        "more.ts": 'export const more = "more";',
      });
      const root = tree({ "entry.ts": entry });
      symlinkSync(outside, join(root, "shared"));
      return { root, outside };
    };

    it("is refused with the file, the line and the import", async () => {
      const { root, outside } = withOutside(answering("shared", '\nimport { shared } from "./shared/shared.ts";'));
      const error = await errorOf(answerOf(root));
      expect(error).toMatchObject({ reason: "MODULE_LOAD_FAILED", metadata: { step: "import" } });
      expect(error.metadata.error).toBe(
        `entry.ts:2 imports ./shared/shared.ts, which is ${outside}/shared.ts: it is outside of the modules root, and no fs_read covers it`,
      );
      expect((await errorOf(answerOf(root, [`${outside}/shared`]))).reason).toBe("MODULE_LOAD_FAILED");
    });

    it("runs from granted directories, in its present form", async () => {
      const { root, outside } = withOutside(answering("shared", 'import { shared } from "./shared/shared.ts";'));
      const host = hostOf(root);
      const module = await host.resolve("entry");
      write(outside, { "more.ts": 'export const more = "changed";' });
      expect(await run(await launch(host, module, isolation, [outside]))).toBe("shared changed");
    });

    it("is imported by a computed name from granted directories only", async () => {
      const { root, outside } = withOutside(answering("(await import(input)).shared"));
      const host = hostOf(root);
      const instance = await launch(host, await host.resolve("entry"), isolation, [outside]);
      expect(await run(instance, join(outside, "shared.ts"))).toBe("shared more");
      const elsewhere = tree({ "shared.mjs": "export const shared = 1;" });
      for (const path of [
        join(elsewhere, "shared.mjs"),
        fileURLToPath(BOOTSTRAP),
        BOOTSTRAP.href,
        "data:text/javascript,",
        "a-package",
      ]) {
        const error = await errorOf(run(instance, path));
        expect(error.metadata.error).toContain("not in the module's artifact");
      }
    });
  });
});
