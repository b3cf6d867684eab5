import { HeliosError } from "../../core/index.ts";
import { mapFitting, type Sized } from "../map/size.ts";

/** Items of a page, unless `page_size` says otherwise; further ones come with the next page. @limit items */
const DEFAULT_PAGE_SIZE = 100;
/** Items of a page, however many `page_size` asks for; further ones come with the next page. @limit items */
export const MAX_PAGE_SIZE = 1000;
const PREFIX = "after:";

export interface PageRequest {
  readonly pageSize: number;
  readonly pageToken: string;
}

export interface Page<T> {
  readonly items: T[];
  readonly nextPageToken: string;
}

/** How the items of a list become those of a page. */
export interface Paged<T, Message> extends Sized<T, Message> {
  /** By which the items ascend. */
  readonly keyOf: (item: T) => string;
}

/** How many items a page of that request holds: 0 means 100, and 1,000 is the most. */
export function pageLimit(pageSize: number): number {
  return pageSize === 0 ? DEFAULT_PAGE_SIZE : Math.min(pageSize, MAX_PAGE_SIZE);
}

/**
 * A page of items that are in ascending order of their keys, cut at `PAGE_BYTES` too: it may hold fewer than were asked
 * for, but one at least. The token holds the last key told, so that an insert or a delete between two pages neither
 * repeats nor leaves out anything else. What it costs grows with the page, not with the list.
 */
export function pageOf<T, Message>(items: readonly T[], request: PageRequest, paged: Paged<T, Message>): Page<Message> {
  const after = readPageToken(request.pageToken);
  const start = after === undefined ? 0 : firstAfter(items, after, paged.keyOf);
  const page = mapFitting(items.slice(start, start + pageLimit(request.pageSize)), paged);
  const last = items[start + page.length - 1];
  const more = last !== undefined && start + page.length < items.length;
  return { items: page, nextPageToken: more ? writePageToken(paged.keyOf(last)) : "" };
}

/** The items that a page can be made of, and one more, which says whether another page follows. */
export function pageWindow<T>(items: readonly T[], request: PageRequest, keyOf: (item: T) => string): readonly T[] {
  const after = readPageToken(request.pageToken);
  const start = after === undefined ? 0 : firstAfter(items, after, keyOf);
  const most = request.pageSize === 0 ? MAX_PAGE_SIZE : pageLimit(request.pageSize);
  return items.slice(start, start + most + 1);
}

/** Where the items begin whose keys are above `after`. */
function firstAfter<T>(items: readonly T[], after: string, keyOf: (item: T) => string): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keyOf(items[middle] as T) > after) high = middle;
    else low = middle + 1;
  }
  return low;
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
