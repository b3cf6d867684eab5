import { HeliosError } from "../errors.ts";

/** Where a watcher stands: which store, and up to which of its revisions it has been told. */
export interface Position {
  readonly incarnation: string;
  readonly revision: number;
}

/** Writes a position as an opaque, URL-safe text. */
export function encodeToken({ incarnation, revision }: Position): string {
  return btoa(`1:${incarnation}:${revision}`).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Reads what `encodeToken` wrote; anything else is RESUME_TOKEN_INVALID. */
export function decodeToken(token: string): Position {
  let text = "";
  try {
    text = atob(token.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    // Falls through to the error below with what could not be read.
  }
  const match = /^1:([^:]+):(\d{1,15})$/.exec(text);
  if (!match?.[1] || !match[2]) {
    throw HeliosError.of("RESUME_TOKEN_INVALID", { resume_token: token.slice(0, 200) });
  }
  return { incarnation: match[1], revision: Number(match[2]) };
}
