import { describe, expect, it } from "vitest";
import type { Change } from "../../../src/core/store/store.ts";
import { Watchers } from "../../../src/core/store/watchers.ts";

const batch = (revision: number, ...keys: string[]): readonly Change[] =>
  ["a", ...keys].map((key) => ({ key, revision, time: 0, createTime: 0, cause: { action: "Test" } }));
const revisionOf = ([change]: readonly Change[]): number => change?.revision ?? 0;

describe("the listeners of a store", () => {
  it("all receive one change before the next, even if it is published from within a listener", () => {
    const watchers = new Watchers();
    const received: string[] = [];
    watchers.add(
      0,
      (changes) => {
        const revision = revisionOf(changes);
        received.push(`first ${revision}`);
        if (revision < 3) watchers.deliver(batch(revision + 1));
      },
      () => [],
    );
    watchers.add(
      0,
      (changes) => received.push(`second ${revisionOf(changes)}`),
      () => [],
    );
    watchers.deliver(batch(1));
    expect(received).toEqual(["first 1", "second 1", "first 2", "second 2", "first 3", "second 3"]);
  });

  it("receive all existing changes, each once", () => {
    const watchers = new Watchers();
    const journal = [batch(1), batch(2)];
    const received: number[] = [];
    watchers.add(
      0,
      (changes) => {
        const revision = revisionOf(changes);
        received.push(revision);
        if (revision === 2) journal.push(batch(3));
      },
      (after) => journal.slice(after, after + 1),
    );
    watchers.deliver(batch(3));
    watchers.deliver(batch(4));
    expect(received).toEqual([1, 2, 3, 4]);
  });
});
