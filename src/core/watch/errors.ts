import { table } from "../errors/row.ts";

/** Errors of watches, and of calls that wait for a revision. */
export const WATCH_ERRORS = table({
  RESUME_TOKEN_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "resume_token {resume_token} was not issued by this service",
    retryable: false,
    help: "Send the token of the last received frame, or no token to start with a snapshot.",
  },
  REVISION_COMPACTED: {
    code: "OUT_OF_RANGE",
    message: "the changes since {resume_token} are no longer stored",
    extra: ["oldest_revision"],
    retryable: false,
    help: "Watch without a token. The stream then starts with a snapshot.",
  },
  WATCHER_TOO_SLOW: {
    code: "RESOURCE_EXHAUSTED",
    message: "the watcher is too slow: {waiting} events are unread",
    retryable: true,
    help: "Watch again with the last token, and read faster.",
  },
  REVISION_UNKNOWN: {
    code: "OUT_OF_RANGE",
    message: "the store has not reached revision {revision}; store {incarnation} is at revision {head_revision}",
    retryable: false,
    help: "Use the revision from the answer to the change, and call the same store.",
  },
  TOO_MANY_WAITS: {
    code: "RESOURCE_EXHAUSTED",
    message: "{limit} calls are already waiting for a revision",
    retryable: true,
    help: "Retry after some of these calls have ended.",
  },
});
