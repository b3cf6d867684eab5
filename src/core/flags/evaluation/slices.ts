import type { Clock } from "../../../kernel/clock.ts";
import type { Steps } from "../../async/steps.ts";

/** Time that work on many flags may take before other requests are served. @limit ms */
export const SLICE_MS = 5;

/** Flags that are processed before other requests are served. @limit flags */
export const SLICE_ITEMS = 1000;

export interface Slicing {
  readonly clock: Clock;
  /** Lets other work run. */
  readonly pause: () => Promise<void>;
  /** Aborting it ends the work and discards its results. */
  readonly signal?: AbortSignal | undefined;
}

/** Lets everything run that waits for the event loop. */
export const pauseForOthers = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/** Maps many items in slices, between which other work runs. Rejects with the signal's reason once that is aborted. */
export function inSlices<T, R>(items: readonly T[], work: (item: T) => R, slicing: Slicing): Promise<R[]> {
  return stepsInSlices(oneByOne(items, work), slicing);
}

function* oneByOne<T, R>(items: readonly T[], work: (item: T) => R): Steps<R[]> {
  const done: R[] = [];
  for (const item of items) {
    if (done.length > 0) yield;
    done.push(work(item));
  }
  return done;
}

/** The same for work that yields wherever it can be interrupted. */
export async function stepsInSlices<T>(steps: Steps<T>, { clock, pause, signal }: Slicing): Promise<T> {
  let until = clock.monotonic() + SLICE_MS;
  for (let count = 1; ; count += 1) {
    signal?.throwIfAborted();
    const { done, value } = steps.next();
    if (done) return value;
    if (clock.monotonic() < until && count % SLICE_ITEMS !== 0) continue;
    await pause();
    until = clock.monotonic() + SLICE_MS;
  }
}
