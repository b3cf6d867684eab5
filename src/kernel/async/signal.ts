// What all platforms of clients have. The kernel is checked without the types of any platform.

/** The part of an AbortSignal that the kernel needs. */
interface MinimalSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: "abort", listener: () => void, options: { readonly once: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** The platform's AbortSignal, where its types are known. */
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
 * Calls `run` once the signal is aborted: now if it is, never where there is no signal. What is returned takes the listener
 * off: a signal may live for ever, and so would what listens to it.
 */
export function onAbort(signal: Signal | undefined, run: () => void): () => void {
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
  /** From now on the others do nothing to it, and keep nothing of it. */
  release(): void;
}

/**
 * A signal that is aborted with the first of these, for its reason. Unlike what `AbortSignal.any` makes, it leaves nothing
 * with a signal that lives for ever.
 */
export function joined(signals: readonly (Signal | undefined)[]): Joined {
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
