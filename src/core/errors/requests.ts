import { table } from "./row.ts";

/** Errors of requests that are refused for their format, transport or size, whatever method they call. */
export const REQUEST_ERRORS = table({
  REQUESTS_TOO_LARGE: {
    code: "RESOURCE_EXHAUSTED",
    message: "the requests in progress hold more than {limit} bytes {scope}",
    retryable: true,
    help: "Send fewer large requests at once, or finish sending those that have begun. Then retry.",
  },
  TOO_MANY_CALLS: {
    code: "RESOURCE_EXHAUSTED",
    message:
      "this connection has {own} calls in progress, which is its share of the {limit} calls that all connections together may have",
    retryable: true,
    help: "End streams that nobody reads, and make fewer calls at once. Then retry.",
  },
  REQUEST_TOO_SLOW: {
    code: "DEADLINE_EXCEEDED",
    message: "the request was not complete within {timeout}",
    retryable: true,
    help: "Send the whole request at once. A request is complete only when the caller has ended its body.",
  },
  MESSAGE_TOO_LARGE: {
    code: "RESOURCE_EXHAUSTED",
    message: "a message is too large: {problem}",
    retryable: false,
    help: "A request or answer has at most 4 MiB. Send less, or ask for smaller pages.",
  },
  REQUEST_MALFORMED: {
    code: "INVALID_ARGUMENT",
    message: "the request cannot be read: {problem}",
    retryable: false,
    help: "Send a message of the method's request type, in the format of the content type.",
  },
  REQUEST_UNSUPPORTED: {
    code: "UNIMPLEMENTED",
    message: "the request is not supported: {problem}",
    retryable: false,
    help: "Compress with gzip or brotli, or not at all, and send exactly one message.",
  },
  HTTP_PATH_UNKNOWN: {
    code: "NOT_FOUND",
    message: "no resource exists at the path {path}",
    retryable: false,
    help: "See /docs or /openapi.json for the paths of the REST API.",
  },
  HTTP_METHOD_NOT_ALLOWED: {
    code: "UNIMPLEMENTED",
    message: "the path {path} allows {allowed}, not {method}",
    retryable: false,
    help: "Use one of these methods.",
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
    help: "Send uncompressed JSON to the REST API. Over RPC, use the content types of gRPC, gRPC-Web or Connect.",
  },
  HTTP_BODY_TOO_LARGE: {
    code: "RESOURCE_EXHAUSTED",
    message: "the body has more than {limit} bytes",
    retryable: false,
    help: "Send less data at a time.",
  },
  HOST_NOT_ALLOWED: {
    code: "PERMISSION_DENIED",
    message:
      "a browser may not use this service under the host name {host}; HELIOS_ALLOWED_HOSTS lists the allowed host names",
    retryable: false,
    help: "If the host name is meant for this service, add it to HELIOS_ALLOWED_HOSTS (--allowed-hosts). Loopback names and HELIOS_HOST are always allowed.",
  },
  HTTP_ORIGIN_REFUSED: {
    code: "PERMISSION_DENIED",
    message: "web pages from {origin} may not use this service",
    retryable: false,
    help: "If its pages should use this service, list the origin in HELIOS_ALLOWED_ORIGINS.",
  },
});
