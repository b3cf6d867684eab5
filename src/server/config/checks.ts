import { isIP } from "node:net";
import { hostName } from "../rest/host.ts";
import { MOST_BYTES, readAge, readBytes } from "./quantities.ts";

// Each check returns what is wrong with the value of a setting, and undefined if nothing is.

export function age(value: string): string | undefined {
  return readAge(value) === undefined ? "must be from 1m to 36500d, in s, m, h or d" : undefined;
}

export function notEmpty(value: string): string | undefined {
  return value === "" ? "must not be empty" : undefined;
}

export function listOf(value: string): readonly string[] {
  return value === "none" ? [] : value.split(",").map((one) => one.trim());
}

export function host(value: string): string | undefined {
  const name = unbracketed(value);
  if (isIP(name) !== 0 || (name === value && HOST_NAME.test(value) && !NUMERIC_END.test(value))) return undefined;
  return "must be an address or host name of this machine, such as 127.0.0.1, ::1, 0.0.0.0 or localhost, without scheme and port";
}

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/i;
/** A host with such an end must be an IPv4 address, or it is invalid (WHATWG URL, "ends in a number"). */
const NUMERIC_END = /(^|\.)\d+\.?$/;

/** Removes the brackets of an IPv6 address in a URL: `::1` for `[::1]`. */
export function unbracketed(value: string): string {
  const [, inside = ""] = /^\[(.*)\]$/.exec(value) ?? [];
  return isIP(inside) === 6 ? inside : value;
}

export function origins(value: string): string | undefined {
  const wrong = listOf(value).find((origin) => origin !== "*" && !isOrigin(origin.replace("://*.", "://")));
  return wrong === undefined
    ? undefined
    : "must be none, *, or origins with commas between them, such as https://ops.example.com or https://*.example.com";
}

function isOrigin(text: string): boolean {
  return /^https?:\/\/[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

export function hosts(value: string): string | undefined {
  const wrong = listOf(value).find((one) => one !== "*" && hostName(one.replace(/^\*\./, "")) !== bare(one));
  return wrong === undefined
    ? undefined
    : "must be none, *, or host names with commas between them, without scheme and port, such as ops.example.com, *.lan or 10.0.0.1";
}

const bare = (host: string): string => host.toLowerCase().replace(/^\*\./, "");

export function port(value: string): string | undefined {
  return /^\d{1,5}$/.test(value) && Number(value) <= 65_535 ? undefined : "must be a whole number from 0 to 65535";
}

/** Parses a number of bytes, with or without a unit. */
export function logBytes(value: string): number | undefined {
  return whole(value, 1024, MOST_BYTES) === undefined ? Number(value) : readBytes(value);
}

export function whole(value: string, least: number, most: number): string | undefined {
  const isWhole = /^\d{1,13}$/.test(value) && Number(value) >= least && Number(value) <= most;
  return isWhole ? undefined : `must be a whole number from ${least} to ${most}`;
}
