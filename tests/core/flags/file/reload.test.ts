import { describe, expect, it } from "vitest";
import type { By } from "../../../../src/core/change.ts";
import type { HeliosError } from "../../../../src/core/errors/error.ts";
import { DEFAULT_FLAGS } from "../../../../src/core/flags/file/defaults.ts";
import { parseFlagsFile } from "../../../../src/core/flags/file/parse.ts";
import { printFlagsFile } from "../../../../src/core/flags/file/print.ts";
import type { ReloadOptions, ReloadResult } from "../../../../src/core/flags/file/reload.ts";
import { createMemoryStore } from "../../../../src/core/store/memory/store.ts";
import { MAX_BATCH_WRITES } from "../../../../src/core/store/store.ts";
import { createManualClock } from "../../../../src/kernel/clock.ts";
import { flagsRig } from "../harness.ts";

const reason = (expected: string, metadata: Record<string, string> = {}): unknown =>
  expect.objectContaining({ reason: expected, metadata: expect.objectContaining(metadata) });

const entry = (percentage: number): object => ({ enabled: true, strategy: "percentage", percentage });
const file = (flags: Record<string, object>): string => JSON.stringify(flags, undefined, 2);

describe("the first start", () => {
  it("installs the defaults if there is no file", async () => {
    const { flags } = await flagsRig({ file: undefined });
    const installed = flags.list().map(({ name, record }) => ({ name, definition: record }));
    expect(installed).toEqual([...DEFAULT_FLAGS].sort((a, b) => (a.name < b.name ? -1 : 1)));
    expect(flags.isEnabled("hot_reload_modules")).toBe(true);
    const [change] = await flags.history("websocket_v2", { limit: 1 });
    expect(change?.cause).toEqual({ action: "InstallFlags", reason: "first start, from the built-in defaults" });
  });

  it("installs the file and nothing else if there is one", async () => {
    const { flags } = await flagsRig({ file: file({ a: entry(5) }) });
    expect(flags.list().map(({ name, record }) => [name, record.percentage])).toEqual([["a", 5]]);
  });

  it("fails on a broken file, and leaves the store empty", async () => {
    const clock = createManualClock();
    const store = createMemoryStore({ clock, incarnation: "i" });
    await expect(flagsRig({ store, clock, file: '{\n"a": {}}' })).rejects.toEqual(
      reason("FLAGS_FILE_INVALID", { file: "flags.json", line: "2", key: "a.enabled" }),
    );
    expect(await store.list("")).toEqual({ entries: [], revision: 0 });
  });

  it("leaves a store unchanged that has, or had, a flag", async () => {
    const first = await flagsRig({ file: file({ a: entry(5) }) });
    await first.flags.delete("a");
    first.write(file({ b: entry(6) }));
    const second = await first.restart();
    expect(second.flags.list()).toEqual([]);
    second.write("broken");
    expect((await second.restart()).flags.list()).toEqual([]);
  });
});

