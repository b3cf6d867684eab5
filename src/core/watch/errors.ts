import { table } from "../errors/row.ts";

/** What a watcher can get, or who waits for a revision. */
export const WATCH_ERRORS = table({
  RESUME_TOKEN_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "resume_token {resume_token} was not given by this service",
    retryable: false,
    help: "Send the token of the last frame received, or none for a snapshot.",
  },
  REVISION_COMPACTED: {
    code: "OUT_OF_RANGE",
    message: "changes since {resume_token} are not kept any more",
    extra: ["oldest_revision"],
    retryable: false,
    help: "Watch without a token, which starts with a snapshot.",
  },
  WATCHER_TOO_SLOW: {
    code: "RESOURCE_EXHAUSTED",
    message: "the watcher left {waiting} events unread",
    retryable: true,
    help: "Watch again with the last token, and read faster.",
  },
  REVISION_UNKNOWN: {
    code: "OUT_OF_RANGE",
    message: "revision {revision} is not reached; the store {incarnation} is at {head_revision}",
    retryable: false,
    help: "Take the revision from the answer of the change, and from the same store.",
  },
  TOO_MANY_WAITS: {
    code: "RESOURCE_EXHAUSTED",
    message: "{limit} calls wait for a revision already",
    retryable: true,
    help: "Retry when some of them are over.",
  },
});
