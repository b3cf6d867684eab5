import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { backUp, restore } from "../../../../src/core/store/sqlite/backup.ts";
import { openSqliteStore } from "../../../../src/core/store/sqlite/open.ts";
import { createManualClock } from "../../../../src/kernel/clock.ts";
import { digests, makeDirectory } from "../directories.ts";

const newId = (): string => "restored";

async function makeData(): Promise<string> {
  const directory = makeDirectory();
  const store = await openSqliteStore({ directory, clock: createManualClock(), newId });
  await store.put("k", "1", { cause: { action: "Test" } });
  await store.close();
  return directory;
}

interface Ran {
  readonly status: number | null;
  readonly text: string;
}

/** Runs a script as an operator does. A script that hangs is killed, and then has no status. */
async function run(script: string, args: readonly string[], shell?: string): Promise<Ran> {
  const path = fileURLToPath(new URL(`../../../../scripts/${script}.ts`, import.meta.url));
  const command = [process.execPath, path, ...args];
  const [file = "", ...rest] =
    shell === undefined ? command : ["bash", "-c", `${shell}; exec "$@"`, "bash", ...command];
  const child = spawn(file, rest, { timeout: 20_000, killSignal: "SIGKILL" });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += chunk));
  const [status] = await once(child, "close");
  return { status, text };
}

/** A path that cannot be a directory, next to others in a directory. */
const NOWHERE: Record<string, readonly [(beside: string) => string, RegExp]> = {
  "an existing file": [
    (beside) => {
      writeFileSync(join(beside, "file"), "");
      return join(beside, "file");
    },
    /already exists|EEXIST/,
  ],
  "a path below a file": [
    (beside) => {
      writeFileSync(join(beside, "file"), "");
      return join(beside, "file", "x");
    },
    /ENOTDIR/,
  ],
  "a link to itself": [
    (beside) => {
      symlinkSync(join(beside, "loop"), join(beside, "loop"));
      return join(beside, "loop");
    },
    /ELOOP/,
  ],
  "a path below such a link": [
    (beside) => {
      symlinkSync(join(beside, "loop"), join(beside, "loop"));
      return join(beside, "loop", "x");
    },
    /ELOOP/,
  ],
  "a link to nothing": [
    (beside) => {
      symlinkSync(join(beside, "nothing"), join(beside, "link"));
      return join(beside, "link");
    },
    /ENOENT|EEXIST/,
  ],
  "a device": [() => "/dev/null", /already exists|EEXIST/],
  "a path with a NUL character": [() => "/tmp/a\0b", /is not a valid path/],
  "a name that is too long": [(beside) => join(beside, "x".repeat(300)), /ENAMETOOLONG/],
  nothing: [() => "", /is not a valid path/],
};

