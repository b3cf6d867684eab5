import { HeliosError } from "../errors/error.ts";

/** The position of a watcher: the store, the revision up to which everything was delivered, and the scope of the watch. */
export interface Position {
  readonly incarnation: string;
  readonly revision: number;
  /** The result of `scopeOf`. A watcher of one scope does not know the state of another. */
  readonly scope: string;
}

/** Encodes a position as an opaque, URL-safe text. */
export function encodeToken({ incarnation, revision, scope }: Position): string {
  const text = btoa(`1:${incarnation}:${revision}:${scope}`);
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Decodes the result of `encodeToken`. Throws RESUME_TOKEN_INVALID for any other text. */
export function decodeToken(token: string): Position {
  let text = "";
  try {
    text = atob(token.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    // The text cannot be decoded. The error below is thrown for it.
  }
  // Old tokens have no scope. They get the empty scope, which no watch has, so they lead to a snapshot.
  const match = /^1:([^:]+):(\d{1,15})(?::([0-9a-z]+))?$/.exec(text);
  if (!match?.[1] || !match[2]) {
    throw HeliosError.of("RESUME_TOKEN_INVALID", { resume_token: token.slice(0, 200) });
  }
  return { incarnation: match[1], revision: Number(match[2]), scope: match[3] ?? "" };
}

/** Returns a short hash of what is watched: the kind of resource, and the set of names. */
export function scopeOf(prefix: string, names: readonly string[]): string {
  let hash = 0x811c9dc5;
  const text = [prefix, ...[...names].sort()].join("\n");
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0).toString(36);
}
