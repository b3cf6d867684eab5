import { type HttpRequest, header } from "./http.ts";

/**
 * The other origins whose pages may call the API from a browser: `https://ops.example.com`, `https://*.example.com` for all
 * subdomains, or `*` for all.
 */
export type AllowedOrigins = readonly string[];

/**
 * Whether a browser sends this request for a page of another origin that is not allowed. Requests of other programs are
 * never foreign. A link that a user follows is not foreign either, because the page with the link does not see the answer.
 * (OWASP, Cross-Site Request Forgery Prevention: Fetch Metadata, or Origin if it is missing.)
 */
export function isForeign(request: HttpRequest, allowed: AllowedOrigins): boolean {
  const origin = header(request, "origin");
  if (origin !== "" && isAllowed(origin, allowed)) return false;
  const site = header(request, "sec-fetch-site");
  if (site === "") return origin !== "" && !isOwn(origin, request);
  return site !== "same-origin" && site !== "none" && !isFollowedLink(request);
}

function isFollowedLink(request: HttpRequest): boolean {
  const isRead = request.method === "GET" || request.method === "HEAD";
  return isRead && header(request, "sec-fetch-mode") === "navigate" && header(request, "sec-fetch-dest") === "document";
}

/**
 * A proxy that sets its own Host may send the original one in X-Forwarded-Host. A page of another site cannot set that
 * header without a preflight.
 */
function isOwn(origin: string, request: HttpRequest): boolean {
  const [forwarded = ""] = header(request, "x-forwarded-host").split(",");
  const hosts = [header(request, "host") || header(request, ":authority"), forwarded.trim()];
  if (!URL.canParse(origin)) return false;
  // The origin of a sandboxed page or a file is `null`, which is not a URL.
  const { protocol, host } = new URL(origin);
  return hosts.some((one) => {
    const own = `${protocol}//${one}`;
    return one !== "" && URL.canParse(own) && new URL(own).host === host;
  });
}

/** Returns the headers that let a page of an allowed origin read the answer. */
export function corsHeaders(request: HttpRequest, allowed: AllowedOrigins): Readonly<Record<string, string>> {
  if (allowed.length === 0) return {};
  const origin = header(request, "origin");
  // The answer depends on the origin.
  if (origin === "" || !isAllowed(origin, allowed)) return { vary: "Origin" };
  return {
    vary: "Origin",
    "access-control-allow-origin": origin,
    "access-control-expose-headers": EXPOSED,
  };
}

/** Answers a browser's preflight, which comes before any request that a form could not send. */
export function preflightHeaders(request: HttpRequest, allowed: AllowedOrigins): Readonly<Record<string, string>> {
  const headers = corsHeaders(request, allowed);
  if (headers["access-control-allow-origin"] === undefined) return headers;
  return {
    ...headers,
    "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
    "access-control-allow-headers": header(request, "access-control-request-headers"),
    "access-control-max-age": "7200",
  };
}

/** Headers of gRPC-Web and Connect that describe the result of a call. */
const EXPOSED = "grpc-status, grpc-message, grpc-status-details-bin, connect-content-encoding, retry-after, etag";

function isAllowed(origin: string, allowed: AllowedOrigins): boolean {
  return allowed.some((one) => one === "*" || one === origin || isBelow(origin, one));
}

function isBelow(origin: string, one: string): boolean {
  const [scheme = "", end] = one.split("*");
  if (end === undefined || !origin.startsWith(scheme) || !origin.endsWith(end)) return false;
  // Only a host name: a user, port or path could make the suffix belong to another host.
  return /^[a-z0-9_.-]+$/i.test(origin.slice(scheme.length, origin.length - end.length));
}
