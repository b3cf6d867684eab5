import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { backUp, type Manifest, restore } from "../../../../src/core/store/sqlite/backup.ts";
import { openSqliteStore } from "../../../../src/core/store/sqlite/open.ts";
import type { Store } from "../../../../src/core/store/store.ts";
import { createManualClock, systemClock } from "../../../../src/kernel/clock.ts";
import { makeDirectory } from "../directories.ts";
import { startWriter } from "../processes.ts";
import { readAll, rejection } from "../rig.ts";

const cause = { action: "Test" };
const ARTIFACT = "a".repeat(64);
const open = (directory: string): Promise<Store> =>
  openSqliteStore({ directory, clock: createManualClock(), newId: () => "first" });
const newId = (): string => "restored";

/** Runs `backUp` in its own process, as an operator does, because locks belong to a process. */
function backUpElsewhere(directory: string, target: string): { readonly status: number | null; readonly text: string } {
  const script = fileURLToPath(new URL("../../../../scripts/backup.ts", import.meta.url));
  const run = spawnSync(process.execPath, [script, target, "--data-dir", directory], { encoding: "utf8" });
  return { status: run.status, text: run.stdout + run.stderr };
}

async function everything(store: Store): Promise<unknown> {
  return { list: await store.list(""), changes: await readAll(store, "", 0, 500) };
}

/** A data directory with a few changes, and a backup of it. */
async function makeBackup() {
  const directory = makeDirectory();
  const store = await open(directory);
  for (let n = 0; n < 20; n += 1) await store.put(`k${n % 7}`, `${n}`, { cause });
  mkdirSync(join(directory, "artifacts"));
  writeFileSync(join(directory, "artifacts", ARTIFACT), "code");
  writeFileSync(join(directory, "artifacts", "half.tmp"), "");
  const contents = await everything(store);
  await store.close();
  const backup = join(makeDirectory(), "backup");
  backUp(directory, backup, new Date(0));
  return { directory, backup, contents };
}

const manifestOf = (backup: string): Manifest =>
  JSON.parse(readFileSync(join(backup, "backup.json"), "utf8")) as Manifest;

