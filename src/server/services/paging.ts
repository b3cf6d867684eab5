import { HeliosError, PAGE_BYTES } from "../../core/index.ts";
import { mapFitting, type Sized } from "../map/size.ts";

/** Items of a page, unless `page_size` says otherwise; further ones come with the next page. @limit items */
const DEFAULT_PAGE_SIZE = 100;
/** Items of a page, however many `page_size` asks for; further ones come with the next page. @limit items */
export const MAX_PAGE_SIZE = 1000;
/** The most items that are read from the store at once. Each may have megabytes. */
const READ_STEP = 8;
const PREFIX = "after:";

export interface PageRequest {
  readonly pageSize: number;
  readonly pageToken: string;
}

export interface Page<T> {
  readonly items: T[];
  readonly nextPageToken: string;
}

/** How the items of a list are converted for a page. */
export interface Paged<T, Message> extends Sized<T, Message> {
  /** Returns the key of an item. The token of the next page holds the key of the last item. */
  readonly keyOf: (item: T) => string;
}

/** How the items of a list in memory are converted for a page. */
interface ListPaged<T, Message> extends Paged<T, Message> {
  /** Returns the index of the first item after the one with this key. Default: the keys ascend; the first key above it. */
  readonly startAfter?: (items: readonly T[], key: string) => number;
}

/** Returns the number of items on a page: 100 for 0, and at most 1,000. */
function pageLimit(pageSize: number): number {
  return pageSize === 0 ? DEFAULT_PAGE_SIZE : Math.min(pageSize, MAX_PAGE_SIZE);
}

/**
 * Returns a page of items. It also ends at `PAGE_BYTES`, so that it may contain fewer items than were asked for, but at least
 * one. The token holds the key of its last item. So an insert or a delete between two pages neither repeats nor omits other
 * items. The cost grows with the page, not with the list, unless `startAfter` searches the list.
 */
export function pageOf<T, Message>(
  items: readonly T[],
  request: PageRequest,
  paged: ListPaged<T, Message>,
): Page<Message> {
  const { keyOf, startAfter = (_, key) => firstAfter(items, key, keyOf) } = paged;
  const after = readPageToken(request.pageToken);
  const start = after === undefined ? 0 : startAfter(items, after);
  const page = mapFitting(items.slice(start, start + pageLimit(request.pageSize)), paged);
  const last = items[start + page.length - 1];
  const more = last !== undefined && start + page.length < items.length;
  return { items: page, nextPageToken: more ? writePageToken(keyOf(last)) : "" };
}

/** Like `pageOf`, for items in the store: `read` returns the first `count` items after the one with the key `after`. */
export async function readPage<T, Message>(
  read: (count: number, after: string | undefined) => Promise<readonly T[]>,
  request: PageRequest,
  { keyOf, toMessage, sizeOf }: Paged<T, Message>,
): Promise<Page<Message>> {
  const limit = pageLimit(request.pageSize);
  const items: Message[] = [];
  let after = readPageToken(request.pageToken);
  let left = PAGE_BYTES;
  for (let step = 1; ; step = Math.min(2 * step, READ_STEP)) {
    // Reads few items at first, and more if they are small. One item more than fits shows whether there is a next page.
    const wanted = Math.min(limit - items.length, step);
    const found = await read(wanted + 1, after);
    for (const item of found.slice(0, wanted)) {
      const message = toMessage(item);
      left -= sizeOf(message);
      if (left < 0 && after !== undefined && items.length > 0) return { items, nextPageToken: writePageToken(after) };
      items.push(message);
      after = keyOf(item);
    }
    if (found.length <= wanted || after === undefined) return { items, nextPageToken: "" };
    if (items.length >= limit) return { items, nextPageToken: writePageToken(after) };
  }
}

/** Returns the items that can be on a page, and one more, which shows whether another page follows. */
export function pageWindow<T>(items: readonly T[], request: PageRequest, keyOf: (item: T) => string): readonly T[] {
  const after = readPageToken(request.pageToken);
  const start = after === undefined ? 0 : firstAfter(items, after, keyOf);
  const most = request.pageSize === 0 ? MAX_PAGE_SIZE : pageLimit(request.pageSize);
  return items.slice(start, start + most + 1);
}

/** Returns the index of the first item whose key is above `after`. The keys ascend. */
export function firstAfter<T>(items: readonly T[], after: string, keyOf: (item: T) => string): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keyOf(items[middle] as T) > after) high = middle;
    else low = middle + 1;
  }
  return low;
}

function writePageToken(key: string): string {
  return Buffer.from(PREFIX + key).toString("base64url");
}

/** Returns the key in a token, or undefined for the first page. Throws PAGE_TOKEN_INVALID. */
function readPageToken(pageToken: string): string | undefined {
  if (pageToken === "") return undefined;
  const text = Buffer.from(pageToken, "base64url").toString();
  if (!text.startsWith(PREFIX)) throw HeliosError.of("PAGE_TOKEN_INVALID", { page_token: pageToken });
  return text.slice(PREFIX.length);
}
