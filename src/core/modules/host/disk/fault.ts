import { HeliosError, messageOf } from "../../../errors/error.ts";

/** What the system says where the machine is in the way, not what a file holds. */
const CODES: ReadonlySet<unknown> = new Set([
  // Open files, of the process and of the machine; memory; processes.
  "EMFILE",
  "ENFILE",
  "ENOMEM",
  "ENOBUFS",
  "EAGAIN",
  "ERR_WORKER_INIT_FAILED",
  // The disk.
  "EIO",
  "ENOSPC",
  "EDQUOT",
  "EROFS",
  "ESTALE",
  "ETIMEDOUT",
  "EBUSY",
  "ENXIO",
  "ENODEV",
  // The service's own rights.
  "EACCES",
  "EPERM",
]);

/** What Node's own loader says then: it tells no such code. */
const UNREADABLE =
  /^Cannot read package config .*: (too many open files|file table overflow|not enough memory|i\/o error|permission denied)/;

/** What keeps the service from its work, and is no fault of a module; for people. */
export class MachineFault extends Error {}

/** Whether that is why it was thrown: the same can go well later. */
export function isFault(error: unknown): boolean {
  if (error instanceof MachineFault || CODES.has((error as { readonly code?: unknown } | null)?.code)) return true;
  return error instanceof Error && UNREADABLE.test(error.message);
}

/** `what` is what was to be done: `read src/a.ts`. */
export function machineFault(what: string, error: unknown): MachineFault {
  return new MachineFault(`${what}: ${messageOf(error)}`, { cause: error });
}

/** As callers are told. */
export function toHeliosError(fault: MachineFault): HeliosError {
  return HeliosError.of("MACHINE_FAULT", { problem: fault.message }, { cause: fault });
}
