import { table } from "../errors/row.ts";

/** What a watcher can get, or who waits for a revision. */
export const WATCH_ERRORS = table({
  RESUME_TOKEN_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "resume_token {resume_token} was not issued by this service",
    retryable: false,
    help: "Send the token of the last received frame, or no token to start with a snapshot.",
  },
  REVISION_COMPACTED: {
    code: "OUT_OF_RANGE",
    message: "changes since {resume_token} are not kept any more",
    extra: ["oldest_revision"],
    retryable: false,
    help: "Watch without a token. The stream then starts with a snapshot.",
  },
  WATCHER_TOO_SLOW: {
    code: "RESOURCE_EXHAUSTED",
    message: "the watcher left {waiting} events unread",
    retryable: true,
    help: "Watch again with the last token, and read faster.",
  },
  REVISION_UNKNOWN: {
    code: "OUT_OF_RANGE",
    message: "the store has not reached revision {revision}; store {incarnation} is at {head_revision}",
    retryable: false,
    help: "Use the revision in the answer to the change, from the same store.",
  },
  TOO_MANY_WAITS: {
    code: "RESOURCE_EXHAUSTED",
    message: "{limit} calls are already waiting for a revision",
    retryable: true,
    help: "Retry when some of them have ended.",
  },
});
