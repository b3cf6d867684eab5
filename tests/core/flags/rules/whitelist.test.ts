import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { FlagFields } from "../../../../src/core/flags/record.ts";
import { listedBy, listing } from "../../../../src/kernel/flags/listing.ts";
import { context } from "../../../kernel/flags/reference.ts";
import { type FlagsRig, flagsRig, reason } from "../harness.ts";

const HOUR = 3_600_000;
const sessions = Array.from({ length: 300 }, (_, index) => `session-${index}`);
const onNow = ({ flags }: FlagsRig): readonly string[] =>
  sessions.filter((sessionId) => flags.isEnabled("a", { sessionId }));

describe("a whitelist that precedes the share", () => {
  it("is created by adding to a flag with a share, is returned, and affects no other session", async () => {
    const made = await flagsRig();
    await made.flags.setPercentage("a", 25, { allowMissing: true });
    const before = onNow(made);
    const { flag, strategyChanged } = await made.flags.addToWhitelist("a", sessions.slice(0, 20));
    expect(flag.record).toMatchObject({ strategy: "PERCENTAGE", percentage: 25, whitelistFirst: true });
    expect(strategyChanged).toBe(false);
    expect(onNow(made)).toEqual(sessions.filter((each, index) => index < 20 || before.includes(each)));
    const [first, other] = [sessions[0], sessions.find((each) => before.includes(each))];
    expect(made.flags.evaluate("a", { sessionId: first })).toMatchObject({
      reason: "TARGETING_MATCH",
      bucket: undefined,
    });
    expect(made.flags.evaluate("a", { sessionId: other })).toMatchObject({ enabled: true });
  });

  it("stays while the share changes, is paused or is replaced, and ends with its last entry", async () => {
    const made = await flagsRig();
    const { flags, clock } = made;
    const endTime = clock.now() + 10 * HOUR;
    await flags.setGradual("a", { initialPercentage: 0, targetPercentage: 100, endTime, allowMissing: true });
    await flags.addToWhitelist("a", ["user_id:ana"]);
    const ana = { sessionId: "session-1", userId: "ana" };
    expect([flags.isEnabled("a", ana), onNow(made).length]).toEqual([true, 0]);
    await flags.pauseGradual("a");
    await flags.setPercentage("a", 0);
    expect(flags.evaluate("a", ana)).toMatchObject({ enabled: true, reason: "TARGETING_MATCH" });
    await flags.removeFromWhitelist("a", ["user_id:ana"]);
    expect(flags.evaluate("a", ana)).toMatchObject({ enabled: false, reason: "SPLIT" });
    expect(flags.get("a").record.whitelistFirst).toBe(true);
  });

  it("is not created by entries of other strategies, which keep their meaning when a share is set", async () => {
    const made = await flagsRig();
    await made.flags.create("a", { enabled: true, strategy: "WHITELIST", whitelist: ["session-1"] });
    await made.flags.addToWhitelist("a", ["session-2"]);
    const { record } = await made.flags.setPercentage("a", 0);
    expect(record).not.toHaveProperty("whitelistFirst");
    expect(onNow(made)).toEqual([]);
    await made.flags.update("a", { whitelistFirst: true });
    expect(onNow(made)).toEqual(["session-1", "session-2"]);
    await made.flags.update("a", { whitelistFirst: false });
    expect(onNow(made)).toEqual([]);
  });

  it("has no effect while the flag is off, is killed, or lacks a prerequisite", async () => {
    const made = await flagsRig();
    const { flags } = made;
    await flags.create("base", { enabled: true });
    await flags.create("a", {
      enabled: true,
      strategy: "PERCENTAGE",
      whitelist: ["BTCZAR"],
      whitelistFirst: true,
      condition: "is BTCZAR",
      prerequisites: ["base"],
      variants: [
        { name: "x", weight: 1, value: 1 },
        { name: "y", weight: 1, value: 2 },
      ],
    });
    const btc = { symbol: "BTCZAR", sessionId: "s" };
    expect(flags.evaluate("a", btc)).toMatchObject({ enabled: true, reason: "TARGETING_MATCH" });
    expect(flags.evaluate("a", { symbol: "BTCZAR" })).toMatchObject({ errorCode: "TARGETING_KEY_MISSING" });
    await flags.update("a", { whitelist: ["s"] });
    expect(flags.evaluate("a", { sessionId: "s" })).toMatchObject({ enabled: false, reason: "DEFAULT" });
    await flags.disable("base");
    expect(flags.evaluate("a", btc)).toMatchObject({ enabled: false, reason: "DEFAULT" });
    await flags.enable("base");
    await flags.disable("a", { kill: true });
    expect(flags.evaluate("a", btc)).toMatchObject({ enabled: false, killed: true });
  });

  it("is explained by the entry that matched", async () => {
    const { flags } = await flagsRig();
    await flags.setPercentage("a", 0, { allowMissing: true });
    await flags.addToWhitelist("a", ["user_id:ana", "BTCZAR"]);
    const last = async (asked: object) => (await flags.explain("a", asked)).steps.at(-1);
    expect(await last({ userId: "ana" })).toMatchObject({ outcome: 'user_id "user_id:ana" is listed', stopped: false });
    expect((await last({ sessionId: "s" }))?.lookedAt).toMatch(
      /^not on the whitelist of 2, which comes first; PERCENTAGE at 0 %/,
    );
  });

  it("is restored from an exported file", async () => {
    const { flags, write } = await flagsRig();
    await flags.setPercentage("a", 5, { allowMissing: true });
    await flags.addToWhitelist("a", ["user_id:ana"]);
    expect(flags.export().flags.a).toMatchObject({ whitelist: ["user_id:ana"], whitelist_first: true });
    write(JSON.stringify(flags.export().flags));
    expect((await flags.reload({ mode: "REPLACE" })).differences).toEqual([]);
  });
});

