import { describe, expect, it } from "vitest";
import { END, polled } from "../../../src/core/async/polled.ts";
import { turn } from "../../support/turns.ts";

interface Item {
  readonly n: number;
}

/** A producer that gives what the test tells it to, and notes what its reader does. */
function producer() {
  const asked: PromiseWithResolvers<IteratorResult<Item, undefined>>[] = [];
  let isLeft = false;
  const items: AsyncIterable<Item> = {
    [Symbol.asyncIterator]: () => ({
      next() {
        const one = Promise.withResolvers<IteratorResult<Item, undefined>>();
        asked.push(one);
        return one.promise;
      },
      return() {
        isLeft = true;
        return Promise.reject(new Error("nobody hears this"));
      },
    }),
  };
  return { items, asked, isLeft: () => isLeft };
}

function waker() {
  let told = 0;
  const wake = (): void => {
    told += 1;
  };
  return { wake, told: () => told };
}

describe("a polled stream", () => {
  it("asks its producer once for each item that its reader asks for, and tells the reader when it is there", async () => {
    const { items, asked } = producer();
    const { wake, told } = waker();
    const stream = polled(items);
    expect(asked).toHaveLength(0);
    expect([stream.poll({ wake }), stream.poll({ wake })]).toEqual([undefined, undefined]);
    expect(asked).toHaveLength(1);
    asked[0]?.resolve({ done: false, value: { n: 1 } });
    await turn();
    expect([told(), asked.length]).toEqual([1, 1]);
    expect(stream.poll({ wake })).toEqual({ n: 1 });
    expect(asked).toHaveLength(1);
    expect(stream.poll({ wake })).toBeUndefined();
    expect(asked).toHaveLength(2);
  });

  it("tells the last waker that it was given", async () => {
    const { items, asked } = producer();
    const [first, second] = [waker(), waker()];
    const stream = polled(items);
    for (const one of [first, second]) stream.poll(one);
    asked[0]?.resolve({ done: true, value: undefined });
    await turn();
    expect([first.told(), second.told()]).toEqual([0, 1]);
    expect([stream.poll(first), stream.poll(first)]).toEqual([END, END]);
  });

  it("throws its producer's error once, and has ended then", async () => {
    const { items, asked } = producer();
    const { wake, told } = waker();
    const stream = polled(items);
    stream.poll({ wake });
    asked[0]?.reject(new Error("broken"));
    await turn();
    expect(told()).toBe(1);
    expect(() => stream.poll({ wake })).toThrow("broken");
    expect([stream.poll({ wake }), asked.length]).toEqual([END, 1]);
  });

  it("that its reader leaves tells the producer and whoever waits, and gives nothing more", async () => {
    const { items, asked, isLeft } = producer();
    const stream = polled(items);
    const waiting = stream.next();
    await stream.return();
    expect(isLeft()).toBe(true);
    await expect(waiting).resolves.toEqual({ done: true, value: undefined });
    asked[0]?.resolve({ done: false, value: { n: 1 } });
    await expect(stream.next()).resolves.toEqual({ done: true, value: undefined });
  });

  it("is an async iterator, and stays the same stream if it is polled again", async () => {
    async function* numbers(): AsyncGenerator<Item> {
      for (const n of [1, 2, 3]) yield { n };
    }
    const stream = polled(numbers());
    expect(polled(stream)).toBe(stream);
    const read: Item[] = [];
    for await (const item of stream) read.push(item);
    expect(read).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  });
});
