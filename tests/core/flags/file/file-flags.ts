import fc from "fast-check";
import type { FileFlag } from "../../../../src/core/flags/file/read-flag.ts";
import { type FlagDefinition, type FlagFields, withFields } from "../../../../src/core/flags/record.ts";
import { numberViolation } from "../../../../src/core/json/tree.ts";
import type { Json, Variant } from "../../../../src/kernel/flags/rule.ts";
import { gradual, percentage } from "../../../kernel/flags/reference.ts";

const NAME = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,12}$/);

/** Values as a file returns them: a file has no -0, and no inexact number. */
const json: fc.Arbitrary<Json> = fc
  .jsonValue()
  .filter((value) => numberViolation(value, []) === undefined)
  .map((value) => JSON.parse(JSON.stringify(value)) as Json);

/** All variants of a flag have values of one type. */
const values: readonly fc.Arbitrary<Json>[] = [
  fc.string({ unit: "grapheme" }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.array(json, { maxLength: 3 }),
  fc.dictionary(fc.string(), json, { maxKeys: 3 }).map((value) => ({ ...value })),
];

const variants: fc.Arbitrary<readonly Variant[]> = fc
  .constantFrom(...values)
  .chain((value) =>
    fc.uniqueArray(
      fc.record({ name: NAME.filter((name) => name !== "off"), weight: fc.integer({ min: 1, max: 100_000 }), value }),
      { selector: ({ name }) => name, maxLength: 5 },
    ),
  );

const staleness = fc.constantFrom<FlagFields>(
  {},
  { maxStalenessMs: 1000 },
  { onStale: "KEEP", maxStalenessMs: 30_001 },
  { onStale: "OFF", maxStalenessMs: 365 * 86_400_000 },
);

const fields = fc
  .record<FlagFields>(
    {
      enabled: fc.boolean(),
      strategy: fc.constantFrom("ALL_ON", "ALL_OFF", "PERCENTAGE", "WHITELIST"),
      percentage,
      whitelist: fc.uniqueArray(fc.string({ minLength: 1 }).filter((entry) => /^[^\s:]+$/.test(entry))),
      whitelistFirst: fc.boolean(),
      gradual,
      description: fc.string({ unit: "grapheme" }),
      owner: fc.constantFrom("", "desk 7"),
      tags: fc.uniqueArray(fc.constantFrom("a", "b", "größe"), { maxLength: 3 }),
      metadata: fc.constantFrom({}, { ticket: 12, deep: [{ x: null }] }),
      bucketBy: fc.constantFrom("SESSION_ID", "USER_ID", "SYMBOL", "SYSTEM"),
      salt: fc.string({ maxLength: 20 }),
      variants,
      condition: fc.constantFrom("", 'context.symbol == "BTCZAR"', "true"),
    },
    { requiredKeys: [] },
  )
  .chain((some) => staleness.map((stale) => ({ ...some, ...stale })));

function definitionOf(name: string, some: FlagFields, killed: boolean): FlagDefinition {
  const made = withFields(name, undefined, some.gradual ? { ...some, strategy: "GRADUAL" } : some);
  return killed ? { ...made, enabled: false, killed } : made;
}

/** The flags of a file, where each may need some of the earlier ones. */
export const fileFlags: fc.Arbitrary<FileFlag[]> = fc
  .dictionary(
    NAME,
    fc.record({
      some: fields,
      killed: fc.boolean(),
      updatedAt: fc.option(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 })),
      needs: fc.array(fc.nat(), { maxLength: 2 }),
    }),
  )
  .map((flags) => {
    const names = Object.keys(flags);
    return Object.entries(flags).map(([name, { some, killed, updatedAt, needs }], index) => {
      const before = names.slice(0, index);
      const needed = new Set(needs.map((at) => before[at % Math.max(1, index)]).filter((each) => each !== undefined));
      const definition = definitionOf(name, { ...some, prerequisites: [...needed] }, killed);
      return { name, definition, ...(updatedAt === null ? {} : { updatedAt }) };
    });
  });
