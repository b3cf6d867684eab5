import { HeliosError, PAGE_BYTES } from "../../core/index.ts";

const DEFAULT_PAGE_SIZE = 100;
/** Items that a page holds at most, however many are asked for. */
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
export interface Paged<T, Message> {
  /** By which the items ascend. */
  readonly keyOf: (item: T) => string;
  readonly toMessage: (item: T) => Message;
  /** Bytes of a message at most, by whichever protocol. */
  readonly sizeOf: (message: Message) => number;
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

/** The first of `items` as messages: as many as fit into `budget` bytes, and one at least. */
export function mapFitting<T, Message>(
  items: Iterable<T>,
  { toMessage, sizeOf }: Pick<Paged<T, Message>, "toMessage" | "sizeOf">,
  budget: number = PAGE_BYTES,
): Message[] {
  const messages: Message[] = [];
  let size = 0;
  for (const item of items) {
    const message = toMessage(item);
    size += sizeOf(message);
    if (size > budget && messages.length > 0) return messages;
    messages.push(message);
  }
  return messages;
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
