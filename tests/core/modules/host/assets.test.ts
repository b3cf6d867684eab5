import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createManualClock } from "../../../../src/core/index.ts";
import { digestOf } from "../../../../src/core/modules/host/artifact/artifact.ts";
import { directoryShelf } from "../../../../src/core/modules/host/artifact/shelf.ts";
import { assetFault } from "../../../../src/core/modules/host/disk/keep-assets.ts";
import type { ModuleHost } from "../../../../src/core/modules/host/types/host.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEach, itInEach } from "../../../support/isolations.ts";
import { SOAK } from "../../../support/soak.ts";
import { answering, type Files, hostOf, launch, run, tree, write } from "../artifact-rig.ts";

/** Exports `add`. */
const ADD = Uint8Array.from(
  Buffer.from("0061736d0100000001070160027f7f017f030201000707010361646400000a09010700200020016a0b", "hex"),
);
const READS = answering(
  'readFileSync(new URL("./weights.bin", import.meta.url), "utf8")',
  'import { readFileSync } from "node:fs";',
);
const KEEPER = join(import.meta.dirname, "../../../fixtures/artifacts/keeper.ts");
const TEN_MINUTES = 10 * 60_000;
const bytesOf = (text: string): Uint8Array => Buffer.from(text);

describeInEach("the assets of a module in a %s", (isolation) => {
  const answer = async (files: Files, assets: readonly string[], path = "m"): Promise<unknown> => {
    const host = hostOf(tree(files), { artifactsDir: tree() });
    return run(await launch(host, await host.resolve(path, assets), isolation));
  };

  it("lie where its code expects them", async () => {
    const files = {
      "ml/model.ts": answering(
        `[
          readFileSync(new URL("./weights.bin", import.meta.url), "utf8"),
          readFileSync(join(import.meta.dirname, "deep/more.txt"), "utf8"),
          (await readdir(new URL("deep/", import.meta.url))).sort(),
          require("./deep/data.json").of,
          (await import("./deep/" + "data.json", { with: { type: "json" } })).default.of,
          (await import("./deep/" + "plugin.mjs")).default,
          (await WebAssembly.instantiate(await readFile(new URL("../add.wasm", import.meta.url)))).instance.exports.add(1, 2),
        ]`,
        `import { readFileSync } from "node:fs";
         import { readdir, readFile } from "node:fs/promises";
         import { createRequire } from "node:module";
         import { join } from "node:path";
         const require = createRequire(import.meta.url);`,
      ),
      "ml/weights.bin": "weights",
      "ml/deep/more.txt": "more",
      "ml/deep/data.json": '{ "of": "data" }',
      "ml/deep/plugin.mjs": 'export default "plugin"',
      "add.wasm": ADD,
    };
    expect(await answer(files, ["ml/weights.bin", "ml/deep", "add.wasm"], "ml.model")).toEqual([
      "weights",
      "more",
      ["data.json", "more.txt", "plugin.mjs"],
      "data",
      "data",
      "plugin",
      3,
    ]);
  });

  it("have paths that the context provides", async () => {
    const files = {
      "m.mjs": `import { readFileSync } from "node:fs";
        export default class {
          constructor({ assets }) { this.assets = assets }
          run() {
            const text = (path) => { try { return readFileSync(this.assets.path(path), "utf8") } catch ({ name, message }) { return name + ": " + message } };
            return [text("data/a.txt"), text("b.txt"), this.assets.path("data").split("/").pop(), text("m.mjs"), text("data/../b.txt"), text("")];
          }
        }`,
      "data/a.txt": "a",
      "b.txt": "b",
    };
    const none = (path: string): string =>
      `RangeError: ${path} is not an asset of the module; the assets are b.txt, data/a.txt`;
    expect(await answer(files, ["data", "b.txt"])).toEqual([
      "a",
      "b",
      "data",
      none('"m.mjs"'),
      none('"data/../b.txt"'),
      none('""'),
    ]);
  });

  it("stay as they were when the module was resolved, whatever happens to the files", async () => {
    const root = tree({ "m.mjs": READS, "weights.bin": "old" });
    const host = hostOf(root, { artifactsDir: tree() });
    const old = await host.resolve("m", ["weights.bin"]);
    write(root, { "weights.bin": "new" });
    const next = await host.resolve("m", ["weights.bin"]);
    rmSync(join(root, "weights.bin"));
    expect(await run(await launch(host, old, isolation))).toBe("old");
    expect(await run(await launch(host, next, isolation))).toBe("new");
    expect(next.sha256).toBe(old.sha256);
    expect(next.artifact).not.toBe(old.artifact);
  });

  it("can be read by that module alone, and be changed by no one", async () => {
    const root = tree({
      "m.mjs": answering(
        `[() => readFileSync(input, "utf8"), () => writeFileSync(new URL("./weights.bin", import.meta.url), "x")].map((work) => {
          try { return work() } catch ({ code }) { return code } })`,
        'import { readFileSync, writeFileSync } from "node:fs";',
      ),
      "weights.bin": "mine",
      "other.bin": "other",
    });
    const artifactsDir = tree();
    const host = hostOf(root, { artifactsDir });
    const other = await host.resolve("m", ["other.bin"]);
    await launch(host, other, isolation);
    const instance = await launch(host, await host.resolve("m", ["weights.bin"]), isolation);
    const denied = "ERR_ACCESS_DENIED";
    for (const path of [join("trees", other.artifact, "other.bin"), digestOf(bytesOf("other")), other.artifact]) {
      expect(existsSync(join(artifactsDir, path))).toBe(true);
      expect(await run(instance, join(artifactsDir, path))).toEqual([denied, denied]);
    }
  });

  it("do not change the places in errors, which are as the author wrote them", async () => {
    const thrower = "\nexport const fail = () => { throw new Error('why') };\n";
    const root = tree({
      "m.mjs": answering("fail()", 'import { fail } from "./lib/thrower.mjs";'),
      "lib/thrower.mjs": thrower,
      "m.cjs": "module.exports = class { run() { throw new Error('why') } }",
      "a.txt": "a",
    });
    const host = hostOf(root, { artifactsDir: tree() });
    const stackOf = async (path: string): Promise<string | undefined> =>
      (await errorOf(run(await launch(host, await host.resolve(path, ["a.txt"]), isolation)))).metadata.stack;
    expect(await stackOf("m.mjs")).toContain(`file://${root}/lib/thrower.mjs:2:`);
    expect(await stackOf("m.cjs")).toContain(`(${root}/m.cjs:1:`);
  });
});