describe("a whitelist entry", () => {
  const WRONG = [
    "",
    " ",
    " ana",
    "ana ",
    "ana\t",
    "\u00a0ana",
    "ana\u3000",
    "ana\ufeff",
    "\u200bana",
    "a\nb",
    "a\u0000b",
  ];
  const OF_A_FIELD = ["user_id:", "symbol: BTCZAR", "session_id:s ", "user_id :ana "];
  const wrong = [...WRONG, ...OF_A_FIELD].map((entry) => [JSON.stringify(entry), entry] as const);

  it.each(wrong)("%s is refused in every request that could add it, with its place", async (_, entry) => {
    const { flags, feed, write } = await flagsRig();
    await flags.create("a", { enabled: true, whitelist: ["ok"] });
    const before = feed.revision;
    const whitelist = ["ok", entry];
    const invalid = (field: string): unknown => reason("ARGUMENT_INVALID", { field });
    await expect(flags.create("b", { whitelist })).rejects.toEqual(invalid("whitelist[1]"));
    await expect(flags.update("a", { whitelist })).rejects.toEqual(invalid("whitelist[1]"));
    await expect(flags.addToWhitelist("a", whitelist)).rejects.toEqual(invalid("entries[1]"));
    write(JSON.stringify({ a: { enabled: true, strategy: "whitelist", whitelist } }));
    await expect(flags.reload()).rejects.toEqual(reason("FLAGS_FILE_INVALID", { key: "a.whitelist[1]" }));
    expect(feed.revision).toBe(before);
  });

  it("an entry that was stored before this rule stays, moves with the flag, and can be removed", async () => {
    const { flags, store } = await flagsRig();
    await flags.create("a", { enabled: true, strategy: "WHITELIST", whitelist: ["ok"] });
    const record = { ...flags.get("a").record, whitelist: ["ok", " ana "] } satisfies FlagFields;
    await store.put("flag/a", JSON.stringify(record), { cause: { action: "UpdateFlag" } });
    expect(flags.isEnabled("a", { userId: " ana " })).toBe(true);
    await flags.update("a", { description: "x" });
    await flags.addToWhitelist("a", ["eve"]);
    expect((await flags.removeFromWhitelist("a", [" ana "])).record.whitelist).toEqual(["ok", "eve"]);
  });

  it("is reported exactly if the context is listed by it", () => {
    const entries = fc.uniqueArray(
      fc.constantFrom("alice", "user_id:alice", "symbol:BTCZAR", "BTCZAR", "desk:7", "s-1"),
    );
    fc.assert(
      fc.property(entries, context, (some, asked) => {
        const found = listedBy(some, asked);
        expect(found !== undefined).toBe(listing(some)(asked));
        if (found !== undefined) expect(listing([found.entry])(asked)).toBe(true);
      }),
    );
  });
});
