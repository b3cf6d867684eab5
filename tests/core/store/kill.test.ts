import { describe, expect, it } from "vitest";
import { byRevision } from "../../../src/core/store/checks.ts";
import { openSqliteStore } from "../../../src/core/store/sqlite/open.ts";
import type { Change } from "../../../src/core/store/store.ts";
import { systemClock } from "../../../src/kernel/clock.ts";
import { SOAK } from "../../support/soak.ts";
import { makeDirectory } from "./directories.ts";
import { type Acknowledged, startWriter } from "./processes.ts";
import { readAll } from "./rig.ts";
import { BATCHED } from "./writer.ts";

/** Numbers from 0 to 1 that are equal in every run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

describe("a process that is killed while it writes", () => {
  it("loses no acknowledged write, 4 times on one directory", () => killing(4));
  it("loses no acknowledged write, 20 times on one directory", SOAK, () => killing(20));

  async function killing(kills: number): Promise<void> {
    const random = seeded(20_261_123);
    const directory = makeDirectory();
    const acknowledged: Acknowledged[] = [];
    let before: readonly Change[] = [];
    for (let kill = 0; kill < kills; kill += 1) {
      const writer = startWriter(directory, "loop");
      // It is killed after a random number of acknowledged writes, from zero to a few hundred.
      await writer.saidAtLeast(Math.floor(random() ** 3 * 400));
      writer.process.kill("SIGKILL");
      await writer.ended;
      acknowledged.push(...(writer.said.filter((value) => typeof value === "object") as Acknowledged[]));

      const store = await openSqliteStore({ directory, clock: systemClock, newId: () => crypto.randomUUID() });
      const changes = await readAll(store, "", 0, 1000);
      const present = new Map<string, string>();
      const byPlace = new Map(changes.map((change) => [`${change.revision} ${change.key}`, change]));
      for (const { key, value, previous } of changes) {
        expect(previous).toBe(present.get(key));
        if (value === undefined) present.delete(key);
        else present.set(key, value);
      }
      expect(JSON.stringify(changes.slice(0, before.length))).toBe(JSON.stringify(before));
      for (const { revision, key, value } of acknowledged) {
        expect({ revision, key, value: byPlace.get(`${revision} ${key}`)?.value }).toEqual({ revision, key, value });
      }
      for (const batch of byRevision(changes.filter(({ key }) => key.startsWith("batch/")))) {
        expect(batch).toHaveLength(BATCHED);
      }
      const { entries, revision } = await store.list("");
      expect(revision).toBe(byRevision(changes).length);
      expect(new Map(entries.map((entry) => [entry.key, entry.value]))).toEqual(present);
      before = changes;
      await store.close();
    }
    expect(acknowledged.length).toBeGreaterThan(kills * 20);
  }
});