describe("an imported WebAssembly file", () => {
  itInEach("is code of the artifact, in a %s", async (isolation) => {
    const root = tree({
      "m.mjs": answering(
        "[add(1, 2), compiled instanceof WebAssembly.Module]",
        'import { add } from "./lib/add.wasm"; import source compiled from "./lib/add.wasm";',
      ),
      "lib/add.wasm": ADD,
    });
    const host = hostOf(root);
    const module = await host.resolve("m");
    rmSync(join(root, "lib"), { recursive: true });
    expect(await run(await launch(host, module, isolation))).toEqual([3, true]);
  });

  it("changes the artifact when it changes", async () => {
    const root = tree({ "m.mjs": answering("1", 'import "./add.wasm";'), "add.wasm": ADD });
    const host = hostOf(root);
    const { artifact } = await host.resolve("m");
    write(root, { "add.wasm": Buffer.concat([ADD, Buffer.from("00020161", "hex")]) });
    expect((await host.resolve("m")).artifact).not.toBe(artifact);
  });
});

describe("the digest of an artifact with assets", () => {
  it("is the same for the same files, however they are named, and changes with a byte, a name or the set", async () => {
    const root = tree({ "m.mjs": answering("1"), "d/a": "1", "d/b": "2" });
    const host = hostOf(root, { artifactsDir: tree() });
    const of = async (...assets: string[]): Promise<string> => (await host.resolve("m", assets)).artifact;
    const all = await of("d");
    expect(await of("d/b", "d/a", "d/a")).toBe(all);
    expect(await of("./d/a", "d//b")).toBe(all);
    const others = [await of(), await of("d/a")];
    write(root, { "d/a": "3" });
    others.push(await of("d"));
    rmSync(join(root, "d/a"));
    others.push(await of("d"));
    write(root, { "d/c": "1" });
    others.push(await of("d"));
    expect(new Set([all, ...others]).size).toBe(6);
  });
});

