import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { isReason } from "../../../../src/core/errors/error.ts";
import { openSqliteStore } from "../../../../src/core/store/sqlite/open.ts";
import { systemClock } from "../../../../src/kernel/clock.ts";
import { digests, makeDirectory } from "../directories.ts";
import { startWriter } from "../processes.ts";
import { rejection } from "../rig.ts";

const cause = { action: "Test" };
const open = (directory: string) =>
  openSqliteStore({ directory, clock: systemClock, newId: () => crypto.randomUUID() });

describe("a data directory has at most one store", () => {
  it("another process is refused with the owner's name, and succeeds as soon as the owner was killed", async () => {
    const directory = makeDirectory();
    const owner = startWriter(directory, "hold");
    await owner.saidAtLeast(1);
    const before = digests(directory);
    const error = await rejection(open(directory));
    expect(isReason(error, "STORE_LOCKED") && error.metadata).toMatchObject({
      directory,
      owner: expect.stringMatching(new RegExp(`^process ${owner.process.pid} on `)),
    });
    expect(digests(directory)).toEqual(before);
    owner.process.kill("SIGKILL");
    await owner.ended;
    const store = await open(directory);
    expect(await store.put("a", "1", { cause })).toMatchObject({ revision: 1 });
    await store.close();
  });

  it("this process refuses another process of its own kind", async () => {
    const directory = makeDirectory();
    const store = await open(directory);
    const other = startWriter(directory, "hold");
    await other.ended;
    expect(other.said).toEqual(["STORE_LOCKED"]);
    expect(await store.put("a", "1", { cause })).toMatchObject({ revision: 1 });
    await store.close();
  });

  it("the same process is refused too, by any name of the directory, without harm to the owner", async () => {
    const directory = makeDirectory();
    const link = join(makeDirectory(), "link");
    symlinkSync(directory, link);
    const store = await open(directory);
    for (const name of [directory, `${directory}/.`, link]) {
      const error = await rejection(open(name));
      expect(isReason(error, "STORE_LOCKED") && error.metadata.owner).toMatch(`process ${process.pid} `);
    }
    await store.put("a", "1", { cause });
    const other = startWriter(directory, "hold");
    await other.ended;
    expect(other.said).toEqual(["STORE_LOCKED"]);
    await store.close();
    const next = await open(directory);
    expect(await next.get("a")).toMatchObject({ value: "1" });
    await next.close();
  });

  it("one of two processes gets a new directory that both want at once", async () => {
    const directory = makeDirectory();
    const writers = [startWriter(directory, "hold"), startWriter(directory, "hold")];
    await Promise.all(writers.map((writer) => writer.saidAtLeast(1)));
    expect(writers.map(({ said }) => said[0]).sort()).toEqual(["STORE_LOCKED", "open"]);
    for (const { process } of writers) process.kill("SIGKILL");
    await Promise.all(writers.map(({ ended }) => ended));
  });

  it("a directory whose owner cannot be named is refused nevertheless", async () => {
    const directory = makeDirectory();
    const store = await open(directory);
    rmSync(join(directory, "helios.owner"));
    const error = await rejection(open(directory));
    expect(isReason(error, "STORE_LOCKED") && error.metadata.owner).toBe("unknown");
    await store.close();
  });

  it("the files of a killed owner do no harm", async () => {
    const directory = makeDirectory();
    writeFileSync(join(directory, "helios.owner"), "process 1 on nowhere\n");
    writeFileSync(join(directory, "helios.lock"), "");
    await (await open(directory)).close();
  });

  it("a program that writes to the database itself counts as an owner; one that reads does not", async () => {
    const directory = makeDirectory();
    await (await open(directory)).close();
    const program = new DatabaseSync(join(directory, "helios.db"));
    program.exec("BEGIN IMMEDIATE");
    expect(isReason(await rejection(open(directory)), "STORE_LOCKED")).toBe(true);
    program.exec("ROLLBACK; BEGIN; SELECT * FROM meta");
    const store = await open(directory);
    expect(await store.put("a", "1", { cause })).toMatchObject({ revision: 1 });
    program.close();
    await store.close();
  });

  it("a program that writes to the database meanwhile ends all writes, and its data are not overwritten", async () => {
    const directory = makeDirectory();
    const store = await open(directory);
    await store.put("a", "1", { cause });
    const program = new DatabaseSync(join(directory, "helios.db"));
    program.exec("UPDATE meta SET id = 1");
    expect(await store.put("a", "2", { cause })).toMatchObject({ revision: 2 });
    program.exec("UPDATE journal SET revision = 9 WHERE revision = 2");
    const error = await rejection(store.put("a", "3", { cause }));
    expect(isReason(error, "STORE_UNAVAILABLE") && error.metadata.problem).toContain("another program");
    expect(store.writable.refusal?.problem).toContain("another program");
    program.close();
    await store.close();
  });

  it("an invalid directory is refused by name", async () => {
    const file = join(makeDirectory(), "file");
    writeFileSync(file, "");
    const error = await rejection(open(file));
    expect(isReason(error, "STORE_DIRECTORY_UNUSABLE") && error.metadata.directory).toBe(file);
    const directory = makeDirectory();
    writeFileSync(join(directory, "helios.lock"), "no database, and long enough to tell".repeat(30));
    expect(isReason(await rejection(open(directory)), "STORE_DIRECTORY_UNUSABLE")).toBe(true);
  });
});
