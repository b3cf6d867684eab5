import { describe, expect, it } from "vitest";
import { HeliosError } from "../../../src/core/errors/error.ts";
import type { FlagDefinition } from "../../../src/core/flags/record.ts";
import { flagsRig } from "./harness.ts";

const reason = (expected: string, metadata: Record<string, string> = {}): unknown =>
  expect.objectContaining({ reason: expected, metadata: expect.objectContaining(metadata) });

describe("createFlags: create, get, list, update", () => {
  it("creates a flag with defaults, bucketed by its own name", async () => {
    const { flags } = await flagsRig();
    const flag = await flags.create("a", {});
    expect(flag).toMatchObject({ name: "a", createTime: 1_700_000_000_000, updateTime: 1_700_000_000_000 });
    expect(flag.record).toEqual({
      enabled: false,
      strategy: "ALL_ON",
      percentage: 0,
      whitelist: [],
      description: "",
      bucketBy: "SESSION_ID",
      salt: "a",
      bucketingVersion: 1,
    } satisfies FlagDefinition);
    expect(flags.get("a")).toEqual(flag);
  });

  it("refuses to create a flag that exists", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", {});
    await expect(flags.create("a", {}, { revive: true })).rejects.toEqual(reason("FLAG_ALREADY_EXISTS", { name: "a" }));
  });

  it("lets one of two racing creations succeed", async () => {
    const { flags } = await flagsRig();
    const results = await Promise.allSettled([
      flags.create("a", { description: "one" }),
      flags.create("a", { description: "two" }),
    ]);
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  it("lists by name", async () => {
    const { flags } = await flagsRig();
    for (const name of ["b", "c", "a", "B"]) await flags.create(name, {});
    expect(flags.list().map(({ name }) => name)).toEqual(["B", "a", "b", "c"]);
  });

  it("updates the given fields and no other", async () => {
    const { flags } = await flagsRig();
    const gradual = { initialPercentage: 1, targetPercentage: 2 };
    const { record } = await flags.create("a", { enabled: true, percentage: 5, whitelist: ["x"], gradual, salt: "s" });
    expect((await flags.update("a", { percentage: 6 })).record).toEqual({ ...record, percentage: 6 });
    expect((await flags.update("a", { enabled: false, whitelist: [] })).record).toEqual({
      ...record,
      percentage: 6,
      enabled: false,
      whitelist: [],
    });
    expect((await flags.update("a", { gradual: null })).record).not.toHaveProperty("gradual");
    expect((await flags.update("a", { salt: "" })).record.salt).toBe("a");
  });

  it("writes nothing where an operation changes nothing", async () => {
    const { flags, feed } = await flagsRig();
    const whitelist = { whitelist: ["x"], whitelistFirst: true };
    const flag = await flags.create("a", { enabled: true, strategy: "PERCENTAGE", percentage: 5, ...whitelist });
    const before = feed.revision;
    expect(await flags.update("a", { percentage: 5, whitelist: ["x"] })).toEqual(flag);
    expect(await flags.enable("a")).toEqual(flag);
    expect(await flags.setPercentage("a", 5)).toEqual(flag);
    expect((await flags.addToWhitelist("a", ["x"])).flag).toEqual(flag);
    expect(await flags.removeFromWhitelist("a", ["y"])).toEqual(flag);
    expect(feed.revision).toBe(before);
  });

  it("keeps every change of writers that race", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", { strategy: "WHITELIST", enabled: true });
    const entries = Array.from({ length: 20 }, (_, index) => `user-${index}`);
    await Promise.all(entries.map((entry) => flags.addToWhitelist("a", [entry])));
    expect([...flags.get("a").record.whitelist].sort()).toEqual([...entries].sort());
  });

  it("refuses an unknown flag", async () => {
    const { flags } = await flagsRig();
    const unknown = reason("FLAG_NOT_FOUND", { name: "nope" });
    const by = { etag: "some" };
    expect(() => flags.get("nope")).toThrow(HeliosError);
    expect(() => flags.evaluate("nope")).toThrow(HeliosError);
    expect(() => flags.isEnabled("nope")).toThrow(HeliosError);
    for (const attempt of [
      flags.update("nope", {}, {}, by),
      flags.delete("nope", by),
      flags.enable("nope", {}, by),
      flags.disable("nope", {}, by),
      flags.setPercentage("nope", 5, {}, by),
      flags.setGradual("nope", { targetPercentage: 5, endTime: 2e12 }, by),
      flags.addToWhitelist("nope", ["x"], {}, by),
      flags.removeFromWhitelist("nope", ["x"], by),
      flags.history("nope", { limit: 10 }),
    ]) {
      await expect(attempt).rejects.toEqual(unknown);
    }
    expect(flags.list()).toEqual([]);
  });

  it("refuses a change with a stale etag", async () => {
    const { flags } = await flagsRig();
    const first = await flags.create("a", {});
    const second = await flags.update("a", { description: "x" }, {}, { etag: first.etag });
    await expect(flags.enable("a", {}, { etag: first.etag })).rejects.toEqual(
      reason("ETAG_MISMATCH", { name: "a", etag: second.etag, given: first.etag }),
    );
    await expect(flags.delete("a", { etag: first.etag })).rejects.toEqual(reason("ETAG_MISMATCH"));
    expect((await flags.enable("a", {}, { etag: second.etag })).record.enabled).toBe(true);
  });

  it.each([
    ["name", () => ["", {}]],
    ["name", () => ["-a", {}]],
    ["name", () => ["a b", {}]],
    ["name", () => ["a".repeat(129), {}]],
    ["enabled", () => ["a", { enabled: "yes" }]],
    ["enabled", () => ["a", { enabled: null }]],
    ["strategy", () => ["a", { strategy: "all_on" }]],
    ["percentage", () => ["a", { percentage: Number.NaN }]],
    ["percentage", () => ["a", { percentage: Number.POSITIVE_INFINITY }]],
    ["percentage", () => ["a", { percentage: -1 }]],
    ["percentage", () => ["a", { percentage: 100.5 }]],
    ["percentage", () => ["a", { percentage: 33.3333 }]],
    ["whitelist", () => ["a", { whitelist: "BTCZAR" }]],
    ["whitelist[1]", () => ["a", { whitelist: ["x", ""] }]],
    ["whitelist[1]", () => ["a", { whitelist: ["x", "x"] }]],
    ["whitelist[0]", () => ["a", { whitelist: ["x".repeat(257)] }]],
    ["whitelist", () => ["a", { whitelist: Array.from({ length: 10_001 }, (_, index) => `${index}`) }]],
    ["gradual", () => ["a", { gradual: 5 }]],
    ["gradual", () => ["a", { strategy: "GRADUAL" }]],
    ["gradual.initial_percentage", () => ["a", { gradual: { targetPercentage: 5 } }]],
    ["gradual.start_time", () => ["a", { gradual: { initialPercentage: 1, targetPercentage: 5, startTime: 1.5 } }]],
    ["gradual.end_time", () => ["a", { gradual: { initialPercentage: 1, targetPercentage: 5, startTime: 1 } }]],
    [
      "gradual.end_time",
      () => ["a", { gradual: { initialPercentage: 1, targetPercentage: 5, startTime: 1, endTime: 1 } }],
    ],
    ["description", () => ["a", { description: "x".repeat(1025) }]],
    ["bucket_by", () => ["a", { bucketBy: "session_id" }]],
    ["salt", () => ["a", { salt: "x".repeat(129) }]],
  ] as [string, () => [string, object]][])("refuses a wrong %s and writes nothing", async (field, input) => {
    const { flags, feed } = await flagsRig();
    const before = feed.revision;
    await expect(flags.create(...input())).rejects.toEqual(reason("ARGUMENT_INVALID", { field }));
    expect(feed.revision).toBe(before);
  });

  it("counts characters, not code units", async () => {
    const { flags } = await flagsRig();
    expect((await flags.create("a", { description: "🚀".repeat(1024) })).record.description).toHaveLength(2048);
  });
});

