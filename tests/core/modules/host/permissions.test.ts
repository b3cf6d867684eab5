import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, it } from "vitest";
import { systemClock } from "../../../../src/core/index.ts";
import { createModuleHost } from "../../../../src/core/modules/host/index.ts";
import type { Grants, Instance, ModuleHost, ResolvedModule } from "../../../../src/core/modules/host/types/host.ts";
import { describeInEach } from "../../../support/isolations.ts";
import { type Files, hostOf, run, tree, write } from "../artifact-rig.ts";
import { NO_GRANTS } from "../host-rig.ts";

const PAGE = readFileSync(new URL("../../../../docs/permissions.md", import.meta.url), "utf8");

/** The rows of the table after a marker, with the text of each column. Code has no backticks. */
function rows(mark: string): readonly (readonly string[])[] {
  const [, table = ""] = PAGE.split(`<!-- ${mark} -->`);
  const lines = table.trimStart().split("\n\n")[0]?.split("\n").slice(2) ?? [];
  return lines.map((line) =>
    line
      .replace(/^\| | \|$/g, "")
      .split(/(?<!\\) \| /)
      .map((cell) => cell.replaceAll("\\|", "|").trim()),
  );
}

/** The errors of the guard and of SQLite. */
const REFUSED = /^(ERR_ACCESS_DENIED|not authorized|authorization denied)$/;

const codeIn = (cell = ""): string => cell.replace(/^`|`$/g, "");

/** Runs code, and returns what it threw, or that it threw nothing. */
const RUNNER = `
  const AsyncFunction = (async () => {}).constructor;
  const names = ["fs", "net", "os", "v8", "dns", "dgram", "inspector", "child_process", "worker_threads"];
  const modules = names.map((name) => process.getBuiltinModule("node:" + name));
  const { once } = process.getBuiltinModule("node:events");
  const { promisify } = process.getBuiltinModule("node:util");
  const { isMainThread } = process.getBuiltinModule("node:worker_threads");
  export default class {
    async run({ code, places }) {
      // The code itself is responsible for what remains open after its answer.
      process.removeAllListeners("uncaughtException");
      const uncaught = new Promise((_, reject) => process.once("uncaughtException", reject));
      try {
        // Without the grant, the missing module is the refusal.
        const sqlite = await import("node:sqlite").catch((error) => { if (code.includes("sqlite")) throw error });
        const opened = (database) => (database.open(), database);
        const reopened = (database) => (database.close(), opened(database));
        const known = { ...places, once, promisify, isMainThread, sqlite, opened, reopened };
        const work = new AsyncFunction(...names, ...Object.keys(known), "return (" + code + ")");
        await Promise.race([work(...modules, ...Object.values(known)), uncaught]);
        return "works";
      } catch (error) {
        // SQLite has one code for all its errors.
        if (error.code === "ERR_SQLITE_ERROR") return error.message;
        return error.cause?.code ?? error.code ?? error.name;
      }
    }
  }`;

const server = createServer((socket) => {
  socket.once("data", () => socket.end("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"));
  socket.on("error", () => {});
});
let port = 0;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as { port: number }).port;
});
afterAll(() => server.close());

/** A new directory with these files, which exists until all tests have ended. */
function hereafter(files: Files = {}): string {
  const place = realpathSync(mkdtempSync(join(tmpdir(), "helios-permissions-")));
  afterAll(() => rmSync(place, { recursive: true, force: true }));
  write(place, files);
  return place;
}

