import { describe, expect, it } from "vitest";
import { flagsRig, reason } from "../harness.ts";

const HOUR = 3_600_000;

describe("an evaluation at a past revision", () => {
  it("answers as the flag did then", async () => {
    const { flags } = await flagsRig();
    const first = await flags.create("a", { enabled: true, strategy: "PERCENTAGE", percentage: 40 });
    const context = { sessionId: "abc123" };
    const then = flags.evaluate("a", context);
    await flags.setPercentage("a", 0);
    const killed = await flags.disable("a", { kill: true });
    await flags.create("later", { enabled: true });
    expect(await flags.evaluateAsOf("a", context, first.revision)).toEqual(then);
    expect(await flags.evaluateAsOf("a", context, killed.revision - 1)).toMatchObject({
      enabled: false,
      reason: "SPLIT",
    });
    expect(await flags.evaluateAsOf("a", context, killed.revision)).toEqual(flags.evaluate("a", context));
    expect(await flags.evaluateAsOf("a", context, killed.revision + 1)).toMatchObject({ killed: true });
  });

  it("uses the time of that revision for a schedule", async () => {
    const { flags, clock } = await flagsRig();
    await flags.setGradual(
      "a",
      { initialPercentage: 0, targetPercentage: 100, endTime: clock.now() + 10 * HOUR, allowMissing: true },
      {},
    );
    clock.advance(5 * HOUR);
    const half = (await flags.create("other", {})).revision;
    const sessions = Array.from({ length: 200 }, (_, index) => ({ sessionId: `s-${index}` }));
    const on = sessions.filter((context) => flags.isEnabled("a", context));
    clock.advance(5 * HOUR);
    expect(flags.isEnabled("a", sessions[0])).toBe(true);
    const then = await Promise.all(sessions.map((context) => flags.evaluateAsOf("a", context, half)));
    expect(sessions.filter((_, index) => then[index]?.enabled)).toEqual(on);
  });

  it("uses the prerequisites and conditions of that revision", async () => {
    const { flags } = await flagsRig();
    await flags.create("base", { enabled: true });
    const then = await flags.create("a", { enabled: true, prerequisites: ["base"], condition: "is BTCZAR" });
    await flags.update("a", { condition: "", prerequisites: [] });
    const now = (await flags.disable("base")).revision;
    const [btc, eth] = [{ symbol: "BTCZAR" }, { symbol: "ETHZAR" }];
    expect((await flags.evaluateAsOf("a", btc, then.revision)).enabled).toBe(true);
    expect((await flags.evaluateAsOf("a", eth, then.revision)).enabled).toBe(false);
    expect((await flags.evaluateAsOf("a", eth, now)).enabled).toBe(true);
    expect((await flags.evaluateAsOf("base", eth, now - 1)).enabled).toBe(true);
  });

  it("includes flags that were deleted since, and excludes those that were created since", async () => {
    const { flags } = await flagsRig();
    await flags.create("gone", { enabled: true });
    const then = (await flags.create("stays", { enabled: true })).revision;
    await flags.delete("gone");
    await flags.create("new", { enabled: true });
    const all = await flags.evaluateManyAsOf("all", {}, then);
    expect(all.evaluations.map(({ name, enabled }) => [name, enabled])).toEqual([
      ["gone", true],
      ["stays", true],
    ]);
    expect(all.revision).toBe(then);
    const some = await flags.evaluateManyAsOf(["new", "gone", "never"], {}, then);
    expect(some.evaluations.map(({ errorCode }) => errorCode)).toEqual(["FLAG_NOT_FOUND", undefined, "FLAG_NOT_FOUND"]);
    const missing = reason("FLAG_NOT_FOUND", { name: "new", as_of_revision: String(then) });
    await expect(flags.evaluateAsOf("new", {}, then)).rejects.toEqual(missing);
    await expect(flags.evaluateAsOf("gone", {}, then + 1)).rejects.toEqual(reason("FLAG_NOT_FOUND"));
  });

  it("is refused for a revision that does not exist yet, or is invalid", async () => {
    const { flags, feed } = await flagsRig();
    await flags.create("a", {});
    const head = feed.revision;
    await expect(flags.evaluateAsOf("a", {}, head + 1)).rejects.toEqual(
      reason("FLAG_REVISION_UNAVAILABLE", { revision: String(head + 1), head_revision: String(head) }),
    );
    for (const revision of [0, -1, 1.5, Number.NaN]) {
      await expect(flags.evaluateAsOf("a", {}, revision)).rejects.toEqual(
        reason("ARGUMENT_INVALID", { field: "as_of_revision" }),
      );
    }
  });

  it("is refused if history was compacted away, and answered if the flag's own change is kept", async () => {
    const { flags, store, feed } = await flagsRig();
    const first = await flags.create("a", { enabled: true });
    await flags.create("b", {});
    for (let percentage = 0; percentage < 101; percentage++) await flags.setPercentage("a", percentage / 10);
    await store.compact(feed.revision);
    // The newest 100 of 102 changes are kept; the time of the change to b is not.
    await expect(flags.evaluateAsOf("a", {}, first.revision)).rejects.toEqual(
      reason("FLAG_REVISION_UNAVAILABLE", { name: "a", revision: String(first.revision) }),
    );
    const kept = flags.get("a").revision - 1;
    expect(await flags.evaluateAsOf("a", { sessionId: "s" }, kept)).toMatchObject({ revision: kept });
    await expect(flags.evaluateAsOf("b", {}, kept)).rejects.toEqual(
      reason("FLAG_REVISION_UNAVAILABLE", { problem: expect.stringContaining("its time is no longer kept") as string }),
    );
  });
});