describe("createFlags: delete", () => {
  it("returns the flag as it was, and the revision of the deletion", async () => {
    const { flags, feed } = await flagsRig();
    const flag = await flags.create("a", { enabled: true });
    expect(await flags.delete("a")).toEqual({ flag, revision: feed.revision });
    expect(() => flags.get("a")).toThrow(HeliosError);
    expect(flags.list()).toEqual([]);
    expect(flags.evaluateMany("all").evaluations).toEqual([]);
    await expect(flags.delete("a")).rejects.toEqual(reason("FLAG_NOT_FOUND"));
    await expect(flags.update("a", {})).rejects.toEqual(reason("FLAG_NOT_FOUND"));
  });

  it("reserves the name until the flag is revived, also over a restart", async () => {
    const first = await flagsRig();
    await first.flags.create("a", { enabled: true, percentage: 5 });
    await first.flags.delete("a");
    const { flags } = await first.restart();
    await expect(flags.create("a", {})).rejects.toEqual(reason("FLAG_DELETED", { name: "a" }));
    await expect(flags.enable("a", { allowMissing: true })).rejects.toEqual(reason("FLAG_DELETED"));
    await expect(flags.setPercentage("a", 5, { allowMissing: true })).rejects.toEqual(reason("FLAG_DELETED"));
    expect((await flags.create("a", {}, { revive: true })).record).toMatchObject({ enabled: false, percentage: 0 });
    expect(flags.get("a").record.percentage).toBe(0);
  });
});

