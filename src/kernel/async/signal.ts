// Declares the globals that every platform of a client provides. The kernel is checked without the types of any platform.

/** The part of an AbortSignal that whoever waits for it needs. It takes much less than an AbortSignal to make one. */
export interface MinimalSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: "abort", listener: () => void, options: { readonly once: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** The platform's AbortSignal if its types are known, else the part that the kernel needs. */
export type Signal = typeof globalThis extends { AbortSignal: { prototype: infer S } } ? S : MinimalSignal;

export interface Controller {
  readonly signal: Signal;
  abort(reason?: unknown): void;
}

declare const AbortController: new () => Controller;

export function createController(): Controller {
  return new AbortController();
}

/**
 * Calls `run` when the signal is aborted, or now if it already is. Never calls it without a signal. The returned function
 * removes the listener. It must be called if the signal outlives the wait; otherwise listeners pile up on the signal.
 */
export function onAbort(signal: MinimalSignal | undefined, run: () => void): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    run();
    return () => {};
  }
  signal.addEventListener("abort", run, { once: true });
  return () => signal.removeEventListener("abort", run);
}

/** A signal that follows others until it is released, and can be aborted by itself. */
export interface Joined {
  readonly signal: Signal;
  abort(reason?: unknown): void;
  /** Stops following the other signals, and removes all listeners from them. */
  release(): void;
}

/**
 * Returns a signal that is aborted with the first of these signals, for the same reason. Unlike `AbortSignal.any`, it leaves
 * no listener on a signal that lives for ever, once it was released.
 */
export function joined(signals: readonly (MinimalSignal | undefined)[]): Joined {
  const controller = createController();
  const stops: (() => void)[] = [];
  const release = (): void => {
    for (const stop of stops.splice(0)) stop();
  };
  const abort = (reason?: unknown): void => {
    release();
    controller.abort(reason);
  };
  for (const signal of signals) {
    if (controller.signal.aborted) break;
    stops.push(onAbort(signal, () => abort(signal?.reason)));
  }
  return { signal: controller.signal, abort, release };
}
