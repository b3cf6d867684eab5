import { HeliosError } from "../../core/index.ts";

const DEFAULT_PAGE_SIZE = 100;
const MAX_PAGE_SIZE = 1000;
const PREFIX = "after:";

export interface PageRequest {
  readonly pageSize: number;
  readonly pageToken: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextPageToken: string;
}

/** How many items a page of that request holds: 0 means 100, and 1,000 is the most. */
export function pageLimit(pageSize: number): number {
  return pageSize === 0 ? DEFAULT_PAGE_SIZE : Math.min(pageSize, MAX_PAGE_SIZE);
}

/**
 * A page of items that are in ascending order of their keys. The token holds the last key told, so that an insert or a
 * delete between two pages neither repeats nor leaves out anything else.
 */
export function pageOf<T>(items: readonly T[], request: PageRequest, keyOf: (item: T) => string): Page<T> {
  const after = readPageToken(request.pageToken);
  const limit = pageLimit(request.pageSize);
  const start = after === undefined ? 0 : items.findIndex((item) => keyOf(item) > after);
  const page = start < 0 ? [] : items.slice(start, start + limit);
  const last = page.at(-1);
  const more = last !== undefined && start + limit < items.length;
  return { items: page, nextPageToken: more ? writePageToken(keyOf(last)) : "" };
}

export function writePageToken(key: string): string {
  return Buffer.from(PREFIX + key).toString("base64url");
}

/** The key that a token holds; undefined for the first page. PAGE_TOKEN_INVALID. */
export function readPageToken(pageToken: string): string | undefined {
  if (pageToken === "") return undefined;
  const text = Buffer.from(pageToken, "base64url").toString();
  if (!text.startsWith(PREFIX)) throw HeliosError.of("PAGE_TOKEN_INVALID", { page_token: pageToken });
  return text.slice(PREFIX.length);
}