describe("createFlags: switching", () => {
  it("enables a flag with its own strategy, or with the given one", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", { strategy: "PERCENTAGE", percentage: 25 });
    expect((await flags.enable("a")).record).toMatchObject({ enabled: true, strategy: "PERCENTAGE", percentage: 25 });
    expect((await flags.enable("a", { strategy: "ALL_ON" })).record).toMatchObject({
      strategy: "ALL_ON",
      percentage: 25,
    });
  });

  it("changes ALL_OFF to ALL_ON when it enables, unless the request asks for ALL_OFF", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", { strategy: "ALL_OFF" });
    expect((await flags.enable("a")).record).toMatchObject({ enabled: true, strategy: "ALL_ON" });
    expect((await flags.enable("a", { strategy: "ALL_OFF" })).record.strategy).toBe("ALL_OFF");
  });

  it("switches a flag off with enabled = false, and sets the strategy if one is given", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", { enabled: true, strategy: "ALL_OFF" });
    expect((await flags.enable("a", { enabled: false })).record).toMatchObject({ enabled: false, strategy: "ALL_OFF" });
    expect((await flags.enable("a", { enabled: false, strategy: "ALL_ON" })).record).toMatchObject({
      enabled: false,
      strategy: "ALL_ON",
    });
  });

  it("enables GRADUAL only where the flag has a schedule", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", {});
    await expect(flags.enable("a", { strategy: "GRADUAL" })).rejects.toEqual(
      reason("ARGUMENT_INVALID", { field: "gradual" }),
    );
    expect(flags.get("a").record.enabled).toBe(false);
  });

  it("disables a flag, and keeps the strategy", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", { enabled: true, strategy: "PERCENTAGE", percentage: 100 });
    expect((await flags.disable("a")).record).toMatchObject({
      enabled: false,
      strategy: "PERCENTAGE",
      percentage: 100,
    });
    expect(flags.evaluate("a")).toMatchObject({ enabled: false, reason: "DISABLED" });
  });

  it("creates a missing flag with allow_missing, switched on", async () => {
    const { flags } = await flagsRig();
    expect((await flags.enable("a", { allowMissing: true })).record).toMatchObject({
      enabled: true,
      strategy: "ALL_ON",
    });
    expect((await flags.setPercentage("b", 25, { allowMissing: true })).record).toMatchObject({
      enabled: true,
      strategy: "PERCENTAGE",
      percentage: 25,
      salt: "b",
    });
    await expect(flags.enable("-", { allowMissing: true })).rejects.toEqual(
      reason("ARGUMENT_INVALID", { field: "name" }),
    );
  });

  it("sets a percentage and switches the flag on", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", { whitelist: ["x"], strategy: "WHITELIST" });
    expect((await flags.setPercentage("a", 12.345)).record).toMatchObject({
      enabled: true,
      strategy: "PERCENTAGE",
      percentage: 12.345,
      whitelist: ["x"],
    });
    await expect(flags.setPercentage("a", 12.3456)).rejects.toEqual(
      reason("ARGUMENT_INVALID", { field: "percentage" }),
    );
  });

  it("runs a schedule from the share in force to the target", async () => {
    const { flags, clock } = await flagsRig();
    await flags.setPercentage("a", 20, { allowMissing: true });
    const start = clock.now();
    const first = await flags.setGradual("a", { targetPercentage: 60, endTime: start + 1000 });
    expect(first.record).toMatchObject({
      enabled: true,
      strategy: "GRADUAL",
      gradual: { initialPercentage: 20, targetPercentage: 60, startTime: start, endTime: start + 1000 },
    });
    clock.advance(500);
    const second = await flags.setGradual("a", { targetPercentage: 100, endTime: start + 2000 });
    expect(second.record.gradual?.initialPercentage).toBe(40);
  });

  it("runs a schedule from 0 if no share was in force", async () => {
    const { flags, clock } = await flagsRig();
    await flags.create("a", { strategy: "PERCENTAGE", percentage: 50 });
    const endTime = clock.now() + 1000;
    expect((await flags.setGradual("a", { targetPercentage: 60, endTime })).record.gradual?.initialPercentage).toBe(0);
    const fresh = await flags.setGradual("b", {
      targetPercentage: 60,
      endTime,
      initialPercentage: 5,
      allowMissing: true,
    });
    expect(fresh.record.gradual?.initialPercentage).toBe(5);
  });

  it.each([
    ["end_time", { targetPercentage: 5, endTime: 1_700_000_000_000 }],
    ["end_time", { targetPercentage: 5, endTime: Number.NaN }],
    ["end_time", { targetPercentage: 5, startTime: 5, endTime: 5 }],
    ["target_percentage", { targetPercentage: 101, endTime: 2e12 }],
    ["initial_percentage", { initialPercentage: -1, targetPercentage: 100, endTime: 2e12 }],
  ])("refuses a schedule with a wrong %s", async (field, options) => {
    const { flags } = await flagsRig();
    await expect(flags.setGradual("a", { ...options, allowMissing: true })).rejects.toEqual(
      reason("ARGUMENT_INVALID", { field }),
    );
  });
});

