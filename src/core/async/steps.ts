/** Work that can be paused at every `yield`, so that other work gets its turn. */
export type Steps<T> = Generator<undefined, T, undefined>;

/** Runs all steps without a pause, and returns the result. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
