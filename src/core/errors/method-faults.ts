import type { ErrorCase } from "./row.ts";

/**
 * Metadata keys that describe an error which a module threw: its name, its `code`, its own members as JSON, its cause as
 * JSON, and the first lines of its stack.
 */
export const THROWN_KEYS = ["error_name", "error_code", "error_fields", "error_cause", "stack"] as const;

export const METHOD_FAILED_KEYS = [...THROWN_KEYS, "caller_fault"] as const;

/** Errors by which JavaScript itself reports a wrong argument. */
const OF_ARGUMENTS: ReadonlySet<string | undefined> = new Set(["TypeError", "RangeError", "SyntaxError"]);

/** Failures of methods that are the caller's fault, according to what the module threw. */
export const METHOD_FAULTS: readonly ErrorCase[] = [
  {
    code: "INVALID_ARGUMENT",
    when:
      "the module throws an error with `callerFault: true` that is a TypeError, a RangeError or a SyntaxError, or whose " +
      "`code` is `INVALID_ARGUMENT`",
    so: ({ caller_fault, error_name, error_code }) =>
      caller_fault === "true" && (OF_ARGUMENTS.has(error_name) || error_code === "INVALID_ARGUMENT"),
  },
  {
    code: "FAILED_PRECONDITION",
    when: "it throws any other error with `callerFault: true`",
    so: ({ caller_fault }) => caller_fault === "true",
  },
];