describe("an evaluation at a time", () => {
  const sessions = Array.from({ length: 200 }, (_, index) => ({ sessionId: `s-${index}` }));

  it("answers as the flag did then, also in the middle of a schedule", async () => {
    const { flags, clock } = await flagsRig();
    const endTime = clock.now() + 10 * HOUR;
    await flags.setGradual("a", { initialPercentage: 0, targetPercentage: 100, endTime, allowMissing: true });
    const then: { time: number; answers: unknown[] }[] = [];
    const changes = [
      () => flags.update("a", { description: "x" }),
      () => flags.pauseGradual("a"),
      () => flags.create("other", {}),
      () => flags.resumeGradual("a"),
      () => flags.disable("a"),
      () => flags.enable("a", { resume: true }),
      () => flags.setPercentage("a", 3),
    ];
    for (const change of changes) {
      for (let look = 0; look < 3; look++) {
        clock.advance(HOUR / 3 + 1);
        then.push({ time: clock.now(), answers: sessions.map((context) => flags.evaluate("a", context)) });
      }
      // A change is in force from its own millisecond on.
      clock.advance(1);
      await change();
    }
    for (const { time, answers } of then) {
      const asked = sessions.map((context) => flags.evaluateAsOf("a", context, { time }));
      expect(await Promise.all(asked)).toEqual(answers);
    }
  });

  it("uses the definition of a revision at another time if both are given", async () => {
    const { flags, clock } = await flagsRig();
    const start = clock.now();
    const endTime = start + 10 * HOUR;
    await flags.setGradual("a", { initialPercentage: 0, targetPercentage: 100, endTime, allowMissing: true });
    const { revision } = flags.get("a");
    await flags.setPercentage("a", 0);
    const on = async (time?: number): Promise<number> => {
      const asked = sessions.map((context) => flags.evaluateAsOf("a", context, { revision, time }));
      return (await Promise.all(asked)).filter(({ enabled }) => enabled).length;
    };
    expect(await on()).toBe(0);
    expect(await on(start + 10 * HOUR)).toBe(200);
    const half = await on(start + 5 * HOUR);
    expect(half).toBeGreaterThan(60);
    expect(half).toBeLessThan(140);
    expect((await flags.explain("a", sessions[0], { revision, time: endTime })).nowMs).toBe(endTime);
  });

  it("an evaluation at a time in the future answers with the flags of today", async () => {
    const { flags, clock } = await flagsRig();
    const endTime = clock.now() + 10 * HOUR;
    await flags.setGradual("a", { initialPercentage: 0, targetPercentage: 100, endTime, allowMissing: true });
    const asked = sessions.map((context) => flags.evaluateAsOf("a", context, { time: endTime - HOUR }));
    const received = await Promise.all(asked);
    clock.advance(9 * HOUR);
    expect(received).toEqual(sessions.map((context) => flags.evaluate("a", context)));
  });

  it("includes flags that were deleted since, and excludes those that were created since", async () => {
    const { flags, clock } = await flagsRig();
    const before = clock.now() - 1;
    await flags.create("base", { enabled: true });
    const { revision } = await flags.create("gone", { enabled: true, prerequisites: ["base"] });
    const time = clock.now();
    clock.advance(1);
    await flags.delete("gone");
    await flags.disable("base");
    await flags.create("gone", {}, { revive: true });
    await flags.create("new", {});
    const all = await flags.evaluateManyAsOf("all", {}, { time });
    expect(all.evaluations.map(({ name, enabled }) => [name, enabled])).toEqual([
      ["base", true],
      ["gone", true],
    ]);
    expect(all.revision).toBe(revision);
    await expect(flags.evaluateAsOf("new", {}, { time })).rejects.toEqual(reason("FLAG_NOT_FOUND"));
    await expect(flags.evaluateAsOf("gone", {}, { time: before })).rejects.toEqual(reason("FLAG_NOT_FOUND"));
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, 1.5, 1e18]) {
      await expect(flags.evaluateAsOf("base", {}, { time: wrong })).rejects.toEqual(
        reason("ARGUMENT_INVALID", { field: "at_time" }),
      );
    }
  });

  it("is refused if the definition at that time is not kept", async () => {
    const { flags, store, feed, clock } = await flagsRig();
    await flags.create("a", { enabled: true });
    const time = clock.now();
    for (let percentage = 0; percentage < 101; percentage++) {
      clock.advance(1);
      await flags.setPercentage("a", percentage / 10);
    }
    await store.compact(feed.revision);
    await expect(flags.evaluateAsOf("a", {}, { time })).rejects.toEqual(
      reason("FLAG_REVISION_UNAVAILABLE", {
        name: "a",
        problem: expect.stringContaining("2023-11-14T22:13:20Z") as string,
      }),
    );
    expect(await flags.evaluateAsOf("a", {}, { time: time + 60 })).toMatchObject({ reason: "ERROR" });
  });
});