describe("reload", () => {
  it("refuses a file with a mistake in its text only, and changes nothing", async () => {
    const { flags, write } = await flagsRig({ file: file({ a: entry(5) }) });
    write('{ "a": true,\n"b": true, "a": false }');
    await expect(flags.reload({}, { actor: "ana" })).rejects.toEqual(
      reason("FLAGS_FILE_INVALID", { line: "2", key: "a", problem: "comes twice, first in line 1" }),
    );
    write('{ "a": true,\n"b": { "enabled": true, "strategy": "all_on", "prerequisites": ["\\ud800"] }, "a": 1 }');
    const error = await flags.reload({}, { actor: "ana" }).catch((thrown: HeliosError) => thrown);
    expect((error as HeliosError).metadata).toMatchObject({ key: "b.prerequisites[0]", mistakes: "2" });
    expect(flags.list().map(({ name, record }) => [name, record.percentage])).toEqual([["a", 5]]);
  });

  it("a reload in mode MERGE sets the flags that the file names, and keeps the rest", async () => {
    const { flags, feed, write } = await flagsRig({ file: file({ a: entry(5), b: entry(6), c: entry(7) }) });
    const b = flags.get("b");
    write(file({ d: entry(8), b: entry(6), a: entry(9) }));
    const result = await flags.reload({}, { actor: "ana" });
    expect(result).toMatchObject({
      differences: [
        { name: "a", before: { percentage: 5 }, after: { percentage: 9 } },
        { name: "d", after: { percentage: 8 } },
      ],
      passedOver: [],
      revision: feed.revision,
    });
    expect(result.differences[1]).not.toHaveProperty("before");
    expect(flags.list().map(({ name, record }) => [name, record.percentage])).toEqual([
      ["a", 9],
      ["b", 6],
      ["c", 7],
      ["d", 8],
    ]);
    expect(flags.get("b")).toEqual(b);
    const [change] = await flags.history("a", { limit: 1 });
    expect(change?.cause).toEqual({ action: "ReloadFlags", actor: "ana" });
  });

  it("a reload in mode REPLACE deletes the flags that the file does not name", async () => {
    const { flags, write } = await flagsRig({ file: file({ a: entry(5), b: entry(6) }) });
    write(file({ b: entry(6) }));
    const { differences } = await flags.reload({ mode: "REPLACE" });
    expect(differences).toEqual([{ name: "a", before: expect.objectContaining({ percentage: 5 }) }]);
    expect(flags.list().map(({ name }) => name)).toEqual(["b"]);
    await expect(flags.create("a", {})).rejects.toEqual(reason("FLAG_DELETED"));
  });

  it("only returns the difference in a dry run", async () => {
    const { flags, feed, write } = await flagsRig({ file: file({ a: entry(5), b: entry(6) }) });
    write(file({ a: entry(7) }));
    const before = feed.revision;
    const dry = await flags.reload({ mode: "REPLACE", dryRun: true });
    expect(feed.revision).toBe(before);
    const real = await flags.reload({ mode: "REPLACE" });
    expect(real.differences).toEqual(dry.differences);
    expect(real.revision).toBeGreaterThan(before);
  });

  it("changes nothing the second time", async () => {
    const { flags, feed, write } = await flagsRig({ file: file({ a: entry(5) }) });
    write(file({ a: entry(7) }));
    await flags.reload();
    const before = feed.revision;
    expect(await flags.reload({ mode: "REPLACE" })).toEqual({
      differences: [],
      passedOver: [],
      stillKilled: [],
      revision: before,
    });
    expect(feed.revision).toBe(before);
  });

  it("does not restore a deleted flag, and says so", async () => {
    const { flags, logged, write } = await flagsRig({ file: file({ a: entry(5), b: entry(6) }) });
    await flags.delete("a");
    write(file({ a: entry(5), b: entry(7) }));
    expect(await flags.reload()).toMatchObject({ differences: [{ name: "b" }], passedOver: ["a"] });
    expect(flags.list().map(({ name }) => name)).toEqual(["b"]);
    expect(logged).toContainEqual([
      "flags",
      "warn",
      "flags in the file stay deleted",
      { names: ["a"], fileName: "flags.json" },
    ]);
  });

  it("changes nothing if the file is broken, unreadable or missing", async () => {
    const { flags, feed, write } = await flagsRig({ file: file({ a: entry(5) }) });
    const before = feed.revision;
    write(file({ a: entry(9), b: entry(101) }));
    await expect(flags.reload()).rejects.toEqual(reason("FLAGS_FILE_INVALID", { key: "b.percentage" }));
    write(undefined);
    await expect(flags.reload()).rejects.toEqual(reason("FLAGS_FILE_INVALID", { problem: "does not exist" }));
    write(new Error("EACCES: permission denied"));
    await expect(flags.reload()).rejects.toEqual(
      reason("FLAGS_FILE_INVALID", { problem: "cannot be read: EACCES: permission denied" }),
    );
    expect(feed.revision).toBe(before);
    expect(flags.get("a").record.percentage).toBe(5);
  });

  it("refuses an unknown mode", async () => {
    const { flags } = await flagsRig();
    const mode = "replace" as unknown as "REPLACE";
    await expect(flags.reload({ mode })).rejects.toEqual(reason("ARGUMENT_INVALID", { field: "mode" }));
  });
});

