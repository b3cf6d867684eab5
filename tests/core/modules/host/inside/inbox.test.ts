import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createInbox, type Inbox } from "../../../../../src/core/modules/host/inside/inbox.ts";
import type { ToInstance } from "../../../../../src/core/modules/host/wire/protocol.ts";

interface Rig {
  readonly inbox: Inbox;
  /** Entries such as `run 1`, `drop 2` and `cancel 3`, in the order of the events. */
  readonly log: string[];
  /** Advances the clock, and lets the event loop run. */
  turn(ms?: number): void;
  now: number;
}

/** `handle`: the work of each message. */
function rig(handle: (id: number, rig: Rig) => void = () => {}): Rig {
  const log: string[] = [];
  const running = new Set<number>();
  const puts: (() => void)[] = [];
  const inbox = createInbox({
    now: () => made.now,
    later: (run) => puts.push(run),
    handle: (message) => {
      const { id } = message as { readonly id: number };
      log.push(`run ${id}`);
      running.add(id);
      handle(id, made);
    },
    cancel(id) {
      if (running.has(id)) log.push(`cancel ${id}`);
      return running.has(id);
    },
    drop: (id) => void log.push(`drop ${id}`),
  });
  const made: Rig = {
    inbox,
    log,
    now: 0,
    turn(ms = 0) {
      made.now += ms;
      for (const run of puts.splice(0)) run();
    },
  };
  return made;
}

const call = (id: number, deadline = 1000): ToInstance => ({
  type: "call",
  id,
  deadline,
  method: "m",
  input: { json: null },
});
const cancel = (id: number): ToInstance => ({ type: "cancel", id, reason: "left" });
const answer = (id: number): ToInstance => ({ type: "answer", id, value: { json: null } });

describe("an inbox", () => {
  it("handles its messages at once and in order", () => {
    const { inbox, log } = rig();
    inbox.put([call(1), answer(2)], false);
    inbox.put([call(3)], false);
    expect(log).toEqual(["run 1", "run 2", "run 3"]);
  });

  it("drops only those requests whose deadline has passed by their turn", () => {
    const { inbox, log } = rig((id, made) => {
      if (id === 1) made.now = 50;
    });
    const usage: ToInstance = { type: "usage", id: 4, deadline: 50, collect: false };
    inbox.put([call(1, 10), call(2, 50), call(3, 51), usage, answer(5)], false);
    expect(log).toEqual(["run 1"]);
    const later = rig((id, made) => {
      if (id === 1) made.now = 3;
    });
    later.inbox.put([call(1, 10), call(2, 3), call(3, 4), { ...usage, deadline: 2 }, answer(5)], false);
    expect(later.log).toEqual(["run 1", "drop 2", "run 3", "drop 4", "run 5"]);
  });

  it("drops a call whose cancellation has arrived with it, and signals a running one", () => {
    const { inbox, log } = rig();
    inbox.put([call(1), call(2), cancel(1), call(3), cancel(2)], false);
    inbox.put([cancel(3)], false);
    expect(log).toEqual(["drop 1", "drop 2", "run 3", "cancel 3"]);
  });

  it("begins nothing while there is more to read", () => {
    const { inbox, log, turn } = rig();
    inbox.put([call(1), call(2)], true);
    inbox.put([call(3), cancel(1)], false);
    expect(log).toEqual([]);
    turn();
    expect(log).toEqual(["drop 1", "run 2", "run 3"]);
    turn();
    expect(log).toHaveLength(3);
  });

  it("lets the event loop read after a long method, before it goes on", () => {
    const { inbox, log, turn } = rig((id, made) => {
      if (id === 1) made.now += 6;
    });
    inbox.put([call(1), call(2), call(3)], false);
    expect(log).toEqual(["run 1"]);
    inbox.put([cancel(3), call(4)], false);
    expect(log).toEqual(["run 1"]);
    turn(1);
    expect(log).toEqual(["run 1", "run 2", "drop 3", "run 4"]);
    inbox.put([call(5)], false);
    expect(log.at(-1)).toBe("run 5");
  });

  it("handles or drops each message once, in order, however they arrive", () => {
    const step = fc.record({
      tookMs: fc.nat(8),
      deadline: fc.nat(60),
      cancels: fc.option(fc.nat(40), { nil: undefined }),
      more: fc.boolean(),
      isLast: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const made = rig((id, { now }) => {
          expect(now).toBeLessThan(steps[id]?.deadline ?? 0);
          made.now += steps[id]?.tookMs ?? 0;
        });
        let chunk: ToInstance[] = [];
        const leftBefore = new Set<number>();
        for (const [id, { deadline, cancels, more, isLast }] of steps.entries()) {
          chunk.push(call(id, deadline));
          if (cancels !== undefined) chunk.push(cancel(cancels));
          if (cancels !== undefined && cancels <= id && !made.log.includes(`run ${cancels}`)) leftBefore.add(cancels);
          if (!isLast) continue;
          made.inbox.put(chunk, more);
          chunk = [];
          if (!more) made.turn();
        }
        made.inbox.put(chunk, false);
        for (let turns = 0; turns <= steps.length; turns += 1) made.turn();
        const ended = made.log
          .filter((entry) => !entry.startsWith("cancel"))
          .map((entry) => Number(entry.split(" ")[1]));
        expect(ended).toEqual([...steps.keys()]);
        for (const id of leftBefore) expect(made.log).toContain(`drop ${id}`);
      }),
    );
  });
});
