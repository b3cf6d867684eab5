import { table } from "./row.ts";

/** Reasons of requests that are refused by their form, their way or what they take, whatever they ask for. */
export const REQUEST_ERRORS = table({
  REQUESTS_TOO_LARGE: {
    code: "RESOURCE_EXHAUSTED",
    message: "the requests under way hold more than {limit} bytes {scope}",
    retryable: true,
    help: "Send fewer large requests at once, or send the rest of those that have begun; then try again.",
  },
  TOO_MANY_CALLS: {
    code: "RESOURCE_EXHAUSTED",
    message:
      "at most {limit} calls are under way in all, and the {own} of this connection are as many as the others leave",
    retryable: true,
    help: "End streams that nobody reads and make fewer calls at once; then try again.",
  },
  REQUEST_TOO_SLOW: {
    code: "DEADLINE_EXCEEDED",
    message: "the request was not complete within {timeout}",
    retryable: true,
    help: "Send the whole request at once. Over HTTP/1.1 and HTTP/2 its body ends when the caller ends it.",
  },
  MESSAGE_TOO_LARGE: {
    code: "RESOURCE_EXHAUSTED",
    message: "a message is too large: {problem}",
    retryable: false,
    help: "Requests and answers have at most 4 MiB each: send less, or ask for smaller pages.",
  },
  REQUEST_MALFORMED: {
    code: "INVALID_ARGUMENT",
    message: "the request cannot be read: {problem}",
    retryable: false,
    help: "Send a message of the method's request type, in the format that the content type says.",
  },
  REQUEST_UNSUPPORTED: {
    code: "UNIMPLEMENTED",
    message: "the request is not supported: {problem}",
    retryable: false,
    help: "Compress with gzip or brotli, or not at all, and send exactly one message.",
  },
  HTTP_PATH_UNKNOWN: {
    code: "NOT_FOUND",
    message: "there is nothing at {path}",
    retryable: false,
    help: "See /docs or /openapi.json for the paths of the REST API.",
  },
  HTTP_METHOD_NOT_ALLOWED: {
    code: "UNIMPLEMENTED",
    message: "{path} takes {allowed}, not {method}",
    retryable: false,
    help: "Use one of the methods named.",
  },
  HTTP_HEADER_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "header {header} {problem}",
    retryable: false,
    help: "Correct the header, or leave it out.",
  },
  HTTP_HEADERS_TOO_LARGE: {
    code: "RESOURCE_EXHAUSTED",
    message: "the headers have more than {limit} bytes",
    retryable: false,
    help: "Send fewer headers, or a shorter query.",
  },
  HTTP_MEDIA_TYPE_UNSUPPORTED: {
    code: "INVALID_ARGUMENT",
    message: "the request's {header} {value} is not supported",
    retryable: false,
    help: "Send JSON that is not compressed to the REST API; over RPC the content types are those of gRPC, gRPC-Web and Connect.",
  },
  HTTP_BODY_TOO_LARGE: {
    code: "RESOURCE_EXHAUSTED",
    message: "the body has more than {limit} bytes",
    retryable: false,
    help: "Send less at a time.",
  },
  HOST_NOT_ALLOWED: {
    code: "PERMISSION_DENIED",
    message: "a browser may not reach this service as {host}; HELIOS_ALLOWED_HOSTS names the hosts that are allowed",
    retryable: false,
    help: "Name the host in HELIOS_ALLOWED_HOSTS (--allowed-hosts) if it is meant to lead here. Loopback names and HELIOS_HOST always are allowed.",
  },
  HTTP_ORIGIN_REFUSED: {
    code: "PERMISSION_DENIED",
    message: "a page of {origin} may not use this service",
    retryable: false,
    help: "List the origin in HELIOS_ALLOWED_ORIGINS if its pages are to use this service.",
  },
});
