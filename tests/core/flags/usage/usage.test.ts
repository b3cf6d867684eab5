import { describe, expect, it } from "vitest";
import { MAX_ANSWERS, MAX_COUNT } from "../../../../src/core/flags/counts/answers.ts";
import { MAX_CLIENTS } from "../../../../src/core/flags/usage/clients.ts";
import type { ReportedAnswer } from "../../../../src/core/flags/usage/types.ts";
import { WRITE_USAGE_MS } from "../../../../src/core/flags/usage/usage.ts";
import { dayOf, KEPT_DAYS, startOfDay } from "../../../../src/core/store/daily.ts";
import { createMemoryStore } from "../../../../src/core/store/memory/store.ts";
import type { Store } from "../../../../src/core/store/store.ts";
import { createManualClock, type ManualClock } from "../../../../src/kernel/clock.ts";
import { turns } from "../../../support/turns.ts";
import { type FlagsRig, flagsRig, reason } from "../harness.ts";

const DAY = startOfDay(1);
const START = 1.7e12;

const on = (count = 1, variant = "on"): ReportedAnswer => ({ variant, reason: "SPLIT", errorCode: undefined, count });

/** With the flag `f`, which is on for all sessions, by their buckets. */
async function withFlag(options: Parameters<typeof flagsRig>[0] = {}): Promise<FlagsRig> {
  const rig = await flagsRig(options);
  await rig.flags.create("f", { enabled: true, strategy: "PERCENTAGE", percentage: 100 });
  return rig;
}

/** A store that calls `onWrite` with the number of records before usage is written. */
function storeWith(onWrite: (records: number) => void): { readonly clock: ManualClock; readonly store: Store } {
  const clock = createManualClock();
  const store = createMemoryStore({ clock, incarnation: "i" });
  const { daily } = store;
  const write: typeof daily.write = (writes) => {
    onWrite(writes.length);
    return daily.write(writes);
  };
  Object.defineProperty(store, "daily", { value: { ...daily, write } });
  return { clock, store };
}

/** Lets a minute pass, in which the usage is written. */
async function minute({ clock }: FlagsRig): Promise<void> {
  clock.advance(WRITE_USAGE_MS);
  await turns(20);
}

