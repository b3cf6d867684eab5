import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FlagsRig, flagsRig, reason } from "../harness.ts";

const HOUR = 3_600_000;
const sessions = Array.from({ length: 500 }, (_, index) => `session-${index}`);

const onNow = ({ flags }: FlagsRig, name = "a"): readonly string[] =>
  sessions.filter((sessionId) => flags.isEnabled(name, { sessionId }));

/** Flag service with a schedule from 0 to 100 % in ten hours, which starts in `delayMs`. */
async function scheduled(delayMs = 0): Promise<FlagsRig> {
  const made = await flagsRig();
  const startTime = made.clock.now() + delayMs;
  await made.flags.setGradual(
    "a",
    { initialPercentage: 0, targetPercentage: 100, startTime, endTime: startTime + 10 * HOUR, allowMissing: true },
    {},
  );
  return made;
}

const shareOf = ({ flags, clock }: FlagsRig): number | undefined => {
  const on = onNow({ flags, clock } as FlagsRig).length;
  return Math.round((on / sessions.length) * 10) * 10;
};

describe("a schedule", () => {
  it("a schedule that starts in the future has its initial share until then", async () => {
    const made = await scheduled(2 * HOUR);
    made.clock.advance(2 * HOUR);
    expect(onNow(made)).toEqual([]);
    made.clock.advance(5 * HOUR);
    expect(shareOf(made)).toBe(50);
  });

  it("keeps the same sessions while it is paused, and continues with its remaining time", async () => {
    const made = await scheduled();
    made.clock.advance(3 * HOUR);
    const before = onNow(made);
    await made.flags.pauseGradual("a", { actor: "ana" });
    expect(onNow(made)).toEqual(before);
    made.clock.advance(100 * HOUR);
    expect(onNow(made)).toEqual(before);
    await made.flags.resumeGradual("a");
    expect(onNow(made)).toEqual(before);
    made.clock.advance(7 * HOUR - 1);
    expect(onNow(made).length).toBeGreaterThan(before.length);
    expect(made.flags.get("a").record.gradual?.endTime).toBe(made.clock.now() + 1);
    made.clock.advance(1);
    expect(onNow(made)).toEqual(sessions);
    const actions = (await made.flags.history("a", { limit: 3 })).map(({ cause }) => cause.action);
    expect(actions).toEqual(["ResumeGradual", "PauseGradual", "SetGradual"]);
  });

  it("switches off no session that was on, however often it is paused and resumed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(3 * HOUR), fc.boolean()), { maxLength: 12 }), async (steps) => {
        const made = await scheduled(HOUR);
        let on = new Set<string>();
        for (const [ms, pauses] of steps) {
          made.clock.advance(ms);
          await (pauses ? made.flags.pauseGradual("a") : made.flags.resumeGradual("a")).catch((error) => {
            expect(error).toEqual(reason("FLAG_NOT_SCHEDULED"));
          });
          const now = new Set(onNow(made));
          expect([...on].filter((session) => !now.has(session))).toEqual([]);
          on = now;
        }
      }),
      { numRuns: 30 },
    );
  });

  it("is not delayed by a pause that ends before it starts", async () => {
    const made = await scheduled(5 * HOUR);
    const { gradual } = made.flags.get("a").record;
    await made.flags.pauseGradual("a");
    made.clock.advance(HOUR);
    expect((await made.flags.resumeGradual("a")).record.gradual).toEqual(gradual);
  });

  it("starts when it is resumed, if it was paused before its start and the start has passed", async () => {
    const made = await scheduled(HOUR);
    await made.flags.pauseGradual("a");
    made.clock.advance(20 * HOUR);
    expect(onNow(made)).toEqual([]);
    const now = made.clock.now();
    const { record } = await made.flags.resumeGradual("a");
    expect(record.gradual).toMatchObject({ startTime: now, endTime: now + 10 * HOUR });
  });

  it("keeps the same sessions when it is resumed after the wall clock was set back", async () => {
    const made = await scheduled();
    made.clock.advance(5 * HOUR);
    const before = onNow(made);
    await made.flags.pauseGradual("a");
    made.clock.stepWall(-4 * HOUR);
    await made.flags.resumeGradual("a");
    expect(onNow(made)).toEqual(before);
  });

  it("cannot be paused at a time in the future, by any kind of request", async () => {
    const made = await scheduled();
    const { startTime = 0, endTime = 0 } = made.flags.get("a").record.gradual ?? {};
    const gradual = { initialPercentage: 0, targetPercentage: 100, startTime, endTime };
    const fields = {
      enabled: true,
      strategy: "GRADUAL",
      gradual: { ...gradual, pausedAt: made.clock.now() + 1 },
    } as const;
    const wrong = reason("ARGUMENT_INVALID", { field: "gradual.paused_at" });
    await expect(made.flags.create("b", fields)).rejects.toEqual(wrong);
    await expect(made.flags.update("a", fields)).rejects.toEqual(wrong);
    await expect(made.flags.updateTogether([{ name: "a", fields }])).rejects.toEqual(
      reason("ARGUMENT_INVALID", { field: "requests[0].flag.gradual.paused_at" }),
    );
    made.write(
      JSON.stringify({
        a: {
          ...made.flags.export().flags.a,
          gradual: {
            initial_percentage: 0,
            target_percentage: 100,
            start_time: "2023-01-01T00:00:00Z",
            end_time: "2999-01-01T00:00:00Z",
            paused_at: "2998-01-01T00:00:00Z",
          },
        },
      }),
    );
    await expect(made.flags.reload()).rejects.toEqual(
      reason("FLAGS_FILE_INVALID", { key: "a.gradual.paused_at", problem: "2998-01-01T00:00:00Z is in the future" }),
    );
    expect(onNow(made)).toEqual([]);
    // A pause whose time is ahead only because the clock was set back remains.
    await made.flags.pauseGradual("a");
    made.clock.stepWall(-HOUR);
    expect((await made.flags.update("a", { description: "still paused" })).record.description).toBe("still paused");
  });

  it("has ended when it is resumed if it was paused after its end, even if the end is ahead on the clock", async () => {
    for (const setBackMs of [0, 8 * HOUR]) {
      const made = await flagsRig();
      const now = made.clock.now();
      const times = { startTime: now - 10 * HOUR, endTime: now - 5 * HOUR, pausedAt: now - HOUR };
      const gradual = { initialPercentage: 0, targetPercentage: 100, ...times };
      await made.flags.create("a", { enabled: true, strategy: "GRADUAL", gradual }, { allowPast: true });
      made.clock.stepWall(-setBackMs);
      const { record } = await made.flags.resumeGradual("a");
      expect(record.gradual).toMatchObject({ endTime: now - setBackMs });
      expect(record.gradual?.pausedAt).toBeUndefined();
      expect(onNow(made)).toEqual(sessions);
    }
  });

  it("is paused and resumed once: a second request changes nothing", async () => {
    const made = await scheduled();
    const before = made.flags.get("a");
    expect(await made.flags.resumeGradual("a")).toEqual(before);
    made.clock.advance(HOUR);
    const first = await made.flags.pauseGradual("a");
    made.clock.advance(HOUR);
    expect(await made.flags.pauseGradual("a")).toEqual(first);
  });

  it("cannot be paused if it has ended, has no times or is not in force, and the error says which", async () => {
    const made = await scheduled();
    made.clock.advance(10 * HOUR);
    const problem = (text: string): unknown => reason("FLAG_NOT_SCHEDULED", { name: "a", problem: text });
    await expect(made.flags.pauseGradual("a")).rejects.toEqual(problem("it has arrived"));
    await made.flags.setPercentage("a", 5);
    await expect(made.flags.pauseGradual("a")).rejects.toEqual(problem("its strategy is PERCENTAGE"));
    await made.flags.update("a", {
      strategy: "GRADUAL",
      gradual: { initialPercentage: 1, targetPercentage: 2 },
    });
    await expect(made.flags.resumeGradual("a")).rejects.toEqual(problem("it has no times"));
  });

  it("can become a percentage and a schedule again, and the same sessions stay on", async () => {
    const made = await scheduled();
    made.clock.advance(4 * HOUR);
    const before = onNow(made);
    await made.flags.setPercentage("a", 40);
    expect(onNow(made)).toEqual(before);
    made.clock.advance(50 * HOUR);
    await made.flags.setGradual("a", { targetPercentage: 100, endTime: made.clock.now() + HOUR });
    expect(onNow(made)).toEqual(before);
    expect(made.flags.get("a").record.gradual).toMatchObject({ initialPercentage: 40 });
    made.clock.advance(HOUR / 2);
    expect(onNow(made)).toEqual(expect.arrayContaining([...before]));
  });

  it("is restored from an exported file, paused or not", async () => {
    const made = await scheduled();
    made.clock.advance(HOUR);
    await made.flags.pauseGradual("a");
    made.write(JSON.stringify(made.flags.export().flags));
    expect((await made.flags.reload({ mode: "REPLACE" })).differences).toEqual([]);
  });
});
