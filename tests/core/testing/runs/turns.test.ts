import { describe, expect, it } from "vitest";
import { isReason } from "../../../../src/core/index.ts";
import { createTurns } from "../../../../src/core/testing/runs/turns.ts";
import { turn } from "../../../support/turns.ts";

const never = new AbortController().signal;

/** Takes turns, and records their order. */
function rig(atOnce: number, mostWaiting: number) {
  const turns = createTurns(atOnce, mostWaiting);
  const got: string[] = [];
  const leave = new Map<string, () => void>();
  const take = (name: string, { urgent = false, signal = never } = {}): Promise<void> =>
    turns.take(signal, urgent).then((left) => {
      got.push(name);
      leave.set(name, left);
    });
  return { got, take, leave: (name: string): void => leave.get(name)?.() };
}

describe("turns of test runs", () => {
  it("are given to a few at a time, and to the others in order, urgent ones first", async () => {
    const { got, take, leave } = rig(2, 10);
    const all = ["a", "b", "c", "d"].map((name) => take(name));
    all.push(take("gate 1", { urgent: true }), take("gate 2", { urgent: true }));
    await turn();
    expect(got).toEqual(["a", "b"]);
    for (const name of ["a", "b", "gate 1", "gate 2"]) leave(name);
    await turn();
    leave("gate 1");
    leave("gate 2");
    await Promise.all(all);
    expect(got).toEqual(["a", "b", "gate 1", "gate 2", "c", "d"]);
  });

  it("turns that are left twice admit one other run", async () => {
    const { got, take, leave } = rig(1, 10);
    for (const name of ["a", "b", "c"]) void take(name);
    await turn();
    leave("a");
    leave("a");
    await turn();
    expect(got).toEqual(["a", "b"]);
  });

  it("are refused if too many wait, but never to an urgent run", async () => {
    const { got, take, leave } = rig(1, 1);
    void take("a");
    void take("b");
    const refusal: unknown = await Promise.try(take, "c").catch((error: unknown) => error);
    expect(isReason(refusal, "TEST_RUNS_OVERLOADED") && refusal.metadata.waiting).toBe("1");
    void take("gate", { urgent: true });
    await turn();
    leave("a");
    await turn();
    expect(got).toEqual(["a", "gate"]);
  });

  it("go to the next run if a waiting one gives up", async () => {
    const { got, take, leave } = rig(1, 10);
    const gone = new AbortController();
    void take("a");
    const b = take("b", { signal: gone.signal }).catch((error: unknown) => error);
    void take("c");
    gone.abort("enough");
    expect(await b).toBe("enough");
    leave("a");
    await turn();
    expect(got).toEqual(["a", "c"]);
    // A run that has its turn keeps it when its signal is aborted.
    expect(await take("d", { signal: gone.signal }).catch((error: unknown) => error)).toBe("enough");
  });
});