describe("the usage of a flag", () => {
  it("is empty until the flag is asked for", async () => {
    const { flags } = await withFlag();
    expect(flags.usage("f")).toEqual({
      name: "f",
      lastTime: undefined,
      recordedSince: START,
      windowStart: startOfDay(dayOf(START) - 30),
      clients: 0,
      capped: false,
      count: 0,
      answers: [],
    });
    expect(() => flags.usage("none")).toThrow(reason("FLAG_NOT_FOUND"));
  });

  it("counts what the service answers, and neither explanations nor evaluations of another time", async () => {
    const { flags, clock } = await withFlag();
    await flags.create("off", {});
    await flags.create("after", { enabled: true, prerequisites: ["off"] });
    const { revision } = flags.get("f");
    clock.advance(1000);
    for (let n = 0; n < 3; n += 1) flags.evaluate("f", { sessionId: "s" });
    expect(flags.isEnabled("f")).toBe(true);
    flags.evaluateMany(["f", "none", "after"]);
    await flags.evaluateManyInSlices("all", { sessionId: "s" });
    expect(flags.usage("f")).toMatchObject({ count: 6, lastTime: START + 1000, clients: 0 });
    clock.advance(1000);
    await flags.explain("f");
    await flags.explain("f", {}, { time: clock.now() + 5000 });
    await flags.evaluateAsOf("f", {}, revision);
    await flags.evaluateManyAsOf("all", {}, { time: clock.now() + 5000 });
    expect(flags.usage("f")).toMatchObject({ count: 6, lastTime: START + 1000 });
    expect(flags.usage("after").answers).toEqual([
      { variant: "off", reason: "DEFAULT", errorCode: undefined, count: 2, lastTime: START + 1000 },
    ]);
    // Only by `evaluateManyInSlices`, and not as a prerequisite.
    expect(flags.usage("off").count).toBe(1);
  });

  it("counts on after a change of the flag, and sums all answers", async () => {
    const { flags, clock } = await withFlag();
    flags.evaluate("f", { sessionId: "s" });
    await flags.disable("f");
    clock.advance(5);
    flags.evaluate("f");
    flags.evaluate("f");
    expect(flags.usage("f").answers).toEqual([
      { variant: "off", reason: "DISABLED", errorCode: undefined, count: 2, lastTime: START + 5 },
      { variant: "on", reason: "SPLIT", errorCode: undefined, count: 1, lastTime: START },
    ]);
  });

  it("adds what clients report, whose number it tells", async () => {
    const { flags, clock } = await withFlag();
    flags.evaluate("f", { sessionId: "s" });
    clock.advance(10);
    const answers = [on(5), { ...on(2, "off"), reason: "ERROR", errorCode: "CONDITION_FAILED" } as const, on(1)];
    expect(await flags.reportUsage("a", 1, [{ name: "f", answers }])).toEqual({ duplicate: false, unknownNames: [] });
    for (const client of ["b", "c", "b"])
      await flags.reportUsage(client, 1, [{ name: "f", answers: [on(10)] }], client);
    expect(flags.usage("f")).toMatchObject({
      clients: 3,
      capped: false,
      count: 29,
      lastTime: START + 10,
      answers: [
        { variant: "on", reason: "SPLIT", count: 27 },
        { variant: "off", reason: "ERROR", errorCode: "CONDITION_FAILED", count: 2 },
      ],
    });
  });

  it("is the same before and after it was written, and after a restart", async () => {
    const rig = await withFlag();
    const { flags, clock } = rig;
    const seen = async (now: FlagsRig = rig) => now.flags.usage("f");
    flags.evaluate("f", { sessionId: "s" });
    await flags.reportUsage("a", 1, [{ name: "f", answers: [on(5)] }]);
    const before = await seen();
    await minute(rig);
    expect(await seen()).toEqual(before);
    clock.advance(DAY);
    flags.evaluate("f", { sessionId: "s" });
    await flags.reportUsage("a", 2, [{ name: "f", answers: [on(5)] }]);
    await flags.reportUsage("b", 1, [{ name: "f", answers: [on(5)] }]);
    const after = await seen();
    expect(after).toMatchObject({ clients: 2, count: 17 });
    expect(await seen(await rig.restart())).toEqual(after);
  });

  it("is counted for the days of the window, but the last time is that of all days", async () => {
    const rig = await withFlag();
    const { flags, clock } = rig;
    for (const [client, days] of [
      ["a", 3],
      ["b", 2],
      ["a", 40],
    ] as const) {
      await flags.reportUsage(client, clock.now(), [{ name: "f", answers: [on()] }]);
      await minute(rig);
      clock.advance(days * DAY);
      await turns(20);
    }
    // The reports came 45 days, 42 days and 40 days ago.
    const counts = (days: number): unknown => {
      const { count, clients } = flags.usage("f", days * DAY);
      return [count, clients];
    };
    expect([39, 40, 41, 42, 44, 45].map(counts)).toEqual([
      [0, 0],
      [1, 1],
      [1, 1],
      [2, 2],
      [2, 2],
      [3, 2],
    ]);
    expect(flags.usage("f")).toMatchObject({ count: 0, lastTime: START + 5 * DAY + 2 * WRITE_USAGE_MS });
    for (const windowMs of [0, -1, Number.NaN, KEPT_DAYS * DAY + 1])
      expect(() => flags.usage("f", windowMs)).toThrow(reason("ARGUMENT_INVALID", { field: "window" }));
  });

  it("is forgotten after its time, which it says", async () => {
    const rig = await withFlag();
    const { flags, clock } = rig;
    flags.evaluate("f");
    await minute(rig);
    for (let day = 0; day <= KEPT_DAYS + 1; day += 1) {
      clock.advance(DAY);
      await turns(20);
    }
    expect(flags.usage("f", KEPT_DAYS * DAY)).toMatchObject({
      lastTime: undefined,
      count: 0,
      recordedSince: startOfDay(dayOf(clock.now()) - KEPT_DAYS),
    });
  });

  it("is written neither more than once a minute, nor if nothing was counted, and raises no revision", async () => {
    let writes = 0;
    const rig = await withFlag(
      storeWith(() => {
        writes += 1;
      }),
    );
    const { clock } = rig;
    for (let n = 0; n < 5; n += 1) await minute(rig);
    expect(writes).toBe(0);
    const { revision } = rig.feed;
    rig.flags.evaluate("f");
    for (let n = 0; n < 50; n += 1) {
      rig.flags.evaluate("f");
      clock.advance(WRITE_USAGE_MS / 60);
      await turns(20);
    }
    expect(writes).toBe(0);
    for (let n = 0; n < 5; n += 1) await minute(rig);
    // The counts, and the time up to which all is written.
    expect(writes).toBe(2);
    expect(rig.feed.revision).toBe(revision);
    await rig.flags.close();
    expect(writes).toBe(2);
  });

  it("is tried again if it could not be written, and nothing is lost", async () => {
    let failing = true;
    const rig = await withFlag(
      storeWith(() => {
        if (failing) throw new Error("disk full");
      }),
    );
    const { clock, store } = rig;
    const { flags } = rig;
    flags.evaluate("f");
    await minute(rig);
    flags.evaluate("f");
    expect(flags.usage("f").count).toBe(2);
    expect(rig.logged).toContainEqual([
      "flags",
      "warn",
      expect.stringContaining("tried again"),
      { problem: "disk full" },
    ]);
    await minute(rig);
    failing = false;
    const written = (): boolean => store.daily.find(dayOf(clock.now()), "usage/f") !== undefined;
    expect(written()).toBe(false);
    await minute(rig);
    expect(written()).toBe(true);
    expect((await rig.restart()).flags.usage("f").count).toBe(2);
  });
});

