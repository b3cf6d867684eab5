import { socketOf } from "../transport/peer.ts";
import type { HttpRequest } from "./http.ts";

/** The host names by which a browser may reach the service. */
export interface Hosts {
  /** The address that is listened on, as it was given. */
  readonly bound: string;
  /** Names and addresses without a port. `*.example.com` allows all subdomains, `*` allows all names. */
  readonly allowed: readonly string[];
}

/**
 * Returns the name in a request's Host, `:authority` or absolute target, if a browser may not reach the service by it.
 * Undefined if it may, or if the request is not from a browser. With DNS rebinding, a page's own name leads to this
 * address. The browser considers that the same origin and lets the page read answers. Only the name reveals it.
 */
export function foreignHost(request: HttpRequest, { bound, allowed }: Hosts): string | undefined {
  if (allowed.includes("*") || !isOfBrowser(request)) return undefined;
  const given = givenHosts(request);
  if (given.length === 0) return "(none)";
  const local = socketOf(request)?.localAddress ?? "";
  const own = new Set([bound, local].map((address) => hostName(bracketed(address.replace(/^::ffff:(?=\d+\.)/, "")))));
  return given.find((text) => {
    const name = hostName(text);
    return name === undefined || !(isLoopback(name) || own.has(name) || isListed(name, allowed));
  });
}

/** Returns every host that a request names, in its headers and its target. */
export function givenHosts({ rawHeaders, url = "" }: HttpRequest): readonly string[] {
  const inHeaders = rawHeaders.filter((_, index) => index % 2 === 1 && NAMES_HOST.test(rawHeaders[index - 1] ?? ""));
  const { authority } = splitTarget(url);
  return authority === undefined ? inHeaders : [...inHeaders, authority];
}

const NAMES_HOST = /^(host|:authority)$/i;

/** Splits an absolute target (RFC 9112, 3.2.2). Other targets have no authority. */
export function splitTarget(url: string): { readonly authority: string | undefined; readonly path: string } {
  const [, authority, path = ""] = /^https?:\/\/([^/?#]*)(.*)$/is.exec(url) ?? [];
  if (authority === undefined) return { authority, path: url };
  return { authority, path: path.startsWith("/") ? path : `/${path}` };
}

/**
 * Browsers send Origin, or Sec-Fetch-* to trustworthy hosts. A plain HTTP GET to a name of the page's own has neither, but
 * it has Accept-Language, which a page cannot remove.
 */
function isOfBrowser({ headers }: HttpRequest): boolean {
  if (headers.origin !== undefined || headers["accept-language"] !== undefined) return true;
  if (headers["user-agent"]?.startsWith("Mozilla/")) return true;
  return Object.keys(headers).some((name) => name.startsWith("sec-fetch-"));
}

const FORM = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{0,5})?$/i;

/** Returns a host without its port, as browsers write it. Undefined if the text is not a host. */
export function hostName(text: string): string | undefined {
  const [, name = ""] = FORM.exec(text) ?? [];
  return URL.canParse(`http://${name}`) ? new URL(`http://${name}`).hostname.replace(/\.$/, "") : undefined;
}

function bracketed(address: string): string {
  return address.includes(":") && !address.startsWith("[") ? `[${address}]` : address;
}

function isLoopback(name: string): boolean {
  return /^(.+\.)?localhost$|^127\.\d+\.\d+\.\d+$|^\[::1\]$|^\[::ffff:7f[0-9a-f]{2}:[0-9a-f]+\]$/.test(name);
}

function isListed(name: string, allowed: readonly string[]): boolean {
  return allowed.some((one) => (one.startsWith("*.") ? name.endsWith(one.slice(1)) : one === name));
}