describe("createFlags: whitelist", () => {
  it("switches a disabled flag to its whitelist", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", { strategy: "PERCENTAGE", percentage: 50 });
    const { flag, strategyChanged } = await flags.addToWhitelist("a", ["BTCZAR"]);
    expect(flag.record).toMatchObject({ enabled: true, strategy: "WHITELIST", whitelist: ["BTCZAR"] });
    expect(strategyChanged).toBe(true);
    expect(flags.isEnabled("a", { symbol: "BTCZAR" })).toBe(true);
  });

  it("keeps the strategy of an enabled flag unless set_strategy is true", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", { enabled: true });
    const kept = await flags.addToWhitelist("a", ["BTCZAR"]);
    expect(kept.flag.record).toMatchObject({ enabled: true, strategy: "ALL_ON", whitelist: ["BTCZAR"] });
    expect(kept.strategyChanged).toBe(false);
    const shrunk = await flags.addToWhitelist("a", ["BTCZAR"], { setStrategy: true });
    expect(shrunk.flag.record).toMatchObject({ enabled: true, strategy: "WHITELIST", whitelist: ["BTCZAR"] });
    expect(shrunk.strategyChanged).toBe(true);
  });

  it("leaves a flag off with set_strategy = false", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", { strategy: "ALL_OFF" });
    const { flag, strategyChanged } = await flags.addToWhitelist("a", ["x"], { setStrategy: false });
    expect(flag.record).toMatchObject({ enabled: false, strategy: "ALL_OFF", whitelist: ["x"] });
    expect(strategyChanged).toBe(false);
  });

  it("creates a missing flag with allow_missing", async () => {
    const { flags } = await flagsRig();
    const { flag, strategyChanged } = await flags.addToWhitelist("a", ["x", "y", "x"], { allowMissing: true });
    expect(flag.record).toMatchObject({ enabled: true, strategy: "WHITELIST", whitelist: ["x", "y"] });
    expect(strategyChanged).toBe(true);
  });

  it("adds entries that are missing, and removes entries that exist", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", { enabled: true, strategy: "WHITELIST", whitelist: ["x"] });
    expect((await flags.addToWhitelist("a", ["y", "x"])).flag.record.whitelist).toEqual(["x", "y"]);
    const { record } = await flags.removeFromWhitelist("a", ["x", "z"]);
    expect(record).toMatchObject({ enabled: true, strategy: "WHITELIST", whitelist: ["y"] });
  });

  it("refuses invalid entries, and more entries than a whitelist holds", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", {});
    const invalid = (field: string): unknown => reason("ARGUMENT_INVALID", { field });
    await expect(flags.addToWhitelist("a", [""])).rejects.toEqual(invalid("entries[0]"));
    await expect(flags.removeFromWhitelist("a", ["x", 5 as unknown as string])).rejects.toEqual(invalid("entries[1]"));
    const full = Array.from({ length: 10_000 }, (_, index) => `user-${index}`);
    await flags.addToWhitelist("a", full);
    await expect(flags.addToWhitelist("a", ["one more"])).rejects.toEqual(invalid("whitelist"));
  });
});