describe("an asset is refused", () => {
  const problemOf = async (root: string, ...assets: string[]): Promise<string | undefined> => {
    const error = await errorOf(hostOf(root, { artifactsDir: tree() }).resolve("m", assets));
    expect(error).toMatchObject({ reason: "MODULE_ASSET_INVALID", metadata: { module_path: "m" } });
    return error.metadata.problem;
  };
  const root = (files: Files = {}): string => tree({ "m.mjs": answering("1"), ...files });

  it.each(["nothing", "nothing/here", "m.mjs/here"])("if it does not exist: %s", async (path) => {
    expect(await problemOf(root(), path)).toBe(`${path} does not exist`);
  });

  it.each(["../a", "a/../../b", "/etc/passwd", "a\\b", "a\0b", ".", "", "a/.."])(
    "if it is not below the root: %j",
    async (path) => {
      expect(await problemOf(root({ a: "" }), path)).toBe(
        `${JSON.stringify(path)} is not a path below the modules root`,
      );
    },
  );

  it("if a link leads it out of the root, also inside its directory", async () => {
    const outside = tree({ "d/secret": "s" });
    const inside = root({ "d/a": "a" });
    symlinkSync(join(outside, "d/secret"), join(inside, "file"));
    symlinkSync(join(outside, "d"), join(inside, "directory"));
    symlinkSync(join(outside, "d/secret"), join(inside, "d/linked"));
    for (const path of ["file", "directory", "directory/secret"]) {
      expect(await problemOf(inside, path)).toMatch(/ leads out of the modules root$/);
    }
    expect(await problemOf(inside, "d")).toBe("d/linked leads out of the modules root");
  });

  it("if it is a pipe or a device, also inside its directory, at once", async () => {
    const inside = root({ "d/a": "a" });
    execFileSync("mkfifo", [join(inside, "d/pipe")]);
    expect(await problemOf(inside, "d/pipe")).toBe("d/pipe is neither a file nor a directory");
    expect(await problemOf(inside, "d")).toBe("d/pipe is neither a file nor a directory");
  });

  it("if it cannot be read", async () => {
    if (process.getuid?.() === 0) return;
    const inside = root({ a: "a" });
    chmodSync(join(inside, "a"), 0);
    expect(await errorOf(hostOf(inside).resolve("m", ["a"]))).toMatchObject({
      reason: "MACHINE_FAULT",
      metadata: { problem: expect.stringContaining("EACCES") },
    });
  });

  it("if it makes the assets too large, before it is read", async () => {
    const inside = root({ a: "a", b: "b" });
    truncateSync(join(inside, "b"), 512 * 1024 * 1024);
    expect(await problemOf(inside, "a", "b")).toBe(
      "b is too large: all assets together may have at most 536870912 bytes",
    );
  });

  it("if its directory has too many files, or links that form a circle", SOAK, async () => {
    const inside = root();
    mkdirSync(join(inside, "many"));
    for (let index = 0; index < 2000; index += 1) writeFileSync(join(inside, `many/${index}`), "");
    expect(await problemOf(inside, "many")).toBe("there are more than 2000 files and directories");
    mkdirSync(join(inside, "circle"));
    symlinkSync(join(inside, "circle"), join(inside, "circle/again"));
    expect(await problemOf(inside, "circle")).toBe("circle/again is a link to a directory: name the directory itself");
  });
});

describe("an error that the files did not cause", () => {
  it("is reported as a fault of the store if its path is in the store or missing, and otherwise of the machine", async () => {
    const error = (code: string, path?: string): NodeJS.ErrnoException =>
      Object.assign(new Error(code), { code }, path === undefined ? {} : { path });
    const faultOf = (code: string, path?: string) => assetFault(error(code, path), "told", "/store")?.isOfStore;
    for (const code of ["EMFILE", "ENFILE", "EIO", "ESTALE", "EBUSY", "ETIMEDOUT", "EACCES"]) {
      for (const path of ["/root/a", "/storeroom/a"]) expect(faultOf(code, path)).toBe(false);
    }
    for (const path of ["/store", "/store/trees/x"]) {
      for (const code of ["EACCES", "ENOSPC", "ENOENT", "EISDIR"]) expect(faultOf(code, path)).toBe(true);
    }
    // An error of a write has no path.
    expect(faultOf("ENOSPC")).toBe(true);
    for (const code of ["ENOENT", "ENOTDIR", "ELOOP"]) expect(faultOf(code, "/root/a")).toBe(undefined);
  });

  it("can be retried, and the module goes on as before", async () => {
    const artifactsDir = tree();
    const host = hostOf(tree({ "m.mjs": READS, "weights.bin": "weights" }), { artifactsDir });
    // A directory is in the place of the copy.
    const place = join(artifactsDir, digestOf(bytesOf("weights")));
    mkdirSync(join(place, "in the way"), { recursive: true });
    expect((await errorOf(host.resolve("m", ["weights.bin"]))).reason).toBe("STORE_UNAVAILABLE");
    rmSync(place, { recursive: true });
    expect(await run(await launch(host, await host.resolve("m", ["weights.bin"]), "THREAD"))).toBe("weights");
  });
});

