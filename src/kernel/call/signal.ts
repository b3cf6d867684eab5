import { createController, type Signal } from "../async/signal.ts";

declare const DOMException: new (message: string, name: string) => Error;

/** Creates the error that the platform's own timeout signals have as their reason. */
export function timeoutError(message: string): Error {
  return new DOMException(message, "TimeoutError");
}

const NEVER_ABORTED = createController().signal;

/**
 * A signal that is never aborted. Creating a signal costs more than the rest of a call. All functions without parameters get
 * this one, because they cannot use it.
 */
export function idleSignalFor({ length }: { readonly length: number }): Signal {
  return length === 0 ? NEVER_ABORTED : createController().signal;
}