describe("createFlags: evaluation", () => {
  it("answers by the flag's present revision", async () => {
    const { flags } = await flagsRig();
    const off = await flags.create("a", {});
    expect(flags.evaluate("a")).toMatchObject({ enabled: false, revision: off.revision });
    const on = await flags.enable("a");
    expect(flags.evaluate("a")).toMatchObject({ enabled: true, revision: on.revision });
    expect(flags.isEnabled("a")).toBe(true);
  });

  it("follows the clock under GRADUAL", async () => {
    const { flags, clock } = await flagsRig();
    const start = clock.now();
    await flags.setGradual("a", { targetPercentage: 100, endTime: start + 100_000, allowMissing: true });
    const bucket = flags.evaluate("a", { sessionId: "s" }).bucket ?? Number.NaN;
    clock.advance(bucket);
    expect(flags.isEnabled("a", { sessionId: "s" })).toBe(false);
    clock.advance(1);
    expect(flags.isEnabled("a", { sessionId: "s" })).toBe(true);
  });

  it("answers for many flags at one revision, in the requested order, with an error code for unknown ones", async () => {
    const { flags, feed } = await flagsRig();
    await flags.create("b", { enabled: true });
    await flags.create("a", {});
    const { evaluations, revision } = flags.evaluateMany(["b", "nope", "a"], { sessionId: "s" });
    expect(evaluations.map(({ name, enabled, errorCode }) => [name, enabled, errorCode])).toEqual([
      ["b", true, undefined],
      ["nope", false, "FLAG_NOT_FOUND"],
      ["a", false, undefined],
    ]);
    expect(revision).toBe(feed.revision);
    expect(flags.evaluateMany("all").evaluations.map(({ name }) => name)).toEqual(["a", "b"]);
    expect(flags.evaluateMany([]).evaluations).toEqual([]);
  });

  it("keeps every answer over a restart", async () => {
    const first = await flagsRig();
    await first.flags.setPercentage("a", 50, { allowMissing: true });
    const contexts = Array.from({ length: 500 }, (_, index) => ({ sessionId: `session-${index}` }));
    const before = contexts.map((context) => first.flags.evaluate("a", context));
    const second = await first.restart();
    expect(contexts.map((context) => second.flags.evaluate("a", context))).toEqual(before);
  });

  it("names the field of a context that is not text", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", {});
    const context = { sessionId: 5 as unknown as string };
    expect(() => flags.evaluate("a", context)).toThrow(
      expect.objectContaining({ metadata: expect.objectContaining({ field: "context.session_id" }) }),
    );
    expect(() => flags.evaluateMany("all", context)).toThrow(HeliosError);
  });
});

