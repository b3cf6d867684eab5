import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { shareAt } from "../../../../src/kernel/flags/share.ts";
import { type FlagsRig, flagsRig, reason } from "../harness.ts";

const HOUR = 3_600_000;

/** Flag service with a schedule of `a` from 0 to 100 % in ten hours, which starts now. */
async function scheduled(): Promise<FlagsRig> {
  const made = await flagsRig();
  const endTime = made.clock.now() + 10 * HOUR;
  await made.flags.setGradual("a", { initialPercentage: 0, targetPercentage: 100, endTime, allowMissing: true });
  return made;
}

const share = ({ flags, clock }: FlagsRig): number | undefined => shareAt(flags.get("a").record, clock.now());

/** The file's text with `a` as it was before it was switched off, with changes. */
const fileOf = (made: FlagsRig, more: object): string => {
  const { paused_at, ...gradual } = made.flags.export().flags.a?.gradual ?? {};
  return JSON.stringify({ a: { ...made.flags.export().flags.a, gradual, ...more } });
};

type Step = (made: FlagsRig) => Promise<unknown>;

const WAYS_OFF: Readonly<Record<string, Step>> = {
  DisableFlag: ({ flags }) => flags.disable("a"),
  "DisableFlag with kill": ({ flags }) => flags.disable("a", { kill: true }),
  "UpdateFlag of enabled": ({ flags }) => flags.update("a", { enabled: false }),
  "EnableFlag with enabled = false": ({ flags }) => flags.enable("a", { enabled: false }),
  "EnableFlag with another strategy": ({ flags }) => flags.enable("a", { strategy: "ALL_OFF" }),
  SetPercentage: ({ flags }) => flags.setPercentage("a", 1),
  "AddToWhitelist with set_strategy": ({ flags }) => flags.addToWhitelist("a", ["x"], { setStrategy: true }),
  "UpdateFlag of strategy": ({ flags }) => flags.update("a", { strategy: "WHITELIST" }),
  "a reload": async (made) => {
    made.write(fileOf(made, { enabled: false }));
    await made.flags.reload();
  },
};

const WAYS_ON: Readonly<Record<string, Step>> = {
  EnableFlag: ({ flags }) => flags.enable("a", { strategy: "GRADUAL" }, { reason: "fixed" }),
  "UpdateFlag of enabled and strategy": async ({ flags }) => {
    await flags.enable("a", { strategy: "GRADUAL" }, { reason: "fixed" });
    await flags.update("a", { enabled: true, strategy: "GRADUAL" });
  },
  "UpdateFlag of the whole flag, without its pause": async ({ flags }) => {
    if (flags.get("a").record.killed) await flags.enable("a", { strategy: "ALL_OFF" }, { reason: "fixed" });
    const { pausedAt, ...gradual } = flags.get("a").record.gradual ?? { initialPercentage: 0, targetPercentage: 0 };
    await flags.update("a", { enabled: true, strategy: "GRADUAL", gradual });
  },
  "a reload": async (made) => {
    if (made.flags.get("a").record.killed) await made.flags.enable("a", { strategy: "ALL_OFF" }, { reason: "fixed" });
    made.write(fileOf(made, { enabled: true, strategy: "gradual", killed: false }));
    await made.flags.reload();
  },
};

