import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FRAME_LIMIT } from "../../../src/core/watch/frame.ts";
import { QUEUE_LIMIT } from "../../../src/core/watch/live-queue.ts";
import { decodeToken } from "../../../src/core/watch/token.ts";
import { turn } from "../../support/turns.ts";
import { drain, makeThings, present, soon, stateOf, type ThingFrame, type Things } from "./things.ts";

/** `batch` changes that many things at once, starting at the given one; `read` reads that many frames. */
type Step =
  | { readonly do: "batch"; readonly from: number; readonly size: number }
  | { readonly do: "put"; readonly name: number }
  | { readonly do: "read"; readonly frames: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("batch" as const),
      from: fc.nat(50),
      size: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: FRAME_LIMIT - 1, max: 2 * QUEUE_LIMIT })),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("put" as const), name: fc.nat(50) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("read" as const), frames: fc.integer({ min: 1, max: 3 }) }) },
);

const cause = { action: "Test" };
/** Whether each name is deleted, decided by a number. */
async function write(all: Things, step: Exclude<Step, { do: "read" }>, n: number): Promise<void> {
  if (step.do === "put") return all.put(`t${step.name}`, n);
  const names = Array.from({ length: step.size }, (_, at) => `t${step.from + at}`);
  await all.things.batch(cause, () =>
    names.map((name, at) => ({ name, record: (at + n) % 5 === 0 ? null : { n: n + at } })),
  );
}

/** The state at each revision: number by name. */
function statesOf(all: Things): ReadonlyMap<number, ReadonlyMap<string, number>> {
  const state = new Map<string, number>();
  const states = new Map<number, ReadonlyMap<string, number>>([[0, new Map()]]);
  for (const [index, { name, resource, revision }] of all.changes.entries()) {
    if (resource === undefined) state.delete(name);
    else state.set(name, resource.record.n);
    if (all.changes[index + 1]?.revision !== revision) states.set(revision, new Map(state));
  }
  return states;
}

async function play(all: Things, steps: readonly Step[]): Promise<readonly ThingFrame[]> {
  const watcher = all.watch();
  const frames: ThingFrame[] = [];
  const take = async (): Promise<void> => {
    const asked = watcher.next();
    await turn();
    all.clock.advance(1000);
    const frame = await soon(asked);
    if (frame !== undefined) frames.push(frame);
  };
  await take();
  for (const [n, step] of steps.entries()) {
    if (step.do !== "read") await write(all, step, n);
    else for (let read = 0; read < step.frames; read += 1) await take();
  }
  frames.push(...(await drain(all.clock, () => watcher.next())));
  return frames;
}

describe("a watch stream over batches", () => {
  it("delivers each change once; at each token, the delivered changes add up to the state at its revision", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 10 }), async (steps) => {
        const all = await makeThings();
        const frames = await play(all, steps);
        const states = statesOf(all);
        const received = frames.flatMap((frame) => (frame.kind === "changes" ? frame.items : []));
        expect(received.map(({ name, revision }) => `${revision} ${name}`)).toEqual(
          all.changes.map(({ name, revision }) => `${revision} ${name}`),
        );
        let position = 0;
        for (const [index, frame] of frames.entries()) {
          const { revision } = decodeToken(frame.resumeToken);
          expect(frame.revision).toBe(revision);
          expect(revision).toBeGreaterThanOrEqual(position);
          if (revision > position) {
            expect(stateOf(frames.slice(0, index + 1))).toEqual(states.get(revision));
            const batch = frame.kind === "changes" ? frame.items.filter((item) => item.revision > revision) : [];
            expect(batch).toEqual([]);
          }
          position = revision;
        }
        expect(stateOf(frames)).toEqual(present(all));
      }),
      { numRuns: 40 },
    );
  });

  it("has one frame for a batch that fits into one, and resumes from any of its tokens with the same result", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 6 }), fc.nat(), async (steps, pick) => {
        const all = await makeThings();
        const frames = await play(all, steps);
        const sizes = new Map<number, number>();
        for (const { revision } of all.changes) sizes.set(revision, (sizes.get(revision) ?? 0) + 1);
        for (const frame of frames) {
          if (frame.kind !== "changes") continue;
          for (const [revision, size] of sizes) {
            const here = frame.items.filter((item) => item.revision === revision).length;
            if (size <= FRAME_LIMIT) expect([0, size]).toContain(here);
          }
        }
        const from = pick % frames.length;
        const resumed = all.watch({ resumeToken: frames[from]?.resumeToken ?? "" });
        const rest = await drain(all.clock, () => resumed.next());
        expect(stateOf(rest, stateOf(frames.slice(0, from + 1)))).toEqual(present(all));
      }),
      { numRuns: 40 },
    );
  });
});
