/** The head of a request that can be served directly. One object may serve many requests with the same head. */
export interface RequestHead {
  /** All fields, names and values in turn, without pseudo-header fields. Values are Latin-1. */
  readonly fields: readonly string[];
  readonly path: string;
  /** Empty if the client names no host. */
  readonly authority: string;
  readonly scheme: string;
  readonly contentType: string;
  /** Undefined if the client does not announce it. */
  readonly contentLength: number | undefined;
}

/**
 * Returns the head of a plain POST request. Undefined if anything about it is unusual: a violation of HTTP/2, the trace of a
 * browser, a name that occurs twice where only one value has a meaning, or a demand of HTTP that is not served directly.
 * Such a request is left to node:http2, which knows all rules and answers by them.
 */
export function readHead(fields: readonly string[]): RequestHead | undefined {
  let [method, path, scheme, authority, contentType] = ["", "", "", "", ""];
  let contentLength: number | undefined;
  let at = 0;
  // RFC 9113, 8.3: pseudo-header fields come first.
  for (; at < fields.length && fields[at]?.charCodeAt(0) === COLON; at += 2) {
    const value = fields[at + 1] ?? "";
    if (value === "") return undefined;
    switch (fields[at]) {
      case ":method":
        if (method !== "") return undefined;
        method = value;
        break;
      case ":path":
        if (path !== "") return undefined;
        path = value;
        break;
      case ":scheme":
        if (scheme !== "") return undefined;
        scheme = value;
        break;
      case ":authority":
        if (authority !== "") return undefined;
        authority = value;
        break;
      default:
        return undefined;
    }
  }
  if (method !== "POST" || path.charCodeAt(0) !== SLASH) return undefined;
  if ((scheme !== "http" && scheme !== "https") || !AUTHORITY.test(authority)) return undefined;
  const rest = fields.slice(at);
  for (at = 0; at < rest.length; at += 2) {
    const name = rest[at] ?? "";
    const value = rest[at + 1] ?? "";
    if (!NAME.test(name) || !VALUE.test(value)) return undefined;
    if (UNUSUAL.has(name) || name.startsWith("sec-fetch-")) return undefined;
    switch (name) {
      case "content-type":
        if (contentType !== "") return undefined;
        contentType = value;
        break;
      case "content-length":
        if (contentLength !== undefined || !LENGTH.test(value)) return undefined;
        contentLength = Number(value);
        break;
      case "te":
        if (value !== "trailers") return undefined;
        break;
      case "user-agent":
        if (value.startsWith("Mozilla/")) return undefined;
        break;
      default:
        break;
    }
  }
  return { fields: rest, path, authority, scheme, contentType, contentLength };
}

/** Whether the fields may stand after a body: no pseudo-header fields (RFC 9113, 8.1), and nothing that is not a field. */
export function areTrailers(fields: readonly string[]): boolean {
  return fields.every((text, at) => (at % 2 === 0 ? NAME : VALUE).test(text));
}

/** Returns the only value of a field, "" if it is absent, or undefined if it occurs several times. */
export function onlyValue(fields: readonly string[], name: string): string | undefined {
  let found: string | undefined;
  for (let at = 0; at < fields.length; at += 2) {
    if (fields[at] !== name) continue;
    if (found !== undefined) return undefined;
    found = fields[at + 1];
  }
  return found ?? "";
}

const [COLON, SLASH] = [":".charCodeAt(0), "/".charCodeAt(0)];
/** A name or an address, and a port. The authority may be absent. */
const AUTHORITY = /^(?:(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?)?$/;
const LENGTH = /^\d{1,10}$/;
/** Tokens in lower case (RFC 9110, 5.6.2, and RFC 9113, 8.2). */
const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
/** RFC 9110, 5.5: without control characters, and without spaces around it. */
const VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

/** Fields that belong to connections (RFC 9113, 8.2.2), to browsers, or to parts of HTTP that are not served directly. */
const UNUSUAL: ReadonlySet<string> = new Set([
  ...["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings", "host"],
  ...["origin", "accept-language", "access-control-request-method", "expect"],
]);
