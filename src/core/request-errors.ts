import { table } from "./error-row.ts";

/** Reasons of requests that are refused for what they take while they are under way. */
export const REQUEST_ERRORS = table({
  REQUESTS_TOO_LARGE: {
    code: "RESOURCE_EXHAUSTED",
    message: "the requests under way hold more than {limit} bytes {scope}",
    retryable: true,
    help: "Send fewer large requests at once, or send the rest of those that have begun; then try again.",
  },
  REQUEST_TOO_SLOW: {
    code: "DEADLINE_EXCEEDED",
    message: "the request was not complete within {timeout}",
    retryable: true,
    help: "Send the whole request at once. Over HTTP/1.1 and HTTP/2 its body ends when the caller ends it.",
  },
});
