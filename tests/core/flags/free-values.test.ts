import { describe, expect, it } from "vitest";
import type { FlagFields } from "../../../src/core/flags/record.ts";
import { flagsRig } from "./harness.ts";

const HALF = "a\ud83d";
const UNFIT: readonly (readonly [string, unknown])[] = [
  ["a number beyond 2^53", 2 ** 60],
  ["a number below -2^53", -(2 ** 53)],
  ["NaN", Number.NaN],
  ["half a surrogate pair", HALF],
];
const of = (value: unknown): FlagFields => ({ variants: [{ name: "a", weight: 1, value: value as never }] });

describe("a value that JSON implementations read differently", () => {
  it.each(UNFIT)("(%s) is refused in every argument of the library", async (_, value) => {
    const { flags } = await flagsRig();
    const places: readonly (readonly [string, FlagFields])[] = [
      ["variants[0].value", of(value)],
      ["variants[0].value.a[1].b", of({ a: [1, { b: value }] })],
      ["metadata.a[0]", { metadata: { a: [value as never] } }],
    ];
    for (const [field, fields] of places) {
      const created = flags.create("f", fields, {}, {});
      await expect(created).rejects.toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field } });
    }
    expect(flags.list()).toEqual([]);
  });

  it.each<readonly [string, FlagFields]>([
    ["description", { description: HALF }],
    ["owner", { owner: HALF }],
    ["tags[0]", { tags: [HALF] }],
    ["salt", { salt: HALF }],
    ["whitelist[0]", { whitelist: [HALF] }],
    ["whitelist[0]", { whitelist: [`user_id:${HALF}`] }],
    ["condition", { condition: `'${HALF}' == ''` }],
    ['metadata["a\\ud83d"]', { metadata: { [HALF]: 1 } }],
  ])("is refused also as half a surrogate pair in %s", async (field, fields) => {
    const { flags } = await flagsRig();
    await expect(flags.create("f", fields, {}, {})).rejects.toMatchObject({ metadata: { field } });
  });

  it("is refused also in actor and reason", async () => {
    const { flags } = await flagsRig();
    for (const field of ["actor", "reason"]) {
      await expect(flags.create("f", {}, {}, { [field]: HALF })).rejects.toMatchObject({ metadata: { field } });
    }
  });
});

describe("such a value in a stored flag", () => {
  const values = [2 ** 60, 1];
  const old = {
    enabled: false,
    strategy: "ALL_ON",
    percentage: 0,
    whitelist: [HALF],
    description: HALF,
    owner: HALF,
    tags: [HALF],
    bucketBy: "SESSION_ID",
    salt: HALF,
    bucketingVersion: 1,
    variants: values.map((value, at) => ({ name: `v${at}`, weight: 1, value })),
    metadata: { big: 2 ** 60, text: HALF },
  };
  const stored = async () => {
    const first = await flagsRig();
    await first.store.put("flag/f", JSON.stringify(old), { cause: { action: "CreateFlag" } });
    return first.restart();
  };

  it("stays while something else changes, also next to it", async () => {
    const { flags } = await stored();
    expect(flags.get("f").record).toEqual(old);
    const variants = [...old.variants, { name: "new", weight: 0, value: 3 }];
    const metadata = { ...old.metadata, more: 1 };
    const change = { enabled: true, variants, metadata, tags: [HALF, "b"], whitelist: [HALF, "b"] };
    await flags.update("f", change, { rebucket: true });
    expect(flags.get("f").record).toMatchObject({ ...old, ...change });
    for (const more of [{ metadata: { other: 2 ** 60 } }, of(2 ** 61), { owner: `${HALF}!` }]) {
      await expect(flags.update("f", more, { rebucket: true })).rejects.toMatchObject({
        reason: "ARGUMENT_INVALID",
      });
    }
  });

  it("is restored by a revert, and can be removed", async () => {
    const { flags } = await stored();
    const { revision } = flags.get("f");
    const clean = { description: "", owner: "", tags: [], salt: "s", metadata: null, variants: [] };
    await flags.removeFromWhitelist("f", [HALF]);
    await flags.update("f", clean, { rebucket: true });
    expect(JSON.stringify(flags.get("f").record)).not.toMatch(/ud83d|1152921504606846976/);
    await flags.revert("f", revision);
    expect(flags.get("f").record).toEqual(old);
  });
});
