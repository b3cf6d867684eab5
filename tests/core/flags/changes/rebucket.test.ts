import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rebucketing } from "../../../../src/core/flags/changes/rebucket.ts";
import { type FlagDefinition, type FlagFields, withFields } from "../../../../src/core/flags/record.ts";
import { compileFlag } from "../../../../src/kernel/flags/evaluate.ts";
import { percentage } from "../../../kernel/flags/reference.ts";
import { turn } from "../../../support/turns.ts";
import { flagsRig, reason } from "../harness.ts";

const NOW = 1_700_000_000_000;
const variants = (weights: Readonly<Record<string, number>>): FlagFields["variants"] & object =>
  Object.entries(weights).map(([name, weight]) => ({ name, weight, value: name }));
const definition = (fields: FlagFields): FlagDefinition => withFields("a", undefined, { enabled: true, ...fields });
const QUARTER: FlagFields = { strategy: "PERCENTAGE", percentage: 25 };

/** The share of 100 sample keys whose answer changes. Each has a session and a user of its own. */
function measured(before: FlagDefinition, after: FlagDefinition, size = 20_000): number {
  const [old, fresh] = [before, after].map((each) => compileFlag({ ...each, name: "a", revision: 1 }));
  let moved = 0;
  for (let index = 0; index < size; index++) {
    const context = { sessionId: `session-${index}`, userId: `user-${index}`, symbol: "BTCZAR" };
    if (old?.evaluate(context, NOW).variant !== fresh?.evaluate(context, NOW).variant) moved++;
  }
  return (moved / size) * 100;
}

describe("the share of sessions that a change of bucketing moves", () => {
  it.each([
    ["a new salt at 25 %", QUARTER, { salt: "pepper" }, 37.5, "salt"],
    ["a new salt at 50 %", { ...QUARTER, percentage: 50 }, { salt: "pepper" }, 50, "salt"],
    ["another bucketing field", QUARTER, { bucketBy: "USER_ID" }, 37.5, "bucket_by"],
    [
      "weights from halves to 90 and 10",
      { variants: variants({ x: 1, y: 1 }) },
      { variants: variants({ x: 9, y: 1 }) },
      40,
      "variants",
    ],
    [
      "another order of two halves",
      { variants: variants({ x: 1, y: 1 }) },
      { variants: variants({ y: 1, x: 1 }) },
      100,
      "variants",
    ],
    [
      "another name of a variant",
      { variants: variants({ x: 1, y: 1 }) },
      { variants: variants({ x: 1, z: 1 }) },
      50,
      "variants",
    ],
    [
      "one variant fewer, at 25 %",
      { ...QUARTER, variants: variants({ x: 1, y: 1 }) },
      { variants: variants({ x: 1 }) },
      12.5,
      "variants",
    ],
    ["a weight of 0", { variants: variants({ x: 1, y: 1 }) }, { variants: variants({ x: 1, y: 0 }) }, 50, "variants"],
    ["a new salt with variants", { variants: variants({ x: 1, y: 1 }) }, { salt: "pepper" }, 50, "salt"],
    [
      "a new salt of a whitelist's variants",
      { strategy: "WHITELIST", whitelist: ["BTCZAR"], variants: variants({ x: 1, y: 3 }) },
      { salt: "p" },
      37.5,
      "salt",
    ],
    ["a new salt and a new share at once", QUARTER, { salt: "pepper", percentage: 50 }, 50, "salt"],
  ] as [string, FlagFields, FlagFields, number, string][])(
    "is reported for %s",
    async (_, before, change, share, fields) => {
      const { flags, feed } = await flagsRig();
      const old = await flags.create("a", { enabled: true, ...before });
      const refused = reason("FLAG_REBUCKETS", { name: "a", fields, moved_percentage: String(share) });
      await expect(flags.update("a", change)).rejects.toEqual(refused);
      expect(feed.revision).toBe(old.revision);
      const { record } = await flags.update("a", change, { rebucket: true });
      if (change.percentage === undefined) expect(Math.abs(measured(old.record, record) - share)).toBeLessThan(1.5);
      // The reverse change moves them, too.
      await expect(flags.revert("a", old.revision)).rejects.toEqual(reason("FLAG_REBUCKETS"));
      expect((await flags.revert("a", old.revision, { rebucket: true })).record).toEqual(old.record);
    },
  );

  it.each([
    ["a flag that is not enabled", { ...QUARTER, enabled: false }, { salt: "pepper" }],
    ["a change that switches the flag off", QUARTER, { salt: "pepper", enabled: false }],
    ["a flag that is on for all", {}, { salt: "pepper", bucketBy: "USER_ID" }],
    ["a flag that is on for all, with one variant", { variants: variants({ x: 1 }) }, { salt: "pepper" }],
    [
      "a flag that is on for no session",
      { strategy: "ALL_OFF" },
      { salt: "pepper", variants: variants({ x: 1, y: 2 }) },
    ],
    ["0 % and 100 %", { strategy: "PERCENTAGE", percentage: 100 }, { salt: "pepper" }],
    ["a change to 100 %", QUARTER, { salt: "pepper", strategy: "ALL_ON" }],
    ["a flag that had no share before", {}, { salt: "pepper", ...QUARTER }],
    ["a salt equal to the name", QUARTER, { salt: "" }],
    [
      "weights multiplied by the same number",
      { variants: variants({ x: 1, y: 2 }) },
      { variants: variants({ x: 5, y: 10 }) },
    ],
    [
      "a new variant without weight",
      { variants: variants({ x: 1, y: 2 }) },
      { variants: variants({ x: 1, z: 0, y: 2 }) },
    ],
    ["the first variants", QUARTER, { variants: variants({ x: 1, y: 2 }) }],
    [
      "a change of share, condition or value",
      QUARTER,
      { percentage: 60, condition: "is BTCZAR", variants: variants({ x: 1 }) },
    ],
    ["a whitelist without variants", { strategy: "WHITELIST", whitelist: ["x"] }, { salt: "pepper" }],
  ] as [string, FlagFields, FlagFields][])("is zero for %s", async (_, before, change) => {
    const { flags } = await flagsRig();
    await flags.create("a", { enabled: true, ...before });
    await flags.update("a", change);
  });

  it("matches a measurement over a sample", () => {
    const weights = fc
      .array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 })
      .filter((some) => some.some(Boolean));
    const forms = fc.option(
      weights.map((some) => some.map((weight, at) => ({ name: `v${at}`, weight, value: at }))),
      { nil: undefined },
    );
    const fields = fc.record({
      strategy: fc.constantFrom("ALL_ON", "PERCENTAGE"),
      percentage,
      salt: fc.constantFrom("s", "s", "t"),
      bucketBy: fc.constantFrom("SESSION_ID", "SESSION_ID", "USER_ID"),
    });
    fc.assert(
      fc.property(fields, forms, forms, fc.constantFrom("s", "u"), (some, old, fresh, salt) => {
        // With the same share before and after, and variants in both or in neither.
        const [from, to] = old && fresh ? [{ variants: old }, { variants: fresh }] : [{}, {}];
        const before = definition({ ...(some as FlagFields), ...from });
        const after = definition({ ...(some as FlagFields), ...to, salt });
        const received = rebucketing("a", before, after, NOW)?.percentage ?? 0;
        expect(Math.abs(received - measured(before, after, 4000))).toBeLessThan(4);
      }),
      { numRuns: 60 },
    );
  });
});