describeInEach("a module in a %s", (isolation) => {
  const instances = new Map<string, { readonly instance: Promise<Instance>; readonly directory: string }>();
  const host = createModuleHost({ root: hereafter({ "m.mjs": RUNNER }), clock: systemClock });
  afterAll(() => host.close());

  /** An instance with grants for a directory, and others. There is one for each set of grants. */
  const withGrants = (granted: readonly string[]) => {
    const key = [...granted].sort().join();
    const known = instances.get(key);
    if (known !== undefined) return known;
    const place = hereafter();
    const grants: Grants = {
      fsRead: granted.includes("fs_read") ? [place] : [],
      fsWrite: granted.includes("fs_write") ? [place] : [],
      net: granted.includes("net"),
      childProcess: granted.includes("child_process"),
    };
    const made = { instance: host.resolve("m").then((module) => start(host, module, grants)), directory: place };
    instances.set(key, made);
    return made;
  };

  /** The result of code under these grants. */
  const outcome = async (code: string, granted: readonly string[]): Promise<unknown> => {
    const { instance, directory: place } = withGrants(granted);
    for (const name of readdirSync(place)) rmSync(join(place, name), { recursive: true });
    write(place, { file: "a file" });
    const places = {
      FILE: join(place, "file"),
      DIR: place,
      DATABASE: join(place, "data.db"),
      PORT: port,
      SERVICE: process.pid,
    };
    new DatabaseSync(places.DATABASE).close();
    return run(await instance, { code, places });
  };

  const start = (on: ModuleHost, module: ResolvedModule, grants: Grants): Promise<Instance> =>
    on.start(
      {
        name: "m",
        version: "",
        defaultVersion: "0",
        generation: 1,
        isolation,
        grants,
        env: {},
        config: {},
        module,
        maxHeapMb: 64,
        blockTimeoutMs: 0,
        startTimeoutMs: 20_000,
      },
      { log: () => {}, isFlagEnabled: () => false, call: async (_to, _method, input) => input },
    );

  it.each(rows("needs"))("%s: %s, with %s alone", async (_, code, grant = "") => {
    const grants = [...grant.matchAll(/`(\w+)`/g)].map(([, name]) => name ?? "");
    expect(grants).not.toEqual([]);
    const needed = await outcome(codeIn(code), grants);
    expect(needed).toBe("works");
    for (const without of grants) {
      const refused = await outcome(
        codeIn(code),
        ["fs_read", "fs_write", "net", "child_process"].filter((name) => name !== without),
      );
      expect(refused).toMatch(REFUSED);
    }
    expect(await outcome(codeIn(code), [])).toBe("ERR_ACCESS_DENIED");
  });

  it.each(rows("never"))("%s: %s, with no grant", async (_, code) => {
    for (const grants of [[], ["fs_read", "fs_write", "net", "child_process"]]) {
      expect(await outcome(codeIn(code), grants)).toMatch(
        /^ERR_(ACCESS_DENIED|DLOPEN_DISABLED|LOAD_SQLITE_EXTENSION)$/,
      );
    }
  });

  it.each(rows("always"))("%s: %s, without any grant", async (_, code) => {
    expect(await outcome(codeIn(code), [])).toBe("works");
  });

  it.skipIf(isolation === "PROCESS").each(rows("thread"))("%s: %s is %s", async (_, code, error) => {
    for (const grants of [[], ["fs_read", "fs_write", "net", "child_process"]]) {
      expect(await outcome(codeIn(code), grants)).toBe(codeIn(error));
    }
  });

  it("may send signals to itself in a process, and with child_process to the processes that it has started", async () => {
    const other = spawn("sleep", ["60"]);
    try {
      const expected = isolation === "PROCESS" ? "works" : "ERR_ACCESS_DENIED";
      expect(await outcome("process.kill(process.pid, 'SIGWINCH')", [])).toBe(expected);
      expect(await outcome(`process.kill(${other.pid}, "SIGWINCH")`, [])).toBe("ERR_ACCESS_DENIED");
      expect(await outcome(`process.kill(${other.pid}, "SIGWINCH")`, ["child_process"])).toBe("works");
      expect(await outcome("process._debugProcess(SERVICE)", ["child_process"])).toBe("TypeError");
      expect(await outcome("process._kill(SERVICE, 10)", ["child_process"])).toBe("ERR_ACCESS_DENIED");
    } finally {
      other.kill();
    }
  });

  it.each([
    ["by its name in a text", "(await import('node:' + 'sqlite')).DatabaseSync"],
    ["by require", "process.getBuiltinModule('module').createRequire(DIR + '/')('node:sqlite').DatabaseSync"],
    ["by getBuiltinModule", "process.getBuiltinModule('node:sqlite').DatabaseSync"],
  ])("cannot use SQLite without a grant of files: %s", async (_, code) => {
    expect(await outcome(`new (${code})(":memory:")`.replaceAll("sqlite", "sql" + "ite"), [])).not.toBe("works");
    expect(await outcome(`new (${code})(":memory:")`, ["fs_read"])).toBe("works");
    expect(await outcome(`new (${code})("/tmp/helios-no-such-directory/a.db")`, ["fs_read"])).toBe("ERR_ACCESS_DENIED");
  });

  it.each([
    'new sqlite.DatabaseSync("file://" + OTHER)',
    'new sqlite.DatabaseSync("file:" + OTHER + "?mode=ro", { readOnly: true })',
    'new sqlite.DatabaseSync(new URL("file://" + OTHER))',
    "new sqlite.DatabaseSync(new TextEncoder().encode(OTHER))",
    "new sqlite.DatabaseSync(OTHER, { open: false }).open()",
    "new (class extends sqlite.DatabaseSync {})(OTHER)",
    'reopened(new sqlite.DatabaseSync(":memory:")).exec("ATTACH \'" + OTHER + "\' AS a; CREATE TABLE a.c (d)")',
    'opened(new sqlite.DatabaseSync(":memory:", { open: false })).exec("ATTACH \'" + OTHER + "\' AS a; CREATE TABLE a.c (d)")',
    'reopened(new sqlite.DatabaseSync(DATABASE, { readOnly: true })).exec("VACUUM INTO \'" + OTHER + ".x\'")',
    'new (new sqlite.DatabaseSync(":memory:").constructor)(OTHER)',
    'new sqlite.DatabaseSync(DIR + "/../" + OTHER.split("/").slice(-2).join("/"))',
    'new sqlite.DatabaseSync(":memory:").exec("ATTACH \'" + OTHER + "\' AS a")',
    'new sqlite.DatabaseSync(":memory:").exec("ATTACH \'" + OTHER.slice(0, 5) + "\' || \'" + OTHER.slice(5) + "\' AS a")',
    'new sqlite.DatabaseSync(":memory:").exec("VACUUM INTO \'" + OTHER + ".x\'")',
    'new sqlite.DatabaseSync(":memory:").exec("PRAGMA temp_store_directory = \'/\'")',
    'new sqlite.DatabaseSync(DATABASE, { readOnly: true }).exec("VACUUM INTO \'" + OTHER + ".x\'")',
    '((d) => (d.setAuthorizer(() => 0), d.exec("ATTACH \'" + OTHER + "\' AS a")))(new sqlite.DatabaseSync(":memory:"))',
    '((d) => (d.setAuthorizer(null), d.exec("ATTACH \'" + OTHER + "\' AS a")))(new sqlite.DatabaseSync(":memory:"))',
    'sqlite.backup(new sqlite.DatabaseSync(":memory:"), OTHER + ".x")',
  ])("can open only granted databases: %s", async (code) => {
    const other = join(tree({ "other.db": "" }), "other.db");
    new DatabaseSync(other).exec("CREATE TABLE a (b)");
    const asked = `((OTHER) => ${code})(${JSON.stringify(other)})`;
    expect(await outcome(asked, ["fs_read", "fs_write"])).toMatch(REFUSED);
    expect(readdirSync(dirname(other))).toEqual(["other.db"]);
  });

  it.each([
    "opened(new sqlite.DatabaseSync(DATABASE, { open: false })).exec('CREATE TABLE a (b)')",
    "reopened(new sqlite.DatabaseSync(DATABASE)).exec('CREATE TABLE a (b)')",
    "opened(new sqlite.DatabaseSync(DATABASE, { open: false, readOnly: true })).prepare('SELECT 1').get()",
    "new sqlite.DatabaseSync(\":memory:\").exec(\"CREATE TABLE a (b); VACUUM; ATTACH ':memory:' AS c; ATTACH '' AS d\")",
    'new sqlite.DatabaseSync("file://" + DATABASE).exec("CREATE TABLE a (b)")',
    'new sqlite.DatabaseSync(DATABASE).exec("PRAGMA journal_mode = WAL; CREATE TABLE a (b); VACUUM INTO \'" + FILE + ".x\'")',
    '((d) => (d.setAuthorizer(() => 0), d.exec("ATTACH \'" + DATABASE + "\' AS a")))(new sqlite.DatabaseSync(":memory:"))',
  ])("can use a granted database like any other: %s", async (code) => {
    expect(await outcome(code, ["fs_read", "fs_write"])).toBe("works");
  });

  it("may read a database that is an asset", async () => {
    const root = tree({
      "m.mjs": `import { DatabaseSync } from "node:sqlite";
        export default class {
          constructor({ assets }) { this.database = new DatabaseSync(assets.path("data.db"), { readOnly: true }) }
          run() { return this.database.prepare("SELECT b FROM a").get().b }
        }`,
    });
    const database = new DatabaseSync(join(root, "data.db"));
    database.exec("CREATE TABLE a (b); INSERT INTO a VALUES (7)");
    database.close();
    const ofAssets = hostOf(root, { artifactsDir: tree() });
    const instance = await start(ofAssets, await ofAssets.resolve("m", ["data.db"]), NO_GRANTS);
    expect(await run(instance)).toBe(7);
  });
});

it("the page has rows in each of its tables", () => {
  expect(["needs", "never", "thread", "always"].map((mark) => rows(mark).length > 3)).toEqual([true, true, true, true]);
});
