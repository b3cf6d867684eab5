import { createController, type Signal } from "../async/signal.ts";

declare const DOMException: new (message: string, name: string) => Error;

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
