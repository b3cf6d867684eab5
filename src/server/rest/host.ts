import { socketOf } from "../transport/peer.ts";
import type { HttpRequest } from "./http.ts";

/** By which names a browser may reach the service. */
export interface Hosts {
  /** The address that is listened on, as it was given. */
  readonly bound: string;
  /** Names and addresses without port; `*.example.com`: those below; `*`: all. */
  readonly allowed: readonly string[];
}

/**
 * The name in a request's Host, `:authority` or absolute target by which a browser may not reach the service; undefined:
 * it may, or no browser sent it. A page whose own name leads to this address (DNS rebinding) is of the same origin for its
 * browser, which then lets it read: only the name gives it away.
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

/** Every host that a request names, in its headers and its target. */
export function givenHosts({ rawHeaders, url = "" }: HttpRequest): readonly string[] {
  const inHeaders = rawHeaders.filter((_, index) => index % 2 === 1 && NAMES_HOST.test(rawHeaders[index - 1] ?? ""));
  const { authority } = splitTarget(url);
  return authority === undefined ? inHeaders : [...inHeaders, authority];
}

const NAMES_HOST = /^(host|:authority)$/i;

/** An absolute target (RFC 9112, 3.2.2) by its parts; other targets have no authority. */
export function splitTarget(url: string): { readonly authority: string | undefined; readonly path: string } {
  const [, authority, path = ""] = /^https?:\/\/([^/?#]*)(.*)$/is.exec(url) ?? [];
  if (authority === undefined) return { authority, path: url };
  return { authority, path: path.startsWith("/") ? path : `/${path}` };
}

/**
 * Browsers send Origin, or Sec-Fetch-* to what they trust; a plain GET to a name of the page's own over HTTP has neither,
 * but it has a language, which no page can take away.
 */
function isOfBrowser({ headers }: HttpRequest): boolean {
  if (headers.origin !== undefined || headers["accept-language"] !== undefined) return true;
  if (headers["user-agent"]?.startsWith("Mozilla/")) return true;
  return Object.keys(headers).some((name) => name.startsWith("sec-fetch-"));
}

const FORM = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{0,5})?$/i;

/** A host, with its port or without, as browsers write it, without the port; undefined: the text is not a host. */
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