describe.skipIf(process.platform !== "linux")("a wrong path", () => {
  it.each(Object.entries(NOWHERE))("a path for a backup or a restore is refused: %s", async (_, [make, problem]) => {
    const directory = await makeData();
    const backup = join(makeDirectory(), "backup");
    backUp(directory, backup, new Date(0));
    const beside = makeDirectory();
    const place = make(beside);
    const before = readdirSync(beside);
    expect(() => backUp(directory, place, new Date(0))).toThrow(problem);
    expect(() => restore(backup, place, true, newId)).toThrow(problem);
    expect(readdirSync(beside)).toEqual(before);
  });

  it("a path that cannot be created is refused at once, by every program that creates a directory", async () => {
    const directory = await makeData();
    const backup = join(makeDirectory(), "backup");
    backUp(directory, backup, new Date(0));
    const ran = await Promise.all([
      run("backup", ["/proc/x/y", "--data-dir", directory]),
      run("restore", [backup, "--data-dir", "/proc/x"]),
      run("check-data", ["/proc/x"]),
      run("../src/server/main", ["--port", "0", "--data-dir", "/proc/x", "--log-level", "error"]),
    ]);
    expect(ran).toEqual([
      { status: 1, text: expect.stringContaining("cannot be backed up into /proc/x/y: ENOENT") },
      { status: 1, text: expect.stringContaining("cannot be restored into /proc/x: ENOENT") },
      { status: 1, text: expect.stringContaining("no such file") },
      { status: 1, text: expect.stringContaining("STORE_DIRECTORY_UNUSABLE") },
    ]);
  });

  it("a data directory to check is named by an argument, an option or the environment, but only once", async () => {
    const directory = await makeData();
    const ran = await Promise.all([
      run("check-data", [directory]),
      run("check-data", ["--data-dir", directory]),
      run("check-data", [], `export HELIOS_DATA_DIR="${directory}"`),
      run("check-data", [directory, "--data-dir", directory]),
      run("check-data", [], "unset HELIOS_DATA_DIR"),
    ]);
    const sound = { status: 0, text: `${join(directory, "helios.db")} is sound\n` };
    const wrong = { status: 2, text: expect.stringContaining("name one data directory\nUsage: npm run check:data") };
    expect(ran).toEqual([sound, sound, sound, wrong, wrong]);
  });

  it("a wrong path for a backup is the data directory and everything below it, by any name", async () => {
    const directory = await makeData();
    const link = join(makeDirectory(), "link");
    symlinkSync(directory, link);
    const before = [readdirSync(directory), digests(directory)];
    for (const place of [directory, join(directory, "today"), join(directory, "a/b"), link, join(link, "today")]) {
      expect(() => backUp(directory, place, new Date(0))).toThrow("is in the data directory");
      expect(() => backUp(link, place, new Date(0))).toThrow("is in the data directory");
    }
    expect([readdirSync(directory), digests(directory)]).toEqual(before);
  });

  it("a wrong path for a restore is the backup, and everything below it", async () => {
    const directory = await makeData();
    const backup = join(makeDirectory(), "backup");
    backUp(directory, backup, new Date(0));
    const before = [readdirSync(backup), digests(backup)];
    for (const place of [backup, join(backup, "x")]) {
      expect(() => restore(backup, place, true, newId)).toThrow("is in the backup");
    }
    expect([readdirSync(backup), digests(backup)]).toEqual(before);
  });

  it("a path whose temporary directory belongs to somebody else is refused, and that directory stays unchanged", async () => {
    const parent = makeDirectory();
    const foreign = join(parent, "today.unfinished");
    mkdirSync(foreign);
    writeFileSync(join(foreign, "letter"), "");
    // The data directory may have such a name, too.
    const directory = join(parent, "data.unfinished");
    const store = await openSqliteStore({ directory, clock: createManualClock(), newId });
    await store.close();
    for (const name of ["today", "data"]) {
      expect(() => backUp(directory, join(parent, name), new Date(0))).toThrow("in the way");
    }
    expect(readdirSync(foreign)).toEqual(["letter"]);
    expect(existsSync(join(directory, "helios.db"))).toBe(true);
  });

  it("a path on a full disk is refused, nothing is left there, and existing data stay", async () => {
    const directory = await makeData();
    const backup = join(makeDirectory(), "backup");
    backUp(directory, backup, new Date(0));
    const parent = makeDirectory();
    const other = await makeData();
    const before = digests(other);
    // No file of this process may grow beyond 8 KiB; the error is EFBIG.
    const limit = "trap '' XFSZ; ulimit -f 8";
    const [made, restored] = await Promise.all([
      run("backup", [join(parent, "full"), "--data-dir", directory], limit),
      run("restore", [backup, "--data-dir", other, "--replace"], limit),
    ]);
    expect(made).toEqual({ status: 1, text: expect.stringContaining("cannot be backed up into") });
    expect(restored).toEqual({ status: 1, text: expect.stringContaining("cannot be restored into") });
    expect(readdirSync(parent)).toEqual([]);
    expect(digests(other)).toEqual(before);
  });
});
