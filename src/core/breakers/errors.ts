import { table } from "../errors/row.ts";

/** The errors of breakers. */
export const BREAKER_ERRORS = table({
  BREAKER_NOT_FOUND: {
    code: "NOT_FOUND",
    message: "breaker {name} does not exist",
    retryable: false,
    help: "Create it with GetOrCreateBreaker.",
  },
  BREAKER_STATE_INVALID: {
    code: "INTERNAL",
    message: "the stored state of breaker {name} is invalid: {problem}",
    retryable: false,
    help: "The store was written by another version of Helios, or is damaged. Start the version that wrote it, or restore a backup.",
  },
  BREAKER_OPEN: {
    code: "UNAVAILABLE",
    message: "breaker {name} is open; retry in {retry_after}",
    extra: ["override"],
    retryable: true,
    help: "Use a fallback until retry_after has passed, or look at the breaker with GetBreaker.",
  },
});
