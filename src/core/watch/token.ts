import { HeliosError } from "../errors/error.ts";

/** Where a watcher stands: which store, up to which of its revisions it has been told, and of what. */
export interface Position {
  readonly incarnation: string;
  readonly revision: number;
  /** As `scopeOf` gives it: who was told of some things knows nothing of others. */
  readonly scope: string;
}

/** Writes a position as an opaque, URL-safe text. */
export function encodeToken({ incarnation, revision, scope }: Position): string {
  const text = btoa(`1:${incarnation}:${revision}:${scope}`);
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Reads what `encodeToken` wrote; anything else is RESUME_TOKEN_INVALID. */
export function decodeToken(token: string): Position {
  let text = "";
  try {
    text = atob(token.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    // Falls through to the error below with what could not be read.
  }
  // Tokens once had no scope; no watch has the empty one, so that they lead to a snapshot.
  const match = /^1:([^:]+):(\d{1,15})(?::([0-9a-z]+))?$/.exec(text);
  if (!match?.[1] || !match[2]) {
    throw HeliosError.of("RESUME_TOKEN_INVALID", { resume_token: token.slice(0, 200) });
  }
  return { incarnation: match[1], revision: Number(match[2]), scope: match[3] ?? "" };
}

/** A short text that differs where what is watched does: the kind, and the names whatever their order. */
export function scopeOf(prefix: string, names: readonly string[]): string {
  let hash = 0x811c9dc5;
  const text = [prefix, ...[...names].sort()].join("\n");
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0).toString(36);
}
