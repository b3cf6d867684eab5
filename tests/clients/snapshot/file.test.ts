import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SnapshotFile } from "../../../clients/typescript/src/snapshot/file.ts";
import { decodeSnapshot, encodeSnapshot, type Snapshot } from "../../../clients/typescript/src/snapshot/format.ts";
import { createManualClock, type ManualClock } from "../../../src/kernel/clock.ts";
import { times } from "../../effort.ts";
import { until } from "../../support/until.ts";
import { received } from "../flags/stored.ts";

const ON = { enabled: true, strategy: "all_on" };
const URL = "http://127.0.0.1:8000";

let directory: string;
let path: string;
let clock: ManualClock;
let logged: string[];
let ids: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "helios-snapshot-"));
  path = join(directory, "state", "helios.snapshot");
  clock = createManualClock();
  logged = [];
  ids = 0;
});

afterEach(() => rm(directory, { recursive: true, force: true }));

const fileOf = (over: { url?: string; maxAgeMs?: number; path?: string } = {}): SnapshotFile =>
  new SnapshotFile({
    path,
    url: URL,
    maxAgeMs: Number.POSITIVE_INFINITY,
    clock,
    log: (level, message) => logged.push(`${level}: ${message}`),
    newId: () => String(++ids),
    ...over,
  });

const snapshotOf = (flags: Readonly<Record<string, object>> = { x: ON, y: ON }): Snapshot => ({
  url: URL,
  incarnation: "i",
  revision: 7n,
  resumeToken: "t",
  confirmedAt: clock.now(),
  flags: received(flags),
});

const bytesOf = (snapshot: Snapshot): Buffer => Buffer.concat([...encodeSnapshot(snapshot)]);

async function written(snapshot = snapshotOf()): Promise<Buffer> {
  const file = fileOf();
  file.changed(() => snapshot);
  await file.close();
  return readFile(path);
}

describe("the content of a snapshot file", () => {
  it("is what was written, for any number of flags", () => {
    for (const count of [0, 1, 199, 200, 201, 1000]) {
      const flags = Object.fromEntries(Array.from({ length: count }, (_, n) => [`f${n}`, ON]));
      const snapshot = snapshotOf(flags);
      expect(decodeSnapshot(bytesOf(snapshot))).toEqual(snapshot);
    }
  });

  it("is refused if it is cut anywhere, or any bit of it is flipped", () => {
    const bytes = bytesOf(snapshotOf());
    const place = fc.nat(bytes.length - 1);
    const cut = fc.property(place, (at) => {
      expect(() => decodeSnapshot(bytes.subarray(0, at))).toThrow();
    });
    fc.assert(cut, { numRuns: times(200, 2000) });
    const flip = fc.property(place, fc.nat(7), (at, bit) => {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
      expect(() => decodeSnapshot(flipped)).toThrow();
    });
    fc.assert(flip, { numRuns: times(200, 2000) });
  });

  it("is refused whatever it is", () => {
    const any = fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(() => decodeSnapshot(Buffer.from(bytes))).toThrow();
    });
    fc.assert(any, { numRuns: times(200, 2000) });
    for (const head of [
      "null",
      "[]",
      "{}",
      '{"format":1}',
      '{"format":2,"url":""}',
      `{"format":1,"url":"${"x".repeat(9000)}`,
    ]) {
      expect(() => decodeSnapshot(Buffer.from(`${head}\n${"x".repeat(100)}`))).toThrow();
    }
  });
});

describe("a snapshot file", () => {
  it("is read as it was written, with its age, and only its owner may read it", async () => {
    const snapshot = snapshotOf();
    await written(snapshot);
    clock.advance(5000);
    expect(await fileOf().read()).toEqual({ snapshot, ageMs: 5000 });
    expect(await readdir(join(directory, "state"))).toEqual(["helios.snapshot"]);
    expect(logged).toEqual([]);
  });

  it("that does not exist is nothing to speak of", async () => {
    expect(await fileOf().read()).toBeUndefined();
    expect(logged).toEqual([]);
  });

  it("is ignored with a warning if it is damaged, of another service, or too old", async () => {
    const bytes = await written();
    clock.advance(5000);
    expect(await fileOf({ url: "http://other:8000" }).read()).toBeUndefined();
    expect(await fileOf({ maxAgeMs: 4999 }).read()).toBeUndefined();
    await writeFile(path, bytes.subarray(0, bytes.length - 1));
    expect(await fileOf().read()).toBeUndefined();
    await rm(path);
    await mkdir(path);
    expect(await fileOf().read()).toBeUndefined();
    expect(logged.map((line) => line.replace(/^.*ignored: /, ""))).toEqual([
      `it is of ${URL}, not of http://other:8000`,
      "it is 5 s old",
      "its checksum is wrong",
      expect.stringContaining("EISDIR"),
    ]);
  });

  it("counts as old if the clock was set back since", async () => {
    await written();
    clock = createManualClock(clock.now() - 3_600_000);
    expect((await fileOf({ maxAgeMs: 1000 }).read())?.ageMs).toBe(Number.POSITIVE_INFINITY);
  });

  it("is written at most once a second, each time with the latest state", async () => {
    const file = fileOf();
    const revisionOf = async (): Promise<bigint | undefined> => (await fileOf().read())?.snapshot.revision;
    for (const revision of [1n, 2n, 3n]) file.changed(() => ({ ...snapshotOf(), revision }));
    clock.advance(0);
    await until(async () => (await revisionOf()) === 3n);
    file.changed(() => ({ ...snapshotOf(), revision: 4n }));
    file.changed(() => ({ ...snapshotOf(), revision: 5n }));
    clock.advance(999);
    expect(await revisionOf()).toBe(3n);
    // The write before may still have to say that it has ended.
    await until(async () => {
      clock.advance(1);
      return (await revisionOf()) === 5n;
    });
    await file.close();
    expect(ids).toBe(2);
  });

  it("that cannot be written is logged once, and again when it can be", async () => {
    await writeFile(join(directory, "state"), "a file in the place of the directory");
    const file = fileOf();
    for (let n = 0; n < 3; n += 1) {
      file.changed(snapshotOf);
      clock.advance(2000);
      await until(() => logged.length === 1);
    }
    await rm(join(directory, "state"));
    await until(() => {
      file.changed(snapshotOf);
      clock.advance(2000);
      return logged.length === 2;
    });
    await file.close();
    expect(logged).toEqual([
      expect.stringMatching(/^warn: the snapshot file .* cannot be written: /),
      expect.stringMatching(/^info: the snapshot file .* is written again$/),
    ]);
  });

  it("in a directory that is read-only leaves no file behind", async () => {
    await mkdir(join(directory, "state"));
    await chmod(join(directory, "state"), 0o500);
    const file = fileOf();
    file.changed(snapshotOf);
    await file.close();
    await chmod(join(directory, "state"), 0o700);
    const left = await readdir(join(directory, "state"));
    // Root may write everywhere.
    expect(left.filter((name) => name.endsWith(".new"))).toEqual([]);
  });
});
