import { chmod, cp, mkdir, mkdtemp, rename, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { RegistrationFields } from "../../../../src/core/modules/record/record.ts";
import { createManualClock, systemClock } from "../../../../src/kernel/clock.ts";
import { hurried } from "../../../support/clocks.ts";
import { itInEach } from "../../../support/isolations.ts";
import { itInRows } from "../../../support/rows.ts";
import { SOAK } from "../../../support/soak.ts";
import { until } from "../../../support/until.ts";
import { type Rig, type RigOptions, rig } from "../rig.ts";

const source = (version: string, more = ""): string =>
  `export default class A { static version = "${version}"; which() { return "${version}"; } ${more} }\n`;

interface Watched extends Rig {
  readonly root: string;
  readonly lines: string[];
  /** The messages that were logged for the module's files only. */
  readonly details: string[];
  write(file: string, text: string): Promise<void>;
  /** Resolves when that version serves. */
  serves(version: string, name?: string): Promise<void>;
  lineLogged(text: string | RegExp): Promise<string>;
  /** Rolls back once the present swap is over. */
  goBack(name: string, generation?: number): Promise<void>;
}

/** Shortens the waits for quiet files, which take most of the time of these tests: 0.2 s in the host, and 1 s in the engine. */
const HURRIED = { hostClock: hurried(200), clock: hurried(1000) };

/** Modules of a new root, in threads, whose files are followed. */
async function watched(
  files: Readonly<Record<string, string>>,
  load: Readonly<Record<string, Partial<RegistrationFields>>> = { a: {} },
  options: RigOptions = {},
): Promise<Watched> {
  const root = await mkdtemp(join(tmpdir(), "helios-watched-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const write = async (file: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), text);
  };
  for (const [file, text] of Object.entries(files)) await write(file, text);
  const lines: string[] = [];
  const details: string[] = [];
  const log = (_: string, level: string, message: string): void => {
    (level === "debug" ? details : lines).push(message);
  };
  const made = await rig({ root, log, watchFiles: true, ...HURRIED, ...options });
  for (const [name, fields] of Object.entries(load)) await made.load(name, { isolation: "THREAD", ...fields });
  const watching = (): readonly string[] => details.filter((line) => line.endsWith("are watched"));
  if (options.watchFiles !== false) await until(() => watching().length === Object.keys(load).length);
  return {
    ...made,
    root,
    lines,
    details,
    write,
    async serves(version, name = "a") {
      await until(() => {
        const { lifecycle } = made.modules.get(name).record;
        return lifecycle.state === "ACTIVE" && lifecycle.running.version === version;
      });
      expect(await made.call(name, "which")).toBe(version);
    },
    async goBack(name, generation) {
      await until(() => made.modules.swapUnderWay(name) === undefined);
      await made.modules.rollBack(name, { generation });
    },
    async lineLogged(text) {
      const is = (line: string): boolean => (typeof text === "string" ? line === text : text.test(line));
      await until(() => lines.some(is));
      return lines.find(is) ?? "";
    },
  };
}

const generation = ({ modules }: Rig, name = "a"): number => modules.get(name).record.generation;

/** How editors and tools save a file. */
const SAVES: Readonly<Record<string, (file: string, text: string) => Promise<unknown>>> = {
  "written in place": (file, text) => writeFile(file, text),
  "written to another file that is renamed": async (file, text) => {
    await writeFile(`${file}.tmp~`, text);
    await rename(`${file}.tmp~`, file);
  },
  "with its directory deleted and created again": async (file, text) => {
    await rm(dirname(file), { recursive: true });
    await mkdir(dirname(file));
    await writeFile(file, text);
  },
  "renamed and written again, as vim does": async (file, text) => {
    await writeFile(join(dirname(file), "4913"), "");
    await rm(join(dirname(file), "4913"));
    await rename(file, `${file}~`);
    await writeFile(file, text);
    await rm(`${file}~`);
  },
  "deleted and created again": async (file, text) => {
    await rm(file);
    await writeFile(file, text);
  },
  "emptied and written in two parts": async (file, text) => {
    await truncate(file, 0);
    await writeFile(file, text.slice(0, 20));
    await writeFile(file, text);
  },
  "with its whole directory": async (file, text) => {
    const directory = dirname(file);
    await cp(directory, `${directory}.new`, { recursive: true });
    await writeFile(join(`${directory}.new`, "a.js"), text);
    await rename(directory, `${directory}.old`);
    await rename(`${directory}.new`, directory);
    await rm(`${directory}.old`, { recursive: true });
  },
  "replaced by a link": async (file, text) => {
    await writeFile(join(dirname(file), "other.js"), text);
    await symlink("other.js", `${file}.link`);
    await rename(`${file}.link`, file);
  },
};

describe("a change of a followed module", () => {
  itInRows(2, Object.entries(SAVES))("%s causes a swap, and so does the next one", async (_, save) => {
    const one = await watched({ "dir/a.js": source("1") }, { a: { modulePath: "dir/a" } });
    const file = join(one.root, "dir/a.js");
    for (const version of ["2", "3"]) {
      await save(file, source(version));
      await one.serves(version);
    }
    await until(() => one.modules.get("a").record.lastSwap?.toVersion === "3");
    const changes = await one.store.history("module/a", 20);
    expect(changes.some(({ cause }) => cause.action === "SwapModule" && cause.actor === "file")).toBe(true);
  });

  it("a change in an import, or in a package.json beside it, causes a swap (PROCESS)", async () => {
    const files = {
      "a.js": `import { v } from "./lib/v.js"; export default class A { which() { return v; } }`,
      "lib/v.js": `export * from "../deep/er/w.js";`,
      "deep/er/w.js": `export const v = "1";`,
    };
    const one = await watched(files, { a: { isolation: "PROCESS", version: "0" } });
    await one.write("deep/er/w.js", `export const v = "2";`);
    await until(() => generation(one) === 2);
    expect(await one.call("a", "which")).toBe("2");
    await one.write("lib/v.js", `export * from "../fresh/w.js";`);
    await one.write("fresh/w.js", `export const v = "3";`);
    await until(() => generation(one) === 3);
    expect(await one.call("a", "which")).toBe("3");
  });

  it("a change of an asset, or by a new file among the assets, causes a swap", async () => {
    const one = await watched({ "a.js": source("1"), "data/w.json": "1" }, { a: { assets: ["data"] } });
    await one.write("data/w.json", "2");
    await until(() => generation(one) === 2);
    await one.write("data/more.json", "3");
    await until(() => generation(one) === 3);
  });

  it("a change of the times and modes only, of nothing, or of an unrelated file causes no swap", async () => {
    const one = await watched({ "a.js": source("1"), "b.js": source("1") }, { a: {}, b: {} });
    const file = join(one.root, "a.js");
    await utimes(file, new Date(), new Date());
    await chmod(file, 0o600);
    await one.write("a.js", source("1"));
    await one.write("none.js", source("9"));
    // A later change is detected later.
    await one.write("b.js", source("2"));
    await one.serves("2", "b");
    expect(generation(one)).toBe(1);
    expect(one.modules.get("a").record.lastSwap).toBeUndefined();
  });
});

describe("many files that change together", () => {
  it("cause one swap of each module, called modules first", async () => {
    const caller = (version: string): string => `import { v } from "./v.js"; ${source(version, `v() { return v; }`)}`;
    const files = { "a.js": caller("1"), "b.js": caller("1"), "c.js": source("1"), "v.js": "export const v = 1;" };
    const load = { c: {}, b: { dependencies: ["c"] }, a: { dependencies: ["b"] } };
    // They change together if the pauses between the writes are shorter than the wait for quiet files.
    const one = await watched(files, load, { hostClock: systemClock });
    for (const [file, text] of [
      ["a.js", caller("2")],
      ["v.js", "export const v = 2;"],
      ["b.js", caller("2")],
      ["c.js", source("2")],
    ] as const) {
      await one.write(file, text);
    }
    await one.serves("2");
    expect(["a", "b", "c"].map((name) => generation(one, name))).toEqual([2, 2, 2]);
    await one.lineLogged(/^module a was swapped/);
    expect(one.lines.filter((line) => line.includes("was swapped")).map((line) => line.split(" ")[1])).toEqual([
      "c",
      "b",
      "a",
    ]);
  });
});

describe("a changed file from which no module starts", () => {
  itInRows<[string, string, RegExp]>(1, [
    [
      "is not TypeScript",
      "export default class A {\n  foo( {\n}",
      /^module a was not swapped: a\.ts:\d+: .*; version 1 serves on$/,
    ],
    [
      "imports a missing file",
      `\nimport "./b.ts";`,
      /^module a was not swapped: a\.ts:2 imports \.\/b\.ts, which does not exist; version 1 serves on$/,
    ],
    [
      "throws during its import",
      `\nthrow new TypeError("boom");`,
      /^module a was not swapped: TypeError: boom \(a\.ts:2:7\); version 1 serves on$/,
    ],
    [
      "throws during its start",
      source("2", `\nasync start() { throw new Error("no\\nfeed"); }`),
      /^module a was not swapped: no\\nfeed \(a\.ts:2:23\); version 1 serves on$/,
    ],
    [
      "is not a module",
      "export const a = 1;",
      /^module a was not swapped: a is not a module: .*; version 1 serves on$/,
    ],
  ])(
    "because it %s is logged in one line, and the old version serves on until the file is repaired",
    async (_, text, line) => {
      const one = await watched({ "a.ts": source("1") });
      await one.write("a.ts", text);
      const lineLogged = await one.lineLogged(/was not swapped/);
      expect(lineLogged).toMatch(line);
      expect(await one.call("a", "which")).toBe("1");
      const { lastSwap } = one.modules.get("a").record;
      expect(lastSwap).toMatchObject({ swapped: false, fromVersion: "1" });
      await one.write("a.ts", source("3"));
      await one.serves("3");
      expect(one.lines.filter((each) => each.includes("was not swapped"))).toEqual([lineLogged]);
    },
  );

  itInEach("because it is not JavaScript is logged with the place (%s)", async (isolation) => {
    const one = await watched({ "a.js": source("1"), "lib.js": "export {};" }, { a: { isolation } });
    await one.write("lib.js", "\n\nexport const x = 1 +;");
    await one.write("a.js", `import "./lib.js";\n${source("2")}`);
    await one.lineLogged("module a was not swapped: SyntaxError: Unexpected token ';' (lib.js:3); version 1 serves on");
    expect(one.modules.get("a").record.lastSwap?.failure).toContain("(lib.js:3)");
  });

  it("because it is half written is not logged if it is complete in time", async () => {
    // No time passes on this clock, so the file is never half written for long.
    const one = await watched({ "a.js": source("1") }, { a: {} }, { clock: createManualClock() });
    await one.write("a.js", source("2").slice(0, 40));
    await until(() => one.details.includes("the files of module a cannot be read at the moment"));
    await one.write("a.js", source("2"));
    await one.serves("2");
    expect(one.lines.filter((line) => line.includes("was not swapped"))).toEqual([]);
  });

  it("is logged even if other files come and go beside it", SOAK, async () => {
    const one = await watched({ "a.js": source("1") });
    await one.write("a.js", `throw new Error("boom");`);
    await until(() => one.modules.get("a").record.lastSwap?.swapped === false);
    await one.write("notes.txt", "1");
    await one.lineLogged(/^module a was not swapped: .*boom.*; version 1 serves on$/);
  });

  it("because its tests fail is logged", async () => {
    const one = await watched({ "a.js": source("1") }, { a: { testSuite: "mine" } });
    one.modules.useGate(async () => ({ passed: false, detail: "1 of 1 required tests failed: fills" }));
    await one.write("a.js", source("2"));
    const line = "module a was not swapped: suite mine: 1 of 1 required tests failed: fills; version 1 serves on";
    await one.lineLogged(line);
    await one.serves("1");
  });

  it("because it imports from a missing directory is swapped when that exists", SOAK, async () => {
    const one = await watched({ "a.js": source("1") });
    await one.write("a.js", `import { A } from "./new/dir/b.js"; export default A;`);
    await one.lineLogged(/imports \.\/new\/dir\/b\.js/);
    await mkdir(join(one.root, "new/dir"), { recursive: true });
    await one.write("new/dir/b.js", source("2").replace("default ", ""));
    await one.serves("2");
  });
});

describe("a followed module", () => {
  it("is started when its file is repaired, if it failed and is to run", async () => {
    // No restart happens on this clock.
    const clock = createManualClock();
    const exits = source("1", "exit() { process.exit(1); }");
    const one = await watched({ "a.js": exits }, { a: { isolation: "PROCESS" } }, { clock });
    await one.call("a", "exit").catch(() => {});
    await one.reaches("a", "FAILED");
    await one.write("a.js", source("2"));
    await one.serves("2");
    await one.lineLogged("module a was started: a.js changed; version 2 serves");
  });

  it("is followed once its files can be watched, even if they could not at first", async () => {
    const lib = (version: string): string => `export const version = "${version}";`;
    const a = `import { version } from "./lib.js";
      export default class A { static version = version; which() { return version; } }`;
    const first = await watched({ "a.js": a, "lib.js": lib("1") }, { a: {} }, { watchFiles: false });
    const artifact = join(first.artifactsDir, first.modules.get("a").record.code?.artifact ?? "");
    await first.close();
    await rename(artifact, `${artifact}.away`);
    await mkdir(artifact);
    const lines: string[] = [];
    const log = (_area: string, _level: string, message: string) => lines.push(message);
    const { modules } = await rig({ ...HURRIED, root: first.root, store: first.store, log, watchFiles: true });
    const failed = "the files of module a could not be followed";
    await until(() => lines.includes(failed));
    await rm(artifact, { recursive: true });
    await rename(`${artifact}.away`, artifact);
    await until(() => lines.includes("the files of module a are watched"));
    await first.write("lib.js", lib("2"));
    await until(() => {
      const { lifecycle } = modules.get("a").record;
      return lifecycle.state === "ACTIVE" && lifecycle.running.version === "2";
    });
    expect(lines.filter((line) => line === failed)).toHaveLength(1);
  });

  it("stays unloaded after an unload", async () => {
    const one = await watched({ "a.js": source("1"), "b.js": source("1") }, { a: {}, b: {} });
    await one.modules.unload("a");
    await one.write("a.js", source("2"));
    await one.write("b.js", source("2"));
    await one.serves("2", "b");
    expect(one.state("a")).toBe("UNLOADED");
  });

  it("gets the new code and no traffic if it is LOADED", async () => {
    const one = await watched({ "a.js": source("1") }, {});
    await one.register("a", { isolation: "THREAD" });
    await one.modules.load("a", { activate: false });
    await one.write("a.js", source("2"));
    await until(() => generation(one) === 2);
    expect(one.state("a")).toBe("LOADED");
  });

  it("is left alone if it is not hot-reloadable, which is logged once", async () => {
    const one = await watched({ "a.js": source("1") }, { a: { hotReloadable: false } });
    for (const version of ["2", "3"]) {
      await one.write("a.js", source(version));
      await one.lineLogged(/^module a is registered as not hot reloadable/);
    }
    expect(generation(one)).toBe(1);
  });

  it("is left alone while it is frozen, and swapped at the next change after that", async () => {
    const one = await watched({ "a.js": source("1") });
    await one.flags.disable("hot_reload_modules", {}, { actor: "ana" });
    await one.write("a.js", source("2"));
    await one.lineLogged(
      "module a was not swapped: hot reload is off for a: flag hot_reload_modules was switched off by ana; the next change tries again",
    );
    await one.flags.enable("hot_reload_modules");
    expect(generation(one)).toBe(1);
    await one.write("a.js", source("2"));
    await one.serves("2");
  });

  it("stays rolled back until its file changes", async () => {
    const one = await watched({ "a.js": source("1"), "b.js": source("1") }, { a: {}, b: {} });
    await one.write("a.js", source("2"));
    await one.serves("2");
    await one.goBack("a");
    await utimes(join(one.root, "a.js"), new Date(), new Date());
    await one.write("b.js", source("2"));
    await one.serves("2", "b");
    await one.serves("1");
    await one.write("a.js", source("3"));
    await one.serves("3");
  });

  it("follows another file after a swap to that, and after a rollback no file until one changes", SOAK, async () => {
    const one = await watched({ "a.js": source("1"), "b.js": source("2"), "c.js": source("1") }, { a: {}, c: {} });
    await one.modules.swap("a", { newVersionPath: "b" });
    await one.write("b.js", source("3"));
    await one.serves("3");
    await one.goBack("a", 1);
    await one.write("c.js", source("2"));
    await one.serves("2", "c");
    await one.serves("1");
    await one.write("a.js", source("4"));
    await one.serves("4");
  });

  it("is swapped again if its file changes during its swap", async () => {
    const one = await watched({ "a.js": source("1") }, { a: { testSuite: "slow" } });
    const entered = Promise.withResolvers<void>();
    const open = Promise.withResolvers<void>();
    one.modules.useGate(async () => {
      entered.resolve();
      await open.promise;
      return { passed: true, detail: "" };
    });
    await one.write("a.js", source("2"));
    await entered.promise;
    await one.write("a.js", source("3"));
    open.resolve();
    await one.serves("3");
  });

  it("is swapped after a start of the service if its file changed meanwhile, unless it was rolled back from that content", async () => {
    const one = await watched({ "a.js": source("1"), "b.js": source("1") }, { a: {}, b: {} });
    await one.write("b.js", source("2"));
    await one.serves("2", "b");
    await one.goBack("b");
    await one.close();
    await one.write("a.js", source("2"));
    const next = await rig({ ...HURRIED, root: one.root, store: one.store, watchFiles: true });
    await until(() => {
      const { lifecycle } = next.modules.get("a").record;
      return lifecycle.state === "ACTIVE" && lifecycle.running.version === "2";
    });
    expect(await next.call("a", "which")).toBe("2");
    expect(await next.call("b", "which")).toBe("1");
  });

  it("is not swapped if the setting is off", async () => {
    const one = await watched({ "a.js": source("1") }, { a: {} }, { watchFiles: false });
    await one.write("a.js", source("2"));
    await one.close();
    expect(generation(one)).toBe(1);
  });
});