describe("the usage of a deleted flag", () => {
  it("is deleted with it, and begins anew if the flag is created again", async () => {
    const rig = await withFlag();
    const { flags, clock } = rig;
    const used = async (seq: number): Promise<void> => {
      flags.evaluate("f");
      await flags.reportUsage("a", seq, [{ name: "f", answers: [on(5)] }]);
    };
    await used(1);
    await minute(rig);
    clock.advance(DAY);
    await used(2);
    await flags.delete("f");
    const deletedAt = clock.now();
    expect(() => flags.usage("f")).toThrow(reason("FLAG_NOT_FOUND"));
    expect(await flags.reportUsage("a", 3, [{ name: "f", answers: [on()] }])).toMatchObject({ unknownNames: ["f"] });
    clock.advance(1000);
    await flags.create("f", { enabled: true }, { revive: true });
    const fresh = { count: 0, clients: 0, lastTime: undefined, recordedSince: deletedAt };
    expect(flags.usage("f")).toMatchObject(fresh);
    await minute(rig);
    expect(flags.usage("f")).toMatchObject(fresh);
    await used(4);
    const again = await rig.restart();
    expect(again.flags.usage("f")).toMatchObject({ count: 6, clients: 1, recordedSince: deletedAt });
  });

  it("is deleted at the next start if the service was killed before it could be", async () => {
    const rig = await withFlag();
    rig.flags.evaluate("f");
    await minute(rig);
    rig.clock.advance(1000);
    await rig.flags.delete("f");
    const deletedAt = rig.clock.now();
    // Without `close`, as after a kill.
    const again = await flagsRig({ store: rig.store, clock: rig.clock });
    await again.flags.create("f", { enabled: true }, { revive: true });
    expect(again.flags.usage("f")).toMatchObject({ count: 0, recordedSince: deletedAt });
  });
});