describe("the schedule of a flag that is off", () => {
  const pairs = Object.keys(WAYS_OFF).flatMap((off) => Object.keys(WAYS_ON).map((on) => [off, on] as const));
  it.each(pairs)("stands still between %s and %s", async (off, on) => {
    const made = await scheduled();
    made.clock.advance(2 * HOUR);
    await WAYS_OFF[off]?.(made);
    made.clock.advance(5 * HOUR);
    await WAYS_ON[on]?.(made);
    expect([made.flags.get("a").record.enabled, share(made)]).toEqual([true, 20]);
    made.clock.advance(50 * HOUR);
    expect(share(made)).toBe(20);
    await made.flags.resumeGradual("a");
    made.clock.advance(HOUR);
    expect(share(made)).toBe(30);
  });

  it("changes no share, whatever is done to the flag and however long it is off", async () => {
    const ways = [...Object.values(WAYS_OFF), ...Object.values(WAYS_ON)];
    const revert: Step = async ({ flags, feed }) => flags.revert("a", feed.revision);
    const restart: Step = async () => {};
    const steps = fc.array(fc.tuple(fc.constantFrom(...ways, revert, restart), fc.nat(4 * HOUR)), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(6 * HOUR), async (some, first) => {
        const made = await scheduled();
        const runs = (): boolean => {
          const { enabled, strategy } = made.flags.get("a").record;
          return enabled && strategy === "GRADUAL";
        };
        made.clock.advance(first);
        let last = share(made);
        for (const [step, ms] of some) {
          const before = runs() ? share(made) : last;
          await step(made).catch((error) => expect(error).toEqual(reason("FLAG_KILLED")));
          if (runs()) expect(share(made)).toBe(before);
          last = before;
          made.clock.advance(ms);
          if (!runs()) continue;
          if (made.flags.get("a").record.gradual?.pausedAt !== undefined) expect(share(made)).toBe(before);
          last = share(made);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("stands still since the flag's last change if an earlier version had let it run", async () => {
    const made = await scheduled();
    made.clock.advance(3 * HOUR);
    const record = { ...made.flags.get("a").record, enabled: false };
    await made.store.put("flag/a", JSON.stringify(record), { cause: { action: "DisableFlag" } });
    made.clock.advance(20 * HOUR);
    await made.flags.enable("a");
    expect(share(made)).toBe(30);
  });

  it("cannot be resumed, and continues when the flag is enabled with resume", async () => {
    const made = await scheduled();
    made.clock.advance(2 * HOUR);
    await made.flags.disable("a");
    await expect(made.flags.resumeGradual("a")).rejects.toEqual(reason("FLAG_NOT_SCHEDULED", { operation: "resume" }));
    made.clock.advance(HOUR);
    await made.flags.enable("a", { resume: true });
    expect(share(made)).toBe(20);
    made.clock.advance(HOUR);
    expect(share(made)).toBe(30);
  });
});

describe("a revert to the middle of a schedule", () => {
  it("restores the share that was in force then, paused", async () => {
    const made = await scheduled();
    made.clock.advance(2 * HOUR);
    const { revision } = await made.flags.update("a", { description: "in the middle" });
    made.clock.advance(HOUR);
    await made.flags.setPercentage("a", 5);
    made.clock.advance(100 * HOUR);
    const { record } = await made.flags.revert("a", revision);
    expect([record.enabled, record.description, share(made)]).toEqual([true, "in the middle", 20]);
    made.clock.advance(100 * HOUR);
    expect(share(made)).toBe(20);
    await made.flags.resumeGradual("a");
    made.clock.advance(8 * HOUR - 1);
    expect(share(made)).toBeCloseTo(100, 2);
  });

  it("restores the share at that revision of the store, if it is not a revision of the flag itself", async () => {
    const made = await scheduled();
    made.clock.advance(4 * HOUR);
    const { revision } = await made.flags.create("other", {});
    await made.flags.disable("a");
    made.clock.advance(100 * HOUR);
    await made.flags.revert("a", revision);
    expect(share(made)).toBe(40);
  });

  it("leaves a schedule running if it is the one in force, or has not begun", async () => {
    const made = await scheduled();
    const { revision } = made.flags.get("a");
    made.clock.advance(3 * HOUR);
    await made.flags.update("a", { description: "a word" });
    made.clock.advance(HOUR);
    await made.flags.revert("a", revision);
    expect(share(made)).toBe(40);
    made.clock.advance(HOUR);
    expect(share(made)).toBe(50);
    const startTime = made.clock.now() + HOUR;
    const later = await made.flags.setGradual("a", { targetPercentage: 100, startTime, endTime: startTime + HOUR });
    await made.flags.setPercentage("a", 1);
    await made.flags.revert("a", later.revision);
    made.clock.advance(2 * HOUR);
    expect(share(made)).toBe(100);
  });
});

describe("a schedule that has already ended when it is set", () => {
  const past = (clock: FlagsRig["clock"]) => ({
    initialPercentage: 0,
    targetPercentage: 60,
    startTime: clock.now() - 2 * HOUR,
    endTime: clock.now() - HOUR,
  });
  const WAYS: Readonly<Record<string, (made: FlagsRig, allowPast: boolean) => Promise<unknown>>> = {
    "gradual.end_time": ({ flags, clock }, allowPast) =>
      flags.create("b", { strategy: "GRADUAL", gradual: past(clock) }, { allowPast }),
    "gradual.end_time ": ({ flags, clock }, allowPast) =>
      flags.update("a", { strategy: "GRADUAL", gradual: past(clock) }, { allowPast }),
    end_time: ({ flags, clock }, allowPast) => flags.setGradual("a", { ...past(clock), allowPast }),
  };
  it.each(Object.entries(WAYS))("is refused at %s unless the request allows it", async (field, way) => {
    const made = await flagsRig();
    await made.flags.create("a", { enabled: true });
    const before = made.feed.revision;
    const problem =
      "2023-11-14T21:13:20Z is past: the share would be 60 % at once; expected a future time, or allow_past";
    await expect(way(made, false)).rejects.toEqual(reason("ARGUMENT_INVALID", { field: field.trim(), problem }));
    expect(made.feed.revision).toBe(before);
    await way(made, true);
    expect(made.feed.revision).toBe(before + 1);
  });

  it("is accepted in a file, keeps its final share, and does not block changes of the flag", async () => {
    const gradual = { initial_percentage: 0, target_percentage: 60 };
    const times = { start_time: "2020-01-01T00:00:00Z", end_time: "2020-02-01T00:00:00Z" };
    const file = JSON.stringify({ a: { enabled: true, strategy: "gradual", gradual: { ...gradual, ...times } } });
    const made = await flagsRig({ file });
    expect(share(made)).toBe(60);
    await made.flags.update("a", { description: "done" });
    await made.flags.disable("a");
    await made.flags.enable("a");
    expect(share(made)).toBe(60);
  });
});