describe("links below the root", () => {
  it("links to files are read under their own names, and links to directories as the files in the target", async () => {
    const root = tree({
      "v2/m.mjs": answering(
        '["weights.bin", "data/a"].map((path) => readFileSync(new URL(path, import.meta.url), "utf8"))',
        'import { readFileSync } from "node:fs";',
      ),
      "blobs/1": "weights",
      "v2/data/a": "a",
    });
    symlinkSync("../blobs/1", join(root, "v2/weights.bin"));
    symlinkSync("v2", join(root, "current"));
    const host = hostOf(root, { artifactsDir: tree() });
    const module = await host.resolve("current/m", ["current/weights.bin", "current/data"]);
    expect(await run(await launch(host, module, "THREAD"))).toEqual(["weights", "a"]);
  });
});

describe("assets on disk", () => {
  const rig = async (more: Files = {}) => {
    const root = tree({ "m.mjs": READS, "weights.bin": "weights", ...more });
    const artifactsDir = tree();
    const clock = createManualClock();
    const host = hostOf(root, { artifactsDir, clock });
    const module = await host.resolve("m", ["weights.bin"]);
    return { root, artifactsDir, clock, host, module, kept: join(artifactsDir, digestOf(bytesOf("weights"))) };
  };
  const answer = async (host: ModuleHost, module: Awaited<ReturnType<typeof rig>>["module"]): Promise<unknown> => {
    const instance = await launch(host, module, "THREAD");
    const text = await run(instance);
    instance.kill();
    await instance.ended;
    return text;
  };

  it("are stored once for all artifacts", async () => {
    const { root, artifactsDir, host, module, kept } = await rig();
    write(root, { "m.mjs": `${READS}// changed` });
    const next = await host.resolve("m", ["weights.bin"]);
    await answer(host, module);
    await answer(host, next);
    const inTree = (artifact: string): number => statSync(join(artifactsDir, "trees", artifact, "weights.bin")).ino;
    expect([inTree(module.artifact), inTree(next.artifact)]).toEqual([statSync(kept).ino, statSync(kept).ino]);
  });

  it("are copied again if only the copies exist, as after a restore", async () => {
    const { artifactsDir, host, module } = await rig();
    expect(await answer(host, module)).toBe("weights");
    rmSync(join(artifactsDir, "trees"), { recursive: true });
    expect(await answer(host, module)).toBe("weights");
  });

  it.each<[string, (file: string) => void, string]>([
    ["changed", (file) => overwrite(file, "Weights"), "is damaged"],
    ["cut off", (file) => overwrite(file, "weig"), "is damaged"],
    ["missing", (file) => rmSync(file), "is not in"],
  ])(
    "assets that are %s are not given to a module, and are made again by the next resolve",
    async (_, damage, problem) => {
      const { artifactsDir, host, module, kept } = await rig();
      expect(await answer(host, module)).toBe("weights");
      damage(kept);
      rmSync(join(artifactsDir, "trees"), { recursive: true });
      const error = await errorOf(launch(host, module, "PROCESS"));
      expect(error).toMatchObject({ reason: "MODULE_LOAD_FAILED", metadata: { step: "import" } });
      expect(error.metadata.error).toContain(`its asset weights.bin (${digestOf(bytesOf("weights"))}) `);
      expect(error.metadata.error).toContain(problem);
      expect(error.metadata.error).toContain("load or swap m to create it again");
      expect(await host.resolve("m", ["weights.bin"])).toEqual(module);
      expect(await answer(host, module)).toBe("weights");
    },
  );

  it("assets that are damaged where a module reads them are repaired", async () => {
    const { artifactsDir, host, module, kept } = await rig();
    const place = join(artifactsDir, "trees", module.artifact, "weights.bin");
    expect(await answer(host, module)).toBe("weights");
    for (const damage of [() => rmSync(place), () => replace(place, "weigHts"), () => replace(place, "")]) {
      damage();
      expect(await answer(host, module)).toBe("weights");
    }
    expect(readFileSync(kept, "utf8")).toBe("weights");
  });

  it("are deleted with the last artifact that has them", async () => {
    const { root, artifactsDir, clock, host, module, kept } = await rig();
    write(root, { "m.mjs": `${READS}// changed` });
    const next = await host.resolve("m", ["weights.bin"]);
    await answer(host, module);
    await answer(host, next);
    clock.advance(TEN_MINUTES);
    await host.keepArtifacts(new Set([next.artifact]));
    expect(existsSync(kept)).toBe(true);
    expect(readdirSync(join(artifactsDir, "trees"))).toEqual([next.artifact]);
    // A host that has not stored them can read them, too.
    const other = hostOf(root, { artifactsDir, clock });
    await other.keepArtifacts(new Set([next.artifact]));
    expect(existsSync(kept)).toBe(true);
    expect(await answer(other, next)).toBe("weights");
    clock.advance(TEN_MINUTES);
    await other.keepArtifacts(new Set());
    expect(readdirSync(artifactsDir)).toEqual(["trees"]);
    expect(readdirSync(join(artifactsDir, "trees"))).toEqual([]);
  });

  it("assets of a running instance are not deleted", async () => {
    const { artifactsDir, clock, host, module, kept } = await rig();
    const instance = await launch(host, module, "PROCESS");
    clock.advance(TEN_MINUTES * 10);
    await host.keepArtifacts(new Set());
    expect(await run(instance)).toBe("weights");
    instance.kill();
    await instance.ended;
    clock.advance(TEN_MINUTES);
    await host.keepArtifacts(new Set());
    expect(existsSync(kept)).toBe(false);
    expect(existsSync(join(artifactsDir, module.artifact))).toBe(false);
  });

  it("are not artifacts, although they look like one", async () => {
    const { root, host, clock } = await rig({ "fake.bin": '{"version":1,"assets":7}\n', "half.bin": '{"version":1' });
    const module = await host.resolve("m", ["fake.bin", "half.bin", "weights.bin"]);
    clock.advance(TEN_MINUTES);
    await hostOf(root).keepArtifacts(new Set());
    await host.keepArtifacts(new Set([module.artifact]));
    expect(await answer(host, module)).toBe("weights");
  });
});