describe("a report of usage", () => {
  it("counts once, however often it arrives", async () => {
    const { flags } = await withFlag();
    const report = [{ name: "f", answers: [on(5)] }];
    for (const duplicate of [false, true, true])
      expect(await flags.reportUsage("a", 7n, report, "run")).toEqual({ duplicate, unknownNames: [] });
    expect((await flags.reportUsage("a", 7n, report, "another run")).duplicate).toBe(false);
    expect(flags.usage("f").count).toBe(10);
  });

  it("names the flags that do not exist, each once, and stores nothing of them", async () => {
    const rig = await withFlag();
    const names = ["none", "f", "none", "../x", "__proto__"];
    const reported = await rig.flags.reportUsage(
      "a",
      1,
      names.map((name) => ({ name, answers: [on()] })),
    );
    expect(reported.unknownNames).toEqual(["none", "../x", "__proto__"]);
    await minute(rig);
    const today = dayOf(rig.clock.now());
    expect(["f", "none", "../x"].map((name) => rig.store.daily.find(today, `usage/${name}`) !== undefined)).toEqual([
      true,
      false,
      false,
    ]);
  });

  it("keeps the names of variants that the flag has or had, and puts all others together", async () => {
    const { flags } = await withFlag();
    const variants = (...names: string[]) => ({ variants: names.map((name) => ({ name, weight: 1, value: name })) });
    await flags.update("f", variants("blue", "green"), { rebucket: true });
    await flags.update("f", variants("green", "red"), { rebucket: true });
    const names = ["blue", "green", "red", "on", "off", "", "pink", "black", "__proto__"];
    await flags.reportUsage("a", 1, [{ name: "f", answers: names.map((name) => on(1, name)) }]);
    expect(new Map(flags.usage("f").answers.map(({ variant, count }) => [variant, count]))).toEqual(
      new Map([...["blue", "green", "red", "on", "off", ""].map((name) => [name, 1] as const), ["(other)", 3]]),
    );
    // A variant that comes later is known as soon as it is there.
    await flags.update("f", variants("pink"), { rebucket: true });
    await flags.reportUsage("a", 2, [{ name: "f", answers: [on(1, "pink"), on(1, "red")] }]);
    expect(flags.usage("f").answers).toContainEqual(expect.objectContaining({ variant: "pink", count: 1 }));
    expect(flags.usage("f").answers).toContainEqual(expect.objectContaining({ variant: "red", count: 2 }));
  });

  it("cannot make the usage of a flag grow without bound", async () => {
    const rig = await withFlag();
    const { flags, store, clock } = rig;
    for (let at = 0; at < 3 * MAX_CLIENTS; at += 1) {
      const answers = Array.from({ length: 5 }, (_, n) => on(MAX_COUNT, `random-${at}-${n}`));
      await flags.reportUsage(`client-${at}`, 1, [{ name: "f", answers }]);
    }
    await minute(rig);
    const usage = flags.usage("f");
    expect(usage).toMatchObject({ clients: MAX_CLIENTS, capped: true, count: MAX_COUNT });
    expect(usage.answers.length).toBeLessThanOrEqual(MAX_ANSWERS);
    const stored = ["usage/f", "clients/f"].map((key) => store.daily.find(dayOf(clock.now()), key)?.length ?? 0);
    expect(stored[0]).toBeLessThan(1_000);
    expect(stored[1]).toBeLessThan(12 * MAX_CLIENTS);
  });

  it("is refused if it has no client, no number from 1, or a count that is not one", async () => {
    const { flags } = await withFlag();
    const report = (count: number) => [{ name: "f", answers: [on(), on(count)] }];
    const refused = (field: string) => reason("ARGUMENT_INVALID", { field });
    await expect(flags.reportUsage("", 1, report(1))).rejects.toThrow(refused("client_id"));
    for (const seq of [0, -1n, 1.5])
      await expect(flags.reportUsage("a", seq, report(1))).rejects.toThrow(refused("seq"));
    for (const count of [0, -1, 1.5, Number.NaN, 2 ** 53])
      await expect(flags.reportUsage("a", 1, report(count))).rejects.toThrow(refused("reports[0].answers[1].count"));
    expect((await flags.reportUsage("a", 1, report(1))).duplicate).toBe(false);
    await flags.close();
    await expect(flags.reportUsage("a", 2, report(1))).rejects.toThrow(reason("SERVER_DRAINING"));
  });
});

