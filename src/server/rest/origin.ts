import { type HttpRequest, header } from "./http.ts";

/**
 * Which pages of other origins may call the API from a browser: `https://ops.example.com`; `https://*.example.com`: those
 * below; `*`: all of them.
 */
export type AllowedOrigins = readonly string[];

/**
 * Whether a browser sends this request for a page of another origin that is not allowed to. Requests that no browser
 * made say neither. A link that a user follows is not such a request: the page that has it does not see the answer.
 * (OWASP, Cross-Site Request Forgery Prevention: Fetch Metadata, with Origin where that is missing.)
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
 * A proxy that sends a Host of its own may say in X-Forwarded-Host which one it was asked for. A page of another site
 * cannot set that header without asking first.
 */
function isOwn(origin: string, request: HttpRequest): boolean {
  const [forwarded = ""] = header(request, "x-forwarded-host").split(",");
  const hosts = [header(request, "host") || header(request, ":authority"), forwarded.trim()];
  if (!URL.canParse(origin)) return false;
  // `null`, of a page in a sandbox or a file, is no URL.
  const { protocol, host } = new URL(origin);
  return hosts.some((one) => {
    const own = `${protocol}//${one}`;
    return one !== "" && URL.canParse(own) && new URL(own).host === host;
  });
}

/** The headers that let a page of an allowed origin read the answer; none for other requests. */
export function corsHeaders(request: HttpRequest, allowed: AllowedOrigins): Readonly<Record<string, string>> {
  if (allowed.length === 0) return {};
  const origin = header(request, "origin");
  // What is answered depends on who asks.
  if (origin === "" || !isAllowed(origin, allowed)) return { vary: "Origin" };
  return {
    vary: "Origin",
    "access-control-allow-origin": origin,
    "access-control-expose-headers": EXPOSED,
  };
}

/** What a browser asks before a request that is more than a form could send. */
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

/** Of gRPC-Web and Connect, which tell how a call went in headers. */
const EXPOSED = "grpc-status, grpc-message, grpc-status-details-bin, connect-content-encoding, retry-after, etag";

function isAllowed(origin: string, allowed: AllowedOrigins): boolean {
  return allowed.some((one) => one === "*" || one === origin || isBelow(origin, one));
}

function isBelow(origin: string, one: string): boolean {
  const [scheme = "", end] = one.split("*");
  if (end === undefined || !origin.startsWith(scheme) || !origin.endsWith(end)) return false;
  // Nothing but names: no user, port or path that would let the end be of something else.
  return /^[a-z0-9_.-]+$/i.test(origin.slice(scheme.length, origin.length - end.length));
}
