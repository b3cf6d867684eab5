import { describe, expect, it } from "vitest";
import { merged } from "../../../src/core/async/merged.ts";
import { END, Polled, type Waker } from "../../../src/core/async/polled.ts";

interface Item {
  readonly n: number;
}

/** A stream whose items the test adds. An error among them is thrown. */
class Source extends Polled<Item> {
  readonly items: (Item | typeof END | Error)[] = [];
  isClosed = false;
  #waker: Waker | undefined;

  override poll(waker: Waker): Item | typeof END | undefined {
    this.#waker = waker;
    const item = this.items.shift();
    if (item instanceof Error) throw item;
    return item;
  }

  override close(): void {
    this.isClosed = true;
    this.#waker?.wake();
  }

  add(...items: (Item | typeof END | Error)[]): void {
    this.items.push(...items);
    this.#waker?.wake();
  }
}

function two() {
  const [one, other] = [new Source(), new Source()];
  const stream = merged<object>([
    { stream: one, map: (item) => ({ one: (item as Item).n }) },
    { stream: other, map: (item) => ({ other: (item as Item).n }) },
  ]);
  return { one, other, stream };
}

const items = (...numbers: number[]): Item[] => numbers.map((n) => ({ n }));

describe("several streams as one", () => {
  it("take turns, so that a stream that always has an item holds up no other", () => {
    const { one, other, stream } = two();
    const waker = { wake: () => {} };
    one.add(...items(1, 2, 3));
    other.add(...items(4));
    const read = Array.from({ length: 5 }, () => stream.poll(waker));
    expect(read).toEqual([{ one: 1 }, { other: 4 }, { one: 2 }, { one: 3 }, undefined]);
  });

  it("tell their reader when any of them has an item", async () => {
    const { one, other, stream } = two();
    const reading = stream.next();
    other.add(...items(1));
    expect(await reading).toEqual({ done: false, value: { other: 1 } });
    const again = stream.next();
    one.add(...items(2));
    expect(await again).toEqual({ done: false, value: { one: 2 } });
  });

  it("end all when one ends", () => {
    const { one, other, stream } = two();
    one.add(END);
    expect(stream.poll({ wake: () => {} })).toBe(END);
    expect([one.isClosed, other.isClosed]).toEqual([true, true]);
  });

  it("end all when one fails, and fail with its error", () => {
    const { one, other, stream } = two();
    other.add(new Error("broken"));
    expect(() => stream.poll({ wake: () => {} })).toThrow("broken");
    expect([one.isClosed, other.isClosed]).toEqual([true, true]);
  });

  it("are left together", async () => {
    const { one, other, stream } = two();
    await stream.return();
    expect([one.isClosed, other.isClosed]).toEqual([true, true]);
  });
});