it("a partial copy of an asset is removed when the next copy is made", async () => {
  const artifactsDir = tree();
  const host = hostOf(tree({ "m.mjs": READS, "weights.bin": "weights" }), { artifactsDir });
  await host.resolve("m");
  const cutOff = [".0.tmp", ".0.7.tmp"].map((end) => join(artifactsDir, digestOf(bytesOf("weights")) + end));
  for (const file of cutOff) writeFileSync(file, "wei", { mode: 0o400 });
  expect(await run(await launch(host, await host.resolve("m", ["weights.bin"]), "THREAD"))).toBe("weights");
  for (const file of cutOff) expect(existsSync(file)).toBe(false);
});

it("an asset that begins like an artifact is read only as far as the longest header of an artifact", async () => {
  const artifactsDir = tree();
  const digest = "a".repeat(64);
  const shelf = directoryShelf(artifactsDir);
  const write = (end: number): void => {
    const file = openSync(join(artifactsDir, digest), "w");
    writeSync(file, '{"version":1');
    writeSync(file, "\n", end);
    closeSync(file);
  };
  await shelf.list();
  write(1000);
  expect((await shelf.head(digest))?.length).toBe(1001);
  write(17 * 1024 * 1024);
  expect(await shelf.head(digest)).toBe(undefined);
});

it("assets of a killed process are removed by the next process with assets, those of a running one are not", async () => {
  const before = new Set(readdirSync(tmpdir()));
  const killed = spawnSync(process.execPath, [KEEPER], { encoding: "utf8" });
  expect(killed.signal).toBe("SIGKILL");
  const left = readdirSync(tmpdir()).filter((name) => !before.has(name) && name.includes(`-${killed.pid}-`));
  expect(left).toHaveLength(1);
  const living = hostOf(tree({ "m.mjs": READS, "weights.bin": "weights" }));
  const instance = await launch(living, await living.resolve("m", ["weights.bin"]), "THREAD");
  const other = hostOf(tree({ "m.mjs": READS, "weights.bin": "other" }));
  await other.resolve("m", ["weights.bin"]);
  expect(left.filter((name) => existsSync(join(tmpdir(), name)))).toEqual([]);
  expect(await run(instance)).toBe("weights");
});

it("assets of a host without a directory are temporary files until the host is closed", async () => {
  const ofHosts = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith("helios-assets-"));
  const host = hostOf(
    tree({
      "m.mjs": answering(
        "(await import('node:fs')).readFileSync(new URL('a', import.meta.url), 'utf8') + import.meta.url",
      ),
      a: "a",
    }),
  );
  const instance = await launch(host, await host.resolve("m", ["a"]), "PROCESS");
  const answer = String(await run(instance));
  const [, name = ""] = /(helios-assets-[^/]+)/.exec(answer) ?? [];
  expect(answer).toMatch(/^afile:/);
  expect(ofHosts()).toContain(name);
  await host.close();
  expect(ofHosts()).not.toContain(name);
});

/** Changes the file in place, so that links to it see the change. */
function overwrite(file: string, text: string): void {
  chmodSync(file, 0o600);
  writeFileSync(file, text);
}

function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}