describe("revert", () => {
  it("restores the earlier definition as a change with actor and reason", async () => {
    const { flags } = await flagsRig();
    const then = await flags.create("a", {
      enabled: true,
      strategy: "PERCENTAGE",
      percentage: 5,
      variants: [{ name: "x", weight: 1, value: { depth: 3 } }],
      condition: "is BTCZAR",
    });
    await flags.setPercentage("a", 90);
    await flags.update("a", { condition: "", variants: [], description: "oops" });
    const back = await flags.revert("a", then.revision, {}, { actor: "ana", reason: "too fast" });
    expect(back.record).toEqual(then.record);
    expect(back.revision).toBeGreaterThan(then.revision + 2);
    const [change] = await flags.history("a", { limit: 1 });
    expect(change).toMatchObject({
      cause: { action: "RevertFlag", actor: "ana", reason: "too fast" },
      before: { description: "oops" },
    });
  });

  it("restores the state in force at a revision at which another resource changed", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", { description: "first" });
    const { revision } = await flags.create("other", {});
    await flags.update("a", { description: "second" });
    expect((await flags.revert("a", revision)).record.description).toBe("first");
  });

  it("changes nothing if the flag is the same already", async () => {
    const { flags, feed } = await flagsRig();
    const { revision } = await flags.create("a", {});
    await flags.revert("a", revision);
    expect(feed.revision).toBe(revision);
  });

  it("is refused for a revision before the flag was created, or at which it was deleted, and says which", async () => {
    const { flags } = await flagsRig();
    const before = (await flags.create("other", {})).revision;
    await flags.create("a", {});
    const { revision: deleted } = await flags.delete("a");
    await flags.create("a", {}, { revive: true });
    const absent = (revision: number, problem: string): unknown =>
      reason("FLAG_ABSENT_AT_REVISION", { name: "a", revision: String(revision), problem });
    await expect(flags.revert("a", before)).rejects.toEqual(absent(before, "it was created later"));
    await expect(flags.revert("a", deleted)).rejects.toEqual(absent(deleted, "it was deleted"));
    await expect(flags.revert("never", before)).rejects.toEqual(reason("FLAG_NOT_FOUND", { name: "never" }));
  });

  it("restores a deleted flag only on explicit request", async () => {
    const { flags } = await flagsRig();
    const { revision, record } = await flags.create("a", { enabled: true, description: "kept" });
    await flags.delete("a");
    await expect(flags.revert("a", revision)).rejects.toEqual(reason("FLAG_DELETED"));
    expect((await flags.revert("a", revision, { revive: true })).record).toEqual(record);
  });

  it("is refused with a stale etag, and if a prerequisite does not exist any more", async () => {
    const { flags } = await flagsRig();
    await flags.create("base", {});
    const { revision } = await flags.create("a", { prerequisites: ["base"] });
    await flags.update("a", { prerequisites: [] });
    await expect(flags.revert("a", revision, {}, { etag: "x" })).rejects.toEqual(reason("ETAG_MISMATCH"));
    await flags.delete("base");
    await expect(flags.revert("a", revision)).rejects.toEqual(
      reason("FLAG_PREREQUISITE_MISSING", { prerequisite: "base" }),
    );
  });
});

