import { describe, expect, it } from "vitest";
import { LOOK_INTERVAL_MS } from "../../../../src/core/flags/file/follow.ts";
import { turn } from "../../../support/turns.ts";
import { type FlagsRig, flagsRig } from "../harness.ts";

const file = (flags: Record<string, number>): string =>
  JSON.stringify(
    Object.fromEntries(
      Object.entries(flags).map(([name, percentage]) => [name, { enabled: true, strategy: "percentage", percentage }]),
    ),
    undefined,
    1,
  );

/** Polls the file that many times. The store is in memory, so the work of a poll ends within a turn of the event loop. */
async function look({ clock }: FlagsRig, times = 2): Promise<void> {
  for (let time = 0; time < times; time++) {
    clock.advance(LOOK_INTERVAL_MS);
    await turn();
  }
}

const shares = ({ flags }: FlagsRig): Record<string, number> =>
  Object.fromEntries(flags.list().map(({ name, record }) => [name, record.percentage]));

const errors = ({ logged }: FlagsRig): unknown[] =>
  logged.filter(([, level]) => level === "error").map(([, , , rest]) => rest);

/** A schedule from 0 to 100 % around the start time of the clock. */
const SCHEDULE = {
  initial_percentage: 0,
  target_percentage: 100,
  start_time: "2023-11-14T00:00:00Z",
  end_time: "2023-11-16T00:00:00Z",
};

describe("a flags file that is followed", () => {
  it("is reloaded once after a change", async () => {
    const made = await flagsRig({ file: file({ a: 5, b: 6 }), followFile: "MERGE" });
    await look(made);
    const before = made.feed.revision;
    made.write(file({ a: 7 }));
    await look(made);
    expect(shares(made)).toEqual({ a: 7, b: 6 });
    const [change] = await made.flags.history("a", { limit: 1 });
    expect(change?.cause).toEqual({ action: "ReloadFlags", reason: "flags.json has changed" });
    const after = made.feed.revision;
    expect(after).toBeGreaterThan(before);
    await look(made, 5);
    expect(made.feed.revision).toBe(after);
  });

  it("deletes the flags that it does not name, if that is configured", async () => {
    const made = await flagsRig({ file: file({ a: 5, b: 6 }), followFile: "REPLACE" });
    made.write(file({ a: 7 }));
    await look(made);
    expect(shares(made)).toEqual({ a: 7 });
  });

  it("restores the flags that it has deleted, and none that somebody else has", async () => {
    const whole = JSON.stringify({
      a: { enabled: true, strategy: "percentage", percentage: 5 },
      killed: { enabled: true, strategy: "all_on" },
      paused: { enabled: true, strategy: "gradual", gradual: SCHEDULE },
      gone: true,
    });
    const made = await flagsRig({ file: whole, followFile: "REPLACE" });
    await made.flags.delete("gone");
    await made.flags.disable("killed", { kill: true });
    const { record } = await made.flags.pauseGradual("paused");
    for (const _ of [1, 2]) {
      made.write("{}");
      await look(made);
      expect(made.flags.list().map(({ name }) => name)).toEqual(["killed"]);
      made.write(whole);
      made.clock.stepWall(3_600_000);
      await look(made);
      expect(made.flags.list().map(({ name }) => name)).toEqual(["a", "killed", "paused"]);
      expect(made.flags.get("killed").record).toMatchObject({ enabled: false, killed: true });
      expect(made.flags.get("paused").record).toEqual(record);
    }
    await made.flags.enable("killed", {}, { reason: "it was an accident" });
    expect(made.flags.isEnabled("killed")).toBe(true);
    expect(await made.flags.reload()).toMatchObject({ differences: [], passedOver: ["gone"], stillKilled: [] });
    await made.flags.delete("a");
    expect(await made.flags.reload()).toMatchObject({ differences: [], passedOver: ["a", "gone"] });
  });

  it("is not reloaded while it is being written", async () => {
    const made = await flagsRig({ file: file({ a: 5 }), followFile: "MERGE" });
    for (const share of [6, 7, 8, 9]) {
      made.write(file({ a: share }));
      await look(made, 1);
      expect(shares(made)).toEqual({ a: 5 });
    }
    await look(made, 1);
    expect(shares(made)).toEqual({ a: 9 });
  });

  it("changes nothing if it is broken, which is logged once with line, key and expectation", async () => {
    const made = await flagsRig({ file: file({ a: 5 }), followFile: "MERGE" });
    made.write(file({ a: 101, b: 6 }));
    await look(made, 10);
    expect(shares(made)).toEqual({ a: 5 });
    expect(errors(made)).toEqual([
      {
        fileName: "flags.json",
        file: "flags.json",
        line: "5",
        key: "a.percentage",
        problem: "101 is not allowed",
        expected: "a number from 0 to 100 with at most three decimals",
      },
    ]);
    made.write("{");
    await look(made, 4);
    expect(errors(made)).toHaveLength(2);
    made.write(file({ a: 10, b: 6 }));
    await look(made);
    expect(shares(made)).toEqual({ a: 10, b: 6 });
  });

  it("leaves the flags unchanged if it is missing or unreadable, which is logged once", async () => {
    const made = await flagsRig({ file: file({ a: 5 }), followFile: "REPLACE" });
    made.write(undefined);
    await look(made, 4);
    made.write(new Error("EACCES: permission denied"));
    await look(made, 4);
    expect(shares(made)).toEqual({ a: 5 });
    expect(errors(made)).toEqual([{ fileName: "flags.json" }, expect.objectContaining({ error: expect.anything() })]);
    made.write(file({ a: 6 }));
    await look(made);
    expect(shares(made)).toEqual({ a: 6 });
  });

  it("does not undo an operator's later change unless the file itself changes", async () => {
    const made = await flagsRig({ file: file({ a: 5 }), followFile: "MERGE" });
    await made.flags.setPercentage("a", 50);
    await look(made, 3);
    expect(shares(made)).toEqual({ a: 50 });
    const again = await made.restart();
    await look(again, 3);
    expect(shares(again)).toEqual({ a: 50 });
  });

  it("is reloaded at the next start if it changed meanwhile", async () => {
    const made = await flagsRig({ file: file({ a: 5 }), followFile: "MERGE" });
    made.write(file({ a: 8 }));
    const again = await made.restart();
    await look(again);
    expect(shares(again)).toEqual({ a: 8 });
    await look(made);
    expect(errors(made)).toEqual([]);
  });

  it("is not read if the setting is off", async () => {
    const made = await flagsRig({ file: file({ a: 5 }) });
    made.write(file({ a: 8 }));
    await look(made, 3);
    expect(shares(made)).toEqual({ a: 5 });
  });

  it("leaves a killed flag off", async () => {
    const made = await flagsRig({ file: file({ a: 5 }), followFile: "REPLACE" });
    await made.flags.disable("a", { kill: true });
    made.write(file({ a: 100, b: 1 }));
    await look(made);
    expect(shares(made)).toEqual({ a: 5, b: 1 });
    expect(made.flags.isEnabled("a", { sessionId: "s" })).toBe(false);
  });
});
