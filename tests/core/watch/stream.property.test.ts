import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { QUEUE_LIMIT } from "../../../src/core/watch/live-queue.ts";
import { decodeToken } from "../../../src/core/watch/token.ts";
import { turn } from "../../support/turns.ts";
import { drain, makeThings, present, revisionsOf, soon, stateOf, type ThingFrame, type Things } from "./things.ts";

/** `burst` makes that many writes without a pause, over that many names; `read` reads frames; `start` reads without waiting. */
type Step =
  | { readonly do: "burst"; readonly writes: number; readonly names: number }
  | { readonly do: "remove"; readonly name: number }
  | { readonly do: "read"; readonly frames: number }
  | { readonly do: "ask" };

const step = (longest: number): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("burst" as const),
        writes: fc.integer({ min: 1, max: longest }),
        names: fc.integer({ min: 1, max: 2 * longest }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const), name: fc.nat(9) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("read" as const), frames: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("ask" as const) }) },
  );

interface Read {
  readonly frames: ThingFrame[];
  /** The most writes between two frames. */
  readonly most: number;
}

async function play(all: Things, next: () => Promise<ThingFrame | undefined>, steps: readonly Step[]): Promise<Read> {
  const frames: ThingFrame[] = [];
  let asked: Promise<ThingFrame | undefined> | undefined;
  let [unread, most] = [0, 0];
  const take = async (): Promise<void> => {
    asked ??= next();
    await turn();
    all.clock.advance(1000);
    const frame = await soon(asked);
    asked = undefined;
    if (frame !== undefined) frames.push(frame);
  };
  for (const step of steps) {
    if (step.do === "ask") asked ??= next();
    if (step.do === "read") for (let n = 0; n < step.frames; n += 1) await take();
    if (step.do === "read") unread = 0;
    if (step.do === "remove") await all.remove(`t${step.name}`);
    if (step.do === "burst") for (let n = 0; n < step.writes; n += 1) await all.put(`t${n % step.names}`, n);
    if (step.do === "remove") unread += 1;
    if (step.do === "burst") unread += step.writes;
    most = Math.max(most, unread);
  }
  if (asked !== undefined) await take();
  frames.push(...(await drain(all.clock, next)));
  return { frames, most };
}

function checkOrder(frames: readonly ThingFrame[]): void {
  const revisions = revisionsOf(frames);
  expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
  const positions = frames.map(({ revision }) => revision);
  expect(positions).toEqual([...positions].sort((a, b) => a - b));
  for (const frame of frames) {
    if (frame.kind === "changes") expect(frame.items.at(-1)?.revision).toBeLessThanOrEqual(frame.revision);
    if (frame.kind !== "snapshot" || frame.complete)
      expect(decodeToken(frame.resumeToken).revision).toBe(frame.revision);
  }
}

describe("a watch stream", () => {
  it("is a snapshot at one revision, then every later change exactly once, in order", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step(200), { maxLength: 12 }),
        fc.nat(1200),
        fc.boolean(),
        async (steps, before, some) => {
          const all = await makeThings();
          for (let n = 0; n < before; n += 1) await all.put(`t${n}`, -1);
          const start = all.changes.length;
          const names = some ? ["t1", "t3", "t7", "t500"] : [];
          const wanted = (name: string): boolean => names.length === 0 || names.includes(name);
          const watcher = all.watch({ names });
          const { frames, most } = await play(all, () => watcher.next(), steps);
          checkOrder(frames);
          const snapshots = frames.filter(({ kind }) => kind === "snapshot");
          expect(new Set(snapshots.map(({ revision }) => revision))).toEqual(new Set([start]));
          expect(frames.slice(0, snapshots.length)).toEqual(snapshots);
          expect(snapshots.map((frame) => frame.kind === "snapshot" && frame.complete).indexOf(true)).toBe(
            snapshots.length - 1,
          );
          const expected = all.changes.slice(start).filter(({ name }) => wanted(name));
          if (most <= QUEUE_LIMIT)
            expect(frames.flatMap((frame) => (frame.kind === "changes" ? frame.items : []))).toEqual(expected);
          expect(stateOf(frames)).toEqual(new Map([...present(all)].filter(([name]) => wanted(name))));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("omits a change only if a later one of the same resource follows, however long it was not read", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step(2500), { minLength: 2, maxLength: 6 }), async (steps) => {
        const all = await makeThings();
        const watcher = all.watch();
        const { frames } = await play(all, () => watcher.next(), steps);
        checkOrder(frames);
        expect(frames.filter(({ kind }) => kind === "snapshot")).toHaveLength(1);
        const received = new Set(revisionsOf(frames));
        const latest = new Map(all.changes.map(({ name, revision }) => [name, revision]));
        for (const revision of latest.values()) expect(received.has(revision)).toBe(true);
        expect(stateOf(frames)).toEqual(present(all));
      }),
      { numRuns: 15 },
    );
  });

  it("resumed from any of its tokens, delivers every change once together with the first part", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step(100), { maxLength: 10 }),
        fc.array(step(100), { maxLength: 10 }),
        fc.nat(),
        async (before, after, at) => {
          const all = await makeThings();
          const first = all.watch();
          const { frames } = await play(all, () => first.next(), before);
          first.close();
          const until = at % frames.length;
          const resumeToken = frames[until]?.resumeToken ?? "";
          const second = all.watch({ resumeToken, onCompacted: "error" });
          const rest = await play(all, () => second.next(), after);
          const whole = [...frames.slice(0, until + 1), ...rest.frames];
          checkOrder(whole);
          expect(revisionsOf(whole)).toEqual(all.changes.map(({ revision }) => revision));
          expect(stateOf(whole)).toEqual(present(all));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("ends with the state of the store even if the journal is compacted meanwhile", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step(1500), { minLength: 2, maxLength: 8 }),
        fc.integer({ min: 1, max: 900 }),
        async (steps, keptChanges) => {
          const all = await makeThings({ keptChanges });
          const watcher = all.watch();
          const { frames } = await play(all, () => watcher.next(), steps);
          const positions = frames.map(({ revision }) => revision);
          expect(positions).toEqual([...positions].sort((a, b) => a - b));
          expect(stateOf(frames)).toEqual(present(all));
        },
      ),
      { numRuns: 20 },
    );
  });
});
