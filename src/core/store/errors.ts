import { table } from "../errors/row.ts";

/** Errors of the store and the machine. A caller gets them, or the person who starts the service. */
export const STORE_ERRORS = table({
  STORE_LOCKED: {
    code: "FAILED_PRECONDITION",
    message: "the data directory {directory} is in use by another process ({owner})",
    retryable: false,
    help: "Stop that process, or give this one a data directory of its own (HELIOS_DATA_DIR).",
  },
  STORE_DAMAGED: {
    code: "FAILED_PRECONDITION",
    message: "the database {file} is damaged: {problem}",
    retryable: false,
    help: "Nothing was changed. Restore the file from a backup, or move it away to start empty.",
  },
  STORE_FORMAT_UNKNOWN: {
    code: "FAILED_PRECONDITION",
    message: "the database {file} has format {format}; this version of Helios reads formats up to {supported}",
    retryable: false,
    help: "Nothing was changed. Start the newer version of Helios that wrote the database.",
  },
  STORE_DIRECTORY_UNUSABLE: {
    code: "FAILED_PRECONDITION",
    message: "the data directory {directory} cannot be used: {problem}",
    retryable: false,
    help: "Check that it is a directory, that this process may write to it, and that its disk has free space.",
  },
  MACHINE_FAULT: {
    code: "UNAVAILABLE",
    message: "the machine could not provide what the service needs: {problem}",
    retryable: true,
    help: "Nothing was changed. The module is not at fault. Check the open files, memory, disk and permissions of the service's process.",
  },
  STORE_UNAVAILABLE: {
    code: "UNAVAILABLE",
    message: "the change could not be stored: {problem}",
    retryable: true,
    help: "Nothing was changed. Check the disk of the data directory.",
  },
  BATCH_TOO_LARGE: {
    code: "RESOURCE_EXHAUSTED",
    message: "a change of {size} is too large; the limit for one change is {limit}",
    retryable: false,
    help: "Nothing was changed. Make the change in several smaller ones.",
  },
});