describe("a file that would rebucket sessions", () => {
  const file = (salts: Readonly<Record<string, string>>): string =>
    JSON.stringify(
      Object.fromEntries(
        Object.entries(salts).map(([name, salt]) => [
          name,
          { enabled: true, strategy: "percentage", percentage: 25, salt },
        ]),
      ),
    );

  it.each(["MERGE", "REPLACE"] as const)(
    "is refused with every such flag by %s, also in a dry run, and accepted with rebucket",
    async (mode) => {
      const { flags, feed, write } = await flagsRig({ file: file({ a: "s", b: "s" }) });
      write(file({ a: "t", b: "t", c: "t" }));
      const before = feed.revision;
      const refused = reason("FLAG_REBUCKETS", { name: "a", moved_percentage: "37.5", others: "b 37.5 %" });
      await expect(flags.reload({ mode })).rejects.toEqual(refused);
      await expect(flags.reload({ mode, dryRun: true })).rejects.toEqual(refused);
      expect(feed.revision).toBe(before);
      const { differences } = await flags.reload({ mode, rebucket: true });
      expect(differences.map(({ name }) => name)).toEqual(["a", "b", "c"]);
    },
  );

  it("is logged once if the file is followed, and accepted on explicit request", async () => {
    const { flags, clock, write, logged } = await flagsRig({ file: file({ a: "s" }), followFile: "MERGE" });
    const seconds = async (count: number): Promise<void> => {
      for (let at = 0; at < count; at++) {
        clock.advance(1000);
        await turn();
      }
    };
    write(file({ a: "t" }));
    await seconds(6);
    const errors = logged.filter(([, level]) => level === "error");
    expect(errors).toEqual([
      ["flags", "error", expect.stringContaining("refused"), expect.objectContaining({ reason: "FLAG_REBUCKETS" })],
    ]);
    expect(flags.get("a").record.salt).toBe("s");
    await flags.reload({ rebucket: true });
    expect(flags.get("a").record.salt).toBe("t");
    await flags.close();
  });
});
