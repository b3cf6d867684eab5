import type { Readable } from "node:stream";
import { systemClock } from "../../../../kernel/clock.ts";

/** Time that the service spends on the messages of one module before it serves others. @limit ms */
const TURN_MS = 5;
/** How often it is looked whether a module that is not read any further reads again itself. */
const LOOK_MS = 10;

/**
 * Takes what a stream brings, so that one that never runs dry does not keep the event loop from everything else. While
 * `isFull`, it takes nothing: whoever does not read what it is told is not read any further.
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

/** What is taken in turns and was not made to wait by whoever brings it. */
export interface Turns<T> {
  put(item: T): void;
  /** Takes all that waits at once. */
  drain(): void;
}

/** The same of items that cannot be kept from coming: those beyond a turn wait, and at `most` of them `overflow` is told. */
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
