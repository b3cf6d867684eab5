import { expect } from "vitest";
import type { RetentionOptions } from "../../../src/core/store/retention.ts";
import type { Change, RevisionCompacted, Store } from "../../../src/core/store/store.ts";
import type { ManualClock } from "../../../src/kernel/clock.ts";
import { turns } from "../../support/turns.ts";

export type MakeStore = (options: { clock: ManualClock } & RetentionOptions) => Promise<Store>;

/** Makes an empty store with its own clock. */
export type SetUp = (retention?: RetentionOptions) => Promise<{ store: Store; clock: ManualClock }>;

export const cause = { action: "Test" };

/** The error with which a promise rejects. Undefined: it does not reject. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** All changes after a revision, page by page. */
export async function readAll(store: Store, prefix: string, after: number, limit: number): Promise<Change[]> {
  const all: Change[] = [];
  for (let position = after; ; ) {
    const { changes, through } = await store.changes(prefix, position, limit);
    // Only the batch at the end of a page may exceed the limit.
    expect(changes.filter(({ revision }) => revision !== changes.at(-1)?.revision).length).toBeLessThan(limit);
    all.push(...changes);
    if (through === (await store.list("none")).revision) return all;
    expect(through).toBeGreaterThan(position);
    position = through;
  }
}

/** The oldest revision that is still in the journal. */
export async function oldestOf(store: Store): Promise<number> {
  return ((await rejection(store.changes("", -1, 9))) as RevisionCompacted).oldest;
}

/** Lets the work of a timer finish. */
export async function settle(): Promise<void> {
  await turns(12);
}

/** Lets time pass, and lets the work that is due finish. */
export async function advance(clock: ManualClock, ms: number): Promise<void> {
  clock.advance(ms);
  await settle();
}