describe("a backup", () => {
  it("is restored as a store with the same contents and another identity", async () => {
    const { backup, contents } = await makeBackup();
    expect(manifestOf(backup)).toMatchObject({ time: "1970-01-01T00:00:00.000Z", incarnation: "first", revision: 20 });
    expect(manifestOf(backup).files.map(({ path }) => path)).toEqual(["helios.db", `artifacts/${ARTIFACT}`]);
    const target = makeDirectory();
    restore(backup, target, false, newId);
    const store = await open(target);
    expect(store.incarnation).toBe("restored");
    expect(await everything(store)).toEqual(contents);
    expect(readFileSync(join(target, "artifacts", ARTIFACT), "utf8")).toBe("code");
    expect(await store.put("k0", "new", { cause })).toMatchObject({ revision: 21 });
    await store.close();
  });

  it("can be made while a store writes, shows one moment, and harms neither", async () => {
    const directory = makeDirectory();
    const writer = startWriter(directory, "loop");
    await writer.saidAtLeast(50);
    const backup = join(makeDirectory(), "backup");
    expect(backUpElsewhere(directory, backup)).toMatchObject({ status: 0 });
    const said = writer.said.length;
    await writer.saidAtLeast(said + 50);
    writer.process.kill("SIGKILL");
    await writer.ended;
    const target = makeDirectory();
    restore(backup, target, false, newId);
    const options = { clock: systemClock, newId };
    const [copy, live] = [
      await openSqliteStore({ directory: target, ...options }),
      await openSqliteStore({ directory, ...options }),
    ];
    const changes = await readAll(copy, "", 0, 1000);
    expect(changes.length).toBeGreaterThan(0);
    expect((await readAll(live, "", 0, 1000)).slice(0, changes.length)).toEqual(changes);
    const present = new Map(changes.map(({ key, value }) => [key, value]));
    for (const [key, value] of present) expect((await copy.get(key))?.value).toBe(value);
    await copy.close();
    await live.close();
  });

  it("is written to a new or empty directory, completely or not at all", async () => {
    const { directory, backup } = await makeBackup();
    expect(() => backUp(directory, backup, new Date(0))).toThrow("already exists");
    const empty = makeDirectory();
    expect(backUp(directory, empty, new Date(0)).revision).toBe(20);
    expect(readdirSync(join(empty, ".."))).not.toContain(`${empty}.unfinished`);
    expect(() => backUp(makeDirectory(), join(makeDirectory(), "x"), new Date(0))).toThrow("to back up");
  });

  const damages: Record<string, readonly [(backup: string) => void, string]> = {
    "lacks a file": [(backup) => rmSync(join(backup, "artifacts", ARTIFACT)), "incomplete"],
    "has no database": [(backup) => rmSync(join(backup, "helios.db")), "incomplete"],
    "has another file": [(backup) => writeFileSync(join(backup, "artifacts", ARTIFACT), "evil"), "SHA-256"],
    "is truncated": [(backup) => truncateSync(join(backup, "helios.db"), 5000), "SHA-256"],
    "has no description": [(backup) => rmSync(join(backup, "backup.json")), "is not a backup"],
    "has a description that is not JSON": [(backup) => writeFileSync(join(backup, "backup.json"), "{"), "not JSON"],
    "has a later version": [(backup) => writeFileSync(join(backup, "backup.json"), '{"version": 2}'), "version 2"],
    "names files elsewhere": [
      (backup) => {
        const manifest = manifestOf(backup);
        const files = [...manifest.files, { path: "../evil", bytes: 1, sha256: "" }];
        writeFileSync(join(backup, "backup.json"), JSON.stringify({ ...manifest, files }));
      },
      "damaged",
    ],
  };
  for (const [what, [damage, problem]] of Object.entries(damages)) {
    it(`a backup that ${what} is refused, and the data stay unchanged`, async () => {
      const { directory, backup, contents } = await makeBackup();
      damage(backup);
      expect(() => restore(backup, directory, true, newId)).toThrow(problem);
      const store = await open(directory);
      expect(store.incarnation).toBe("first");
      expect(await everything(store)).toEqual(contents);
      await store.close();
    });
  }
});

describe("a restore", () => {
  it("replaces data only on request, whatever a crash has left of them", async () => {
    const { backup, contents } = await makeBackup();
    const directory = makeDirectory();
    const writer = startWriter(directory, "loop");
    await writer.saidAtLeast(20);
    writer.process.kill("SIGKILL");
    await writer.ended;
    expect(() => restore(backup, directory, false, newId)).toThrow("--replace");
    const before = await openSqliteStore({ directory, clock: systemClock, newId });
    expect((await before.list("")).revision).toBeGreaterThan(0);
    await before.close();
    restore(backup, directory, true, newId);
    const store = await open(directory);
    expect(await everything(store)).toEqual(contents);
    await store.close();
  });

  it("replaces damaged data", async () => {
    const { backup, contents } = await makeBackup();
    const directory = makeDirectory();
    writeFileSync(join(directory, "helios.db"), "noise");
    writeFileSync(join(directory, "helios.db-wal"), "more noise");
    restore(backup, directory, true, newId);
    const store = await open(directory);
    expect(await everything(store)).toEqual(contents);
    await store.close();
    expect(existsSync(join(directory, "helios.db-wal"))).toBe(false);
  });

  it("is refused while a store has the directory open", async () => {
    const { directory, backup, contents } = await makeBackup();
    const store = await open(directory);
    expect(() => restore(backup, directory, true, newId)).toThrow("in use");
    expect(await everything(store)).toEqual(contents);
    await store.close();
  });

  it("a restore that is interrupted before the database exists leaves no store that would start empty", async () => {
    const { backup, contents } = await makeBackup();
    const directory = makeDirectory();
    writeFileSync(join(directory, "helios.db.restoring"), "half");
    expect(await rejection(open(directory))).toMatchObject({ reason: "STORE_DAMAGED" });
    restore(backup, directory, false, newId);
    const store = await open(directory);
    expect(await everything(store)).toEqual(contents);
    await store.close();
  });
});
