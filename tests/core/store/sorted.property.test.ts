import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SortedItems } from "../../../src/core/store/sorted.ts";
import { times } from "../../effort.ts";

const byName = <T extends { readonly name: string }>(a: T, b: T): number => (a.name < b.name ? -1 : 1);

// Few different names, so that they are replaced and deleted often; among them some that a locale would sort differently.
const name = fc.constantFrom("a", "B", "b", "aa", "ä", "z", "10", "9", "\u{1F600}", "￿", "_");
const step = fc.oneof(
  fc.record({ does: fc.constant("set" as const), name, value: fc.nat() }),
  fc.record({ does: fc.constant("delete" as const), name }),
  fc.record({ does: fc.constant("list" as const) }),
  fc.record({ does: fc.constant("prepare" as const), steps: fc.nat({ max: 5 }) }),
);

describe("sorted items", () => {
  it("list the items by code units after any changes, and never change a list that was returned", () => {
    fc.assert(
      fc.property(fc.uniqueArray(name), fc.array(step, { maxLength: 40 }), (first, steps) => {
        const model = new Map(first.map((each) => [each, { name: each, value: -1 }]));
        const items = new SortedItems([...model.values()].sort(byName));
        const preparing = items.preparing();
        const returned: { readonly list: readonly unknown[]; readonly before: readonly unknown[] }[] = [];
        for (const each of [...steps, { does: "list" as const }]) {
          if (each.does === "set") {
            const item = { name: each.name, value: each.value };
            model.set(each.name, item);
            items.set(each.name, item);
          } else if (each.does === "delete") {
            model.delete(each.name);
            items.set(each.name, undefined);
          } else if (each.does === "prepare") {
            for (let done = 0; done < each.steps; done += 1) preparing.next();
          } else {
            const list = items.list();
            expect(list).toEqual([...model.values()].sort(byName));
            returned.push({ list, before: [...list] });
          }
        }
        for (const { list, before } of returned) expect(list).toEqual(before);
      }),
      { numRuns: times(500, 5000) },
    );
  });

  it("are sorted in short steps, also if they change meanwhile", () => {
    const nameAt = (at: number): string => `${(at * 7919) % 10_007}`;
    const items = new SortedItems<{ readonly name: string; readonly value: number }>();
    const model = new Map<string, { readonly name: string; readonly value: number }>();
    const set = (name: string, value: number): void => {
      const item = { name, value };
      model.set(name, item);
      items.set(name, item);
    };
    for (let at = 0; at < 10_007; at += 1) set(nameAt(at), 0);
    let steps = 0;
    for (const _ of items.preparing()) {
      steps += 1;
      set(nameAt(steps), steps);
      set(`new ${steps}`, steps);
      model.delete(nameAt(5000 + steps));
      items.set(nameAt(5000 + steps), undefined);
    }
    expect(steps).toBeGreaterThan(20);
    expect(items.list()).toEqual([...model.values()].sort(byName));
  });

  it("return the same list until the next change", () => {
    const items = new SortedItems<{ readonly name: string }>();
    items.set("a", { name: "a" });
    const list = items.list();
    expect(items.list()).toBe(list);
    items.set("b", undefined);
    expect(items.list()).toBe(list);
    items.set("a", { name: "a" });
    expect(items.list()).not.toBe(list);
  });
});
