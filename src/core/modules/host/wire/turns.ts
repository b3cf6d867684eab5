import type { Readable } from "node:stream";
import { systemClock } from "../../../../kernel/clock.ts";

/** Time that the service spends on the messages of one module before it serves others. @limit ms */
const TURN_MS = 5;
/** How often the service checks whether a module whose messages it does not read has begun to read its own. */
const LOOK_MS = 10;

/**
 * Reads a stream in turns, so that a busy stream does not block the event loop. While `isFull`, it reads nothing: a module
 * that does not read its messages is not read from, either.
 */
export function takeInTurns(stream: Readable, take: (chunk: Buffer) => void, isFull = (): boolean => false): void {
  let start: number | undefined;
  const endTurn = (): void => {
    start = undefined;
    if (!stream.isPaused() || stream.destroyed) return;
    if (isFull()) systemClock.setTimer(LOOK_MS, endTurn);
    else stream.resume();
  };
  stream.on("data", (chunk: Buffer) => {
    if (start === undefined) {
      start = performance.now();
      setImmediate(endTurn);
    }
    take(chunk);
    if (performance.now() - start > TURN_MS || isFull()) stream.pause();
  });
}

/** A queue whose items are handled in turns. */
export interface Turns<T> {
  put(item: T): void;
  /** Handles all items in the queue at once. */
  drain(): void;
}

/**
 * Creates a queue for items whose arrival cannot be paused. Items that do not fit into a turn wait. If `most` items wait,
 * the queue is emptied and `overflow` is called.
 */
export function inTurns<T>(take: (item: T) => void, most: number, overflow: () => void): Turns<T> {
  let waiting: T[] = [];
  let next = 0;
  let start: number | undefined;
  const isOver = (): boolean => start !== undefined && performance.now() - start > TURN_MS;
  const begin = (): void => {
    if (start !== undefined) return;
    start = performance.now();
    setImmediate(endTurn);
  };
  const endTurn = (): void => {
    start = undefined;
    if (next === waiting.length) return;
    begin();
    while (next < waiting.length && !isOver()) take(waiting[next++] as T);
    if (next < waiting.length) return;
    waiting = [];
    next = 0;
  };
  return {
    put(item) {
      begin();
      if (next === waiting.length && !isOver()) take(item);
      else if (waiting.push(item) - next >= most) {
        waiting = [];
        next = 0;
        overflow();
      }
    },
    drain() {
      while (next < waiting.length) take(waiting[next++] as T);
    },
  };
}
