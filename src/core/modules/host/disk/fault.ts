import { HeliosError, messageOf } from "../../../errors/error.ts";

/** Error codes that mean a fault of the machine, not of a file's content. */
const CODES: ReadonlySet<unknown> = new Set([
  // Limits on open files, memory and processes.
  "EMFILE",
  "ENFILE",
  "ENOMEM",
  "ENOBUFS",
  "EAGAIN",
  "ERR_WORKER_INIT_FAILED",
  // Errors of the disk.
  "EIO",
  "ENOSPC",
  "EDQUOT",
  "EROFS",
  "ESTALE",
  "ETIMEDOUT",
  "EBUSY",
  "ENXIO",
  "ENODEV",
  // Permissions of the service.
  "EACCES",
  "EPERM",
]);

/** Messages of Node's loader for the same faults. These errors have no such code. */
const UNREADABLE =
  /^Cannot read package config .*: (too many open files|file table overflow|not enough memory|i\/o error|permission denied)/;

/** An error that is the machine's fault and not a module's. The message is for readers. */
export class MachineFault extends Error {}

/** Whether an error is the machine's fault, so that the same work may succeed later. */
export function isFault(error: unknown): boolean {
  if (error instanceof MachineFault || CODES.has((error as { readonly code?: unknown } | null)?.code)) return true;
  return error instanceof Error && UNREADABLE.test(error.message);
}

/** Creates a MachineFault. `what` describes the failed operation, such as `read src/a.ts`. */
export function machineFault(what: string, error: unknown): MachineFault {
  return new MachineFault(`${what}: ${messageOf(error)}`, { cause: error });
}

/** Converts a fault to the error that callers get. */
export function toHeliosError(fault: MachineFault): HeliosError {
  return HeliosError.of("MACHINE_FAULT", { problem: fault.message }, { cause: fault });
}