describe("the usage of many flags", () => {
  it("is recorded for a shorter time if it takes too many bytes, which it says", async () => {
    const clock = createManualClock();
    const rig = await flagsRig({ clock, store: createMemoryStore({ clock, incarnation: "i", dailyBytes: 20_000 }) });
    const names = Array.from({ length: 50 }, (_, n) => `flag-${n}`);
    for (const name of names) await rig.flags.create(name, { enabled: true });
    const begun = clock.now();
    let days = 0;
    for (; rig.flags.usage("flag-7").recordedSince === begun && days < 30; days += 1) {
      rig.flags.evaluateMany(names);
      await minute(rig);
      clock.advance(DAY);
    }
    expect(days).toBeGreaterThan(3);
    expect(days).toBeLessThan(10);
    const { recordedSince } = rig.flags.usage("flag-7");
    expect(recordedSince % DAY).toBe(0);
    for (const name of names)
      expect(rig.flags.usage(name)).toMatchObject({ recordedSince, lastTime: expect.any(Number) });
    expect((await rig.restart()).flags.usage("flag-7").recordedSince).toBe(recordedSince);
  });

  it("is written in steps, between which other work runs", async () => {
    const rig = await flagsRig();
    const names = Array.from({ length: 2_500 }, (_, n) => `flag-${n}`);
    await Promise.all(names.map((name) => rig.flags.create(name, { enabled: true })));
    rig.flags.evaluateMany(names);
    rig.clock.advance(WRITE_USAGE_MS);
    const today = dayOf(rig.clock.now());
    const written = (): number => names.filter((name) => rig.store.daily.find(today, `usage/${name}`)).length;
    const steps = new Set<number>();
    for (let n = 0; n < 40; n += 1) {
      await turns(1);
      steps.add(written());
    }
    expect([...steps].at(-1)).toBe(2_500);
    expect(steps.size).toBeGreaterThan(10);
  });

  it("is deleted in steps with many flags, of which there are records of many days", async () => {
    const sizes: number[] = [];
    const rig = await flagsRig(storeWith((writes) => sizes.push(writes)));
    const names = Array.from({ length: 60 }, (_, n) => `flag-${n}`);
    for (const name of names) await rig.flags.create(name, { enabled: true });
    for (let day = 0; day < 20; day += 1) {
      rig.flags.evaluateMany(names);
      await minute(rig);
      rig.clock.advance(DAY);
    }
    for (const name of names) await rig.flags.delete(name);
    await minute(rig);
    for (const name of names) expect(rig.store.daily.of(`usage/${name}`)).toHaveLength(1);
    expect(Math.max(...sizes)).toBeLessThan(200);
  });

  it("is written with the next minute if it was counted during a writing", async () => {
    const rig = await flagsRig();
    const names = Array.from({ length: 2_500 }, (_, n) => `flag-${n}`);
    await Promise.all([...names, "late"].map((name) => rig.flags.create(name, { enabled: true })));
    rig.flags.evaluateMany(names);
    rig.clock.advance(WRITE_USAGE_MS);
    await turns(1);
    rig.flags.evaluate("late");
    const isWritten = (): boolean => rig.store.daily.find(dayOf(rig.clock.now()), "usage/late") !== undefined;
    await turns(40);
    expect(isWritten()).toBe(false);
    await minute(rig);
    expect(isWritten()).toBe(true);
  });
});