describe("a condition", () => {
  it("is refused with place and expectation if it is wrong, and nothing changes", async () => {
    const { flags, feed, write } = await flagsRig();
    await flags.create("a", { enabled: true });
    const before = feed.revision;
    const refused = reason("FLAG_CONDITION_INVALID", {
      name: "a",
      position: "line 1, column 1",
      problem: "nonsense is not known",
      expected: "is BTCZAR or is fast",
    });
    await expect(flags.update("a", { condition: "nonsense" })).rejects.toEqual(refused);
    write('{"a": {"enabled": true, "strategy": "all_on",\n"condition": "nonsense"}}');
    await expect(flags.reload()).rejects.toEqual(
      reason("FLAGS_FILE_INVALID", {
        line: "2",
        key: "a.condition",
        problem: "line 1, column 1: nonsense is not known",
        expected: "is BTCZAR or is fast",
      }),
    );
    expect(feed.revision).toBe(before);
  });

  it("decides for each context, and turns the flag off with an error code if it cannot be evaluated", async () => {
    const { flags, store } = await flagsRig();
    await flags.create("a", { enabled: true, condition: "is BTCZAR" });
    expect(flags.evaluate("a", { symbol: "BTCZAR" })).toMatchObject({ enabled: true, reason: "TARGETING_MATCH" });
    expect(flags.evaluate("a", { symbol: "ETHZAR" })).toMatchObject({ enabled: false, reason: "DEFAULT" });
    // A later version with more features may have written it.
    const record = { ...flags.get("a").record, condition: "is from tomorrow" };
    await store.put("flag/a", JSON.stringify(record), { cause: { action: "UpdateFlag" } });
    expect(flags.evaluate("a")).toMatchObject({ enabled: false, reason: "ERROR", errorCode: "CONDITION_FAILED" });
    await flags.update("a", { description: "other fields can still be changed" });
  });
});
