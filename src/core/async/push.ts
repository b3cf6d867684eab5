import { Waiters } from "./waiters.ts";

/**
 * What `work` pushes, in order, to be read at the reader's own pace: what is not read yet is kept. Ends when `work` has
 * and all is read; if `work` rejects, the reader gets the error then. A reader that stops does not stop `work`.
 *
 * `work` begins with the first reading.
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
  // The reader gets the error below, unless it has stopped before.
  working.catch(() => {});
  while (!isOver || items.length > 0) {
    if (items.length === 0) await news.wait();
    else yield items.shift() as T;
  }
  await working;
}
