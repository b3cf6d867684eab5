import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createEngine, createManualClock, type Engine, type Log } from "../../../src/core/index.ts";
import { compileCondition } from "../../../src/server/cel/condition.ts";
import { turn } from "../../support/turns.ts";

const clock = createManualClock();
let directory = "";
let engine: Engine | undefined;
let logged: Parameters<Log>[] = [];
let reading: Promise<unknown> = Promise.resolve();

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "helios-flags-"));
  logged = [];
});

afterEach(async () => {
  await engine?.close();
  await rm(directory, { recursive: true, force: true });
});

/** An engine that follows `flags.json` in the directory. */
async function follow(): Promise<Engine> {
  const name = join(directory, "flags.json");
  engine = await createEngine({
    modulesRoot: directory,
    flagsFile: {
      name,
      read() {
        const text = readFile(name, "utf8");
        reading = text.catch(() => {});
        return text;
      },
    },
    watchFlagsFile: "MERGE",
    compileCondition,
    clock,
    log: (...entry) => logged.push(entry),
  });
  return engine;
}

/** Polls the file that many times. */
async function look(times = 2): Promise<void> {
  for (let time = 0; time < times; time++) {
    clock.advance(1000);
    await reading;
    // The work after the read happens in memory.
    await turn();
  }
}

const file = (percentage: unknown): string =>
  JSON.stringify({ a: { enabled: true, strategy: "percentage", percentage } }, undefined, 1);

/** A ConfigMap mount: the file is a link into a directory, which is a link that is replaced as a whole. */
async function mount(version: string, text: string): Promise<void> {
  await mkdir(join(directory, version));
  await writeFile(join(directory, version, "flags.json"), text);
  await symlink(version, join(directory, "..data_tmp"));
  await rename(join(directory, "..data_tmp"), join(directory, "..data"));
}

describe("a followed flags file on disk", () => {
  it("is reloaded after a rename onto it, also through a linked directory like that of a ConfigMap", async () => {
    await mount("..2026_01", file(5));
    await symlink(join("..data", "flags.json"), join(directory, "flags.json"));
    const { flags } = await follow();
    expect(flags.get("a").record.percentage).toBe(5);
    for (const [version, percentage] of [
      ["..2026_02", 10],
      ["..2026_03", 15],
    ] as const) {
      await mount(version, file(percentage));
      await look();
      expect(flags.get("a").record.percentage).toBe(percentage);
      await rm(join(directory, version === "..2026_02" ? "..2026_01" : "..2026_02"), { recursive: true });
    }
    await mount("..2026_04", file("20"));
    await look(4);
    expect(flags.get("a").record.percentage).toBe(15);
    expect(logged.filter(([, level]) => level === "error")).toEqual([
      [
        "flags",
        "error",
        "the flags file is refused; the flags stay as they are",
        expect.objectContaining({ line: "5", key: "a.percentage", expected: expect.stringContaining("from 0 to 100") }),
      ],
    ]);
    await mount("..2026_05", file(25));
    await look();
    expect(flags.get("a").record.percentage).toBe(25);
  });

  it("is reloaded after a write in place, and after another file takes its name", async () => {
    const name = join(directory, "flags.json");
    await writeFile(name, file(5));
    const { flags } = await follow();
    await writeFile(name, file(6));
    await look();
    expect(flags.get("a").record.percentage).toBe(6);
    await writeFile(`${name}.new`, file(7));
    await rename(`${name}.new`, name);
    await look();
    expect(flags.get("a").record.percentage).toBe(7);
  });

  it("is not read any more after the engine is closed", async () => {
    await writeFile(join(directory, "flags.json"), file(5));
    const closed = await follow();
    await closed.close();
    engine = undefined;
    const before = reading;
    clock.advance(10_000);
    expect(reading).toBe(before);
  });
});