describe("createFlags: history", () => {
  it("lists who did what and why, newest first, with before and after", async () => {
    const { flags, clock } = await flagsRig();
    const created = await flags.create("a", {}, {}, { actor: "ana", reason: "new" });
    clock.advance(1000);
    const enabled = await flags.enable("a", {}, { actor: "ben" });
    clock.advance(1000);
    const { revision } = await flags.delete("a", { reason: "unused" });
    const revived = await flags.create("a", { description: "again" }, { revive: true });
    const history = await flags.history("a", { limit: 10 });
    const time = created.updateTime;
    expect(history).toEqual([
      { name: "a", revision: revived.revision, time: time + 2000, cause: { action: "CreateFlag" }, resource: revived },
      {
        name: "a",
        revision,
        time: time + 2000,
        cause: { action: "DeleteFlag", reason: "unused" },
        before: enabled.record,
      },
      {
        name: "a",
        revision: enabled.revision,
        time: time + 1000,
        cause: { action: "EnableFlag", actor: "ben" },
        before: created.record,
        resource: enabled,
      },
      {
        name: "a",
        revision: created.revision,
        time,
        cause: { action: "CreateFlag", actor: "ana", reason: "new" },
        resource: created,
      },
    ]);
    expect(await flags.history("a", { limit: 1, beforeRevision: enabled.revision })).toEqual(history.slice(3));
  });

  it("remains available for a deleted flag", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", {});
    await flags.delete("a");
    expect((await flags.history("a", { limit: 10 })).map(({ cause }) => cause.action)).toEqual([
      "DeleteFlag",
      "CreateFlag",
    ]);
  });

  it("logs each change once", async () => {
    const { flags, logged } = await flagsRig();
    await flags.create("a", {}, {}, { actor: "ana" });
    await flags.create("b", {});
    const changes = logged
      .filter(([, , message]) => message === "flag changed")
      .map(([area, level, , fields]) => [area, level, fields?.name, fields?.actor]);
    expect(changes).toEqual([
      ["flags", "info", "a", "ana"],
      ["flags", "info", "b", undefined],
    ]);
  });
});

describe("createFlags: watchers", () => {
  const options = { names: [], resumeToken: "", onCompacted: "snapshot", heartbeatMs: 1000 } as const;

  it("receive a snapshot without deleted flags, then changes and deletions", async () => {
    const { flags, clock } = await flagsRig();
    await flags.create("gone", {});
    await flags.delete("gone");
    const kept = await flags.create("kept", {});
    const watcher = flags.hub.watch({ clock, ...options });
    expect(await watcher.next()).toMatchObject({ kind: "snapshot", items: [kept], complete: true });
    const revived = await flags.create("gone", {}, { revive: true });
    const { revision } = await flags.delete("kept");
    const frame = await watcher.next();
    expect(frame).toMatchObject({
      kind: "changes",
      items: [
        { name: "gone", resource: revived },
        { name: "kept", revision },
      ],
    });
    const items = frame?.kind === "changes" ? frame.items : [];
    expect(items[0]).not.toHaveProperty("before");
    expect(items[1]).not.toHaveProperty("resource");
    expect(items[1]?.before).toEqual(kept.record);
    watcher.close();
  });

  it("receive the same when they resume", async () => {
    const { flags, clock } = await flagsRig();
    await flags.create("a", {});
    const first = flags.hub.watch({ clock, ...options });
    const resumeToken = (await first.next())?.resumeToken ?? "";
    const { revision } = await flags.delete("a");
    const live = await first.next();
    first.close();
    const second = flags.hub.watch({ clock, ...options, resumeToken });
    expect(await second.next()).toEqual(live);
    expect(live).toMatchObject({ kind: "changes", items: [{ name: "a", revision }] });
    second.close();
  });

  it("receive a change after it was applied", async () => {
    const { flags, clock } = await flagsRig();
    await flags.create("a", {});
    const watcher = flags.hub.watch({ clock, ...options });
    await watcher.next();
    const next = watcher.next().then(() => flags.isEnabled("a"));
    await flags.enable("a");
    expect(await next).toBe(true);
    watcher.close();
  });
});
