import { Waiters } from "./waiters.ts";

/**
 * Yields the items that `work` pushes, in their order. Items wait in a queue until the reader asks for them. The stream
 * ends when `work` has ended and all items are read. If `work` rejects, the reader gets the error after the last item. A
 * reader that stops early does not stop `work`.
 *
 * `work` starts when the first item is asked for.
 */
export async function* pushed<T>(work: (push: (item: T) => void) => Promise<void>): AsyncGenerator<T, void, undefined> {
  const items: T[] = [];
  const news = new Waiters();
  let isOver = false;
  const working = work((item) => {
    items.push(item);
    news.wake();
  }).finally(() => {
    isOver = true;
    news.wake();
  });
  // A rejection is thrown to the reader below. If the reader has stopped, nobody else handles it.
  working.catch(() => {});
  while (!isOver || items.length > 0) {
    if (items.length === 0) await news.wait();
    else yield items.shift() as T;
  }
  await working;
}
