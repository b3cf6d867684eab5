// What every platform has that a client runs on: the kernel is checked without any platform's types.

/** The part of an AbortSignal that a call needs. */
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
  abort(reason: unknown): void;
}

declare const AbortController: new () => Controller;
declare const DOMException: new (message: string, name: string) => Error;

export function createController(): Controller {
  return new AbortController();
}

/** The error that the platform's own timeouts give as their reason. */
export function timeoutError(message: string): Error {
  return new DOMException(message, "TimeoutError");
}

const NEVER_ABORTED = createController().signal;

/**
 * A signal that is never aborted, for `fn`. A signal costs more than all the rest of a call, so that a function without
 * parameters, which cannot look at it, shares one with all others.
 */
export function idleSignalFor({ length }: { readonly length: number }): Signal {
  return length === 0 ? NEVER_ABORTED : createController().signal;
}