describe("export", () => {
  it("creates a flags file that recreates the same flags", async () => {
    const { flags, feed, write } = await flagsRig({ file: undefined });
    await flags.setGradual("websocket_v2", { targetPercentage: 100, endTime: 1_800_000_000_000 });
    await flags.addToWhitelist("advanced_risk_engine", ["BTCZAR"]);
    const { flags: shape, revision } = flags.export();
    expect(revision).toBe(feed.revision);
    expect(shape.advanced_risk_engine).toEqual({
      enabled: true,
      strategy: "whitelist",
      whitelist: ["BTCZAR"],
      description: "Advanced risk management",
      updated_at: "2023-11-14T22:13:20Z",
    });
    const text = JSON.stringify(shape);
    expect(printFlagsFile(parseFlagsFile(text, "f").flags)).toBe(`${JSON.stringify(shape, undefined, 2)}\n`);
    write(text);
    expect((await flags.reload({ mode: "REPLACE", dryRun: true })).differences).toEqual([]);
  });
});

describe("a dry run is refused for the same reasons as the reload", () => {
  const listing = (entries: number): object => ({
    ...entry(5),
    whitelist: Array.from({ length: entries }, (_, at) => String(at).padEnd(250, "x")),
  });
  const many = (count: number, flag = entry(5)): string =>
    file(Object.fromEntries(Array.from({ length: count }, (_, at) => [`f${at}`, flag])));
  const refusals: Record<string, readonly [string | Error | undefined, ReloadOptions, By, string | undefined]> = {
    "no file": [undefined, {}, {}, "FLAGS_FILE_INVALID"],
    "a file that cannot be read": [new Error("EACCES"), {}, {}, "FLAGS_FILE_INVALID"],
    "a file that is not JSON": ["{", {}, {}, "FLAGS_FILE_INVALID"],
    "a flag that is wrong": [file({ a: entry(101) }), {}, {}, "FLAGS_FILE_INVALID"],
    "a flag that is too large": [file({ a: listing(5000) }), {}, {}, "FLAGS_FILE_INVALID"],
    "a flag with a missing prerequisite": [
      file({ a: { ...entry(5), prerequisites: ["z"] } }),
      {},
      {},
      "FLAGS_FILE_INVALID",
    ],
    "more writes than the store takes": [many(MAX_BATCH_WRITES + 1), {}, {}, "BATCH_TOO_LARGE"],
    "more bytes than the store takes": [many(20, listing(3500)), {}, {}, "BATCH_TOO_LARGE"],
    "a new salt": [file({ a: { ...entry(5), salt: "s" } }), {}, {}, "FLAG_REBUCKETS"],
    "an unknown mode": [file({}), { mode: "SOME" as "MERGE" }, {}, "ARGUMENT_INVALID"],
    "an actor that is too long": [file({}), {}, { actor: "x".repeat(257) }, "ARGUMENT_INVALID"],
    "a reason that is too long": [file({}), {}, { reason: "x".repeat(1025) }, "ARGUMENT_INVALID"],
    "nothing to change": [file({ a: entry(5) }), { mode: "REPLACE" }, {}, undefined],
  };

  it.each(Object.entries(refusals))("%s", async (_, [text, options, by, expected]) => {
    const { flags, write, store } = await flagsRig({ file: file({ a: entry(5) }) });
    write(text);
    const before = await store.list("");
    const received = (dryRun: boolean): Promise<unknown> =>
      flags.reload({ ...options, dryRun }, by).catch((error) => error);
    const rehearsed = await received(true);
    expect(await store.list("")).toEqual(before);
    const done = await received(false);
    if (expected === undefined) {
      const { revision: _at, ...what } = done as ReloadResult;
      expect(rehearsed).toMatchObject(what);
    } else {
      expect(done).toEqual(reason(expected));
      expect(rehearsed).toEqual(done);
      expect((rehearsed as HeliosError).metadata).toEqual((done as HeliosError).metadata);
      expect(await store.list("")).toEqual(before);
    }
  });
});
