import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { FlagUpdate } from "../../../src/core/flags/batch.ts";
import { createMemoryStore } from "../../../src/core/store/memory/store.ts";
import { MAX_BATCH_WRITES } from "../../../src/core/store/store.ts";
import { createManualClock } from "../../../src/kernel/clock.ts";
import { type FlagsRig, flagsRig, reason } from "./harness.ts";

const WATCH = { names: [], resumeToken: "", onCompacted: "snapshot", heartbeatMs: 1000 } as const;

const state = async ({ store, feed }: FlagsRig) => ({ ...(await store.list("flag/")), revision: feed.revision });

/** Flag service with three flags. */
async function three(): Promise<FlagsRig> {
  const made = await flagsRig();
  for (const name of ["a", "b", "c"]) await made.flags.create(name, { enabled: true });
  return made;
}

describe("a batch of updates", () => {
  it("is one revision in the store, in the flags, in their history and for a watcher", async () => {
    const made = await three();
    const { flags, clock, feed } = made;
    const before = feed.revision;
    const watcher = flags.hub.watch({ clock, ...WATCH });
    await watcher.next();
    const updates = [
      { name: "c", fields: { enabled: false } },
      { name: "new", fields: { strategy: "PERCENTAGE", percentage: 5 }, allowMissing: true },
      { name: "a", fields: { description: "x" } },
      { name: "b", fields: {} },
    ] satisfies FlagUpdate[];
    const seen: unknown[] = [];
    const looking = watcher.next().then((frame) => {
      seen.push(flags.list().map(({ name, record }) => [name, record.enabled, record.description]));
      return frame;
    });
    const { flags: after, revision } = await flags.updateTogether(updates, { actor: "ana", reason: "together" });
    expect(revision).toBe(before + 1);
    expect(after.map(({ name, revision: own }) => [name, own])).toEqual([
      ["c", revision],
      ["new", revision],
      ["a", revision],
      ["b", before - 1],
    ]);
    const frame = await looking;
    expect(frame).toMatchObject({ kind: "changes", revision });
    expect(frame?.kind === "changes" && frame.items.map(({ name }) => name).sort()).toEqual(["a", "c", "new"]);
    expect(seen).toEqual([
      [
        ["a", true, "x"],
        ["b", true, ""],
        ["c", false, ""],
        ["new", false, ""],
      ],
    ]);
    const [change] = await flags.history("new", { limit: 1 });
    expect(change).toMatchObject({ revision, cause: { action: "BatchUpdateFlags", actor: "ana", reason: "together" } });
    watcher.close();
  });

  it("writes nothing if it changes nothing", async () => {
    const { flags, feed } = await three();
    const before = feed.revision;
    const { revision } = await flags.updateTogether([{ name: "a", fields: { enabled: true } }]);
    expect([revision, feed.revision]).toEqual([before, before]);
  });

  it("checks prerequisites against the state after the batch", async () => {
    const { flags } = await three();
    await flags.update("a", { prerequisites: ["b"] });
    // One after the other, the first of them would close a cycle.
    await flags.updateTogether([
      { name: "b", fields: { prerequisites: ["a", "new"] } },
      { name: "a", fields: { prerequisites: [] } },
      { name: "new", fields: {}, allowMissing: true },
    ]);
    expect(flags.get("b").record.prerequisites).toEqual(["a", "new"]);
    const cycle = flags.updateTogether([
      { name: "c", fields: { prerequisites: ["b"] } },
      { name: "a", fields: { prerequisites: ["c"] } },
    ]);
    await expect(cycle).rejects.toEqual(reason("FLAG_PREREQUISITE_CYCLE", { name: "c", index: "0" }));
  });

  const HOUR = 3_600_000;
  it.each([
    [
      "a wrong field",
      "ARGUMENT_INVALID",
      { field: "requests[1].flag.percentage" },
      { name: "b", fields: { percentage: 101 } },
    ],
    [
      "a wrong whitelist entry",
      "ARGUMENT_INVALID",
      { field: "requests[1].flag.whitelist[0]" },
      { name: "b", fields: { whitelist: [" x"] } },
    ],
    [
      "a schedule in the past",
      "ARGUMENT_INVALID",
      { field: "requests[1].flag.gradual.end_time" },
      {
        name: "b",
        fields: { gradual: { initialPercentage: 0, targetPercentage: 5, startTime: 0, endTime: HOUR } },
      },
    ],
    ["a flag that is missing", "FLAG_NOT_FOUND", { name: "nope", index: "1" }, { name: "nope", fields: {} }],
    [
      "a flag that was deleted",
      "FLAG_DELETED",
      { name: "gone", index: "1" },
      { name: "gone", fields: {}, allowMissing: true },
    ],
    [
      "a flag that was killed",
      "FLAG_KILLED",
      { name: "dead", index: "1" },
      { name: "dead", fields: { enabled: true } },
    ],
    ["a stale etag", "ETAG_MISMATCH", { name: "b", given: "old", index: "1" }, { name: "b", fields: {}, etag: "old" }],
    [
      "a wrong condition",
      "FLAG_CONDITION_INVALID",
      { name: "b", index: "1" },
      { name: "b", fields: { condition: "no" } },
    ],
    [
      "a missing prerequisite",
      "FLAG_PREREQUISITE_MISSING",
      { name: "b", index: "1" },
      { name: "b", fields: { prerequisites: ["no"] } },
    ],
    [
      "a new salt of a share",
      "FLAG_REBUCKETS",
      { name: "share", index: "1" },
      { name: "share", fields: { salt: "s" } },
    ],
    ["a duplicate name", "ARGUMENT_INVALID", { field: "requests[1].flag.name" }, { name: "a", fields: {} }],
  ] as [string, string, Record<string, string>, FlagUpdate][])(
    "is refused as a whole for %s, and the error names the request",
    async (_, refusal, metadata, wrong) => {
      const made = await three();
      const { flags } = made;
      await flags.create("gone", {});
      await flags.delete("gone");
      await flags.create("dead", {});
      await flags.disable("dead", { kill: true });
      await flags.setPercentage("share", 25, { allowMissing: true });
      const before = await state(made);
      const updates = [
        { name: "a", fields: { description: "changed" } },
        wrong,
        { name: "c", fields: { enabled: false } },
      ];
      await expect(flags.updateTogether(updates)).rejects.toEqual(reason(refusal, metadata));
      expect(await state(made)).toEqual(before);
    },
  );

  it("has 1 to 1,000 updates", async () => {
    const { flags } = await flagsRig();
    const many = Array.from({ length: 1001 }, (_, at) => ({ name: `f${at}`, fields: {}, allowMissing: true }));
    const field = { field: "requests" };
    await expect(flags.updateTogether([])).rejects.toEqual(reason("ARGUMENT_INVALID", field));
    await expect(flags.updateTogether(many)).rejects.toEqual(reason("ARGUMENT_INVALID", field));
    expect((await flags.updateTogether(many.slice(1))).flags).toHaveLength(1000);
  });

  it("writes all or nothing if the store fails, and if others write at the same time", async () => {
    const numbers = fc.array(fc.record({ at: fc.nat(2), fails: fc.boolean() }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(numbers, async (steps) => {
        const made = await three();
        const { flags, store } = made;
        const batch = store.batch.bind(store);
        let fails = false;
        store.batch = (...args) => (fails ? Promise.reject(new Error("the disk is full")) : batch(...args));
        const names = ["a", "b", "c"];
        for (const [turn, { at, fails: next }] of steps.entries()) {
          fails = next;
          const description = `turn ${turn}`;
          const before = flags.list().map(({ record }) => record.description);
          const other = flags.update(names[at] ?? "", { percentage: turn });
          const done = await flags.updateTogether(names.map((name) => ({ name, fields: { description } }))).then(
            () => true,
            () => false,
          );
          await other;
          expect(done).toBe(!next);
          const after = flags.list().map(({ record }) => record.description);
          expect(after).toEqual(done ? [description, description, description] : before);
        }
      }),
      { numRuns: 25 },
    );
  });
});

describe("a reload", () => {
  const file = (percentage: number, names = ["a", "b", "c"]): string =>
    JSON.stringify(
      Object.fromEntries(names.map((name) => [name, { enabled: true, strategy: "percentage", percentage }])),
    );

  it("is one revision, including deletions, and one frame for a watcher", async () => {
    const made = await flagsRig({ file: file(1, ["a", "b", "gone"]) });
    const { flags, clock, write } = made;
    const watcher = flags.hub.watch({ clock, ...WATCH });
    await watcher.next();
    write(file(2));
    const looking = watcher.next();
    await flags.reload({ mode: "REPLACE" });
    const frame = await looking;
    const items = frame?.kind === "changes" ? frame.items : [];
    expect(items.map(({ name }) => name).sort()).toEqual(["a", "b", "c", "gone"]);
    expect(new Set(items.map(({ revision }) => revision)).size).toBe(1);
    watcher.close();
  });

  it("changes nothing if the store fails", async () => {
    const made = await flagsRig({ file: file(1) });
    const before = await state(made);
    made.store.batch = () => Promise.reject(new Error("the disk is full"));
    made.write(file(2));
    await expect(made.flags.reload()).rejects.toEqual(reason("STORE_UNAVAILABLE"));
    expect(await state(made)).toEqual(before);
  });

  it("takes into account what another writer has changed meanwhile", async () => {
    const made = await flagsRig({ file: file(1) });
    const { flags, write } = made;
    write(file(2));
    const killing = flags.disable("b", { kill: true });
    const result = await flags.reload();
    await killing;
    expect(flags.get("b").record).toMatchObject({ enabled: false, killed: true });
    expect(result).toMatchObject({ stillKilled: ["b"], differences: [{ name: "a" }, { name: "c" }] });
  });

  it("is refused before anything is written if it has more flags than the store takes at once", async () => {
    const made = await flagsRig({ file: file(1) });
    const before = await state(made);
    made.write(
      file(
        2,
        Array.from({ length: MAX_BATCH_WRITES + 1 }, (_, at) => `f${at}`),
      ),
    );
    await expect(made.flags.reload()).rejects.toEqual(
      reason("BATCH_TOO_LARGE", { size: "5001 writes", limit: "5000 writes" }),
    );
    expect(await state(made)).toEqual(before);
  });
});

describe("the first start with a flags file", () => {
  const many = (count: number): string =>
    JSON.stringify(
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`f${String(at).padStart(5, "0")}`, true])),
    );

  it("fills the store at one revision", async () => {
    const { flags } = await flagsRig({ file: many(100) });
    expect(flags.list()).toHaveLength(100);
    expect(new Set(flags.list().map(({ revision }) => revision)).size).toBe(1);
  });

  it("leaves the store empty if it cannot be filled, and fills it the next time", async () => {
    const clock = createManualClock();
    const store = createMemoryStore({ clock, incarnation: "i" });
    const batch = store.batch.bind(store);
    store.batch = () => Promise.reject(new Error("the disk is full"));
    await expect(flagsRig({ store, clock, file: many(3) })).rejects.toEqual(reason("STORE_UNAVAILABLE"));
    expect((await store.list("")).entries).toEqual([]);
    store.batch = batch;
    expect((await flagsRig({ store, clock, file: many(3) })).flags.list()).toHaveLength(3);
  });

  it("completes a large file that an earlier start had written in part", async () => {
    const clock = createManualClock();
    const store = createMemoryStore({ clock, incarnation: "i" });
    const batch = store.batch.bind(store);
    let left = 1;
    store.batch = async (...args) => {
      if (left-- === 0) throw new Error("the disk is full");
      return batch(...args);
    };
    const count = MAX_BATCH_WRITES + 2;
    await expect(flagsRig({ store, clock, file: many(count) })).rejects.toEqual(reason("STORE_UNAVAILABLE"));
    left = Number.POSITIVE_INFINITY;
    const { flags, restart } = await flagsRig({ store, clock, file: many(count) });
    expect(flags.list()).toHaveLength(count);
    const { revision } = await flags.delete("f00001");
    expect((await restart()).feed.revision).toBe(revision);
  });
});
