import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Dependents } from "../../../src/core/flags/dependents.ts";
import { times } from "../../effort.ts";

const name = fc.constantFrom("a", "b", "c", "d");
const prerequisites = fc.option(fc.uniqueArray(name, { maxLength: 3 }), { nil: undefined });

describe("dependents", () => {
  it("are the flags that name a flag among their present prerequisites", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, prerequisites), { maxLength: 20 }), (changes) => {
        const dependents = new Dependents();
        const model = new Map<string, readonly string[]>();
        for (const [each, needed] of changes) {
          dependents.set(each, needed);
          model.set(each, needed ?? []);
        }
        for (const each of ["a", "b", "c", "d"]) {
          const expected = [...model].filter(([, needed]) => needed.includes(each)).map(([dependent]) => dependent);
          expect([...dependents.of(each)].sort()).toEqual(expected.sort());
        }
      }),
      { numRuns: times(500, 5000) },
    );
  });
});
