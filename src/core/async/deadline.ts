import type { Clock } from "../../kernel/clock.ts";

/** `promise`, but a rejection with `late()` once `ms` have passed. What comes of the promise after that is dropped. */
export function within<T>(clock: Clock, ms: number, promise: Promise<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(ms, () => reject(late()));
    promise.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** `promise`, but a rejection with the signal's reason once it is aborted. */
export function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/**
 * A signal that is aborted with the first of these. Until it is released they hold it: unlike what `AbortSignal.any`
 * makes, it leaves nothing with a signal that lives for ever.
 */
export function joined(signals: readonly AbortSignal[]): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const follow = (event: Event): void => abort(event.target as AbortSignal);
  const release = (): void => {
    for (const signal of signals) signal.removeEventListener("abort", follow);
  };
  const abort = ({ reason }: AbortSignal): void => {
    release();
    controller.abort(reason);
  };
  for (const signal of signals) signal.addEventListener("abort", follow);
  const aborted = signals.find((signal) => signal.aborted);
  if (aborted !== undefined) abort(aborted);
  return { signal: controller.signal, release };
}

/** So long for people, in whole ms: what is left of a deadline has many digits. */
export function seconds(ms: number): string {
  return `${Math.ceil(ms) / 1000} s`;
}
