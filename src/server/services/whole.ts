import { createRegistry, type DescMessage, type MessageInitShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { invalid, PAGE_BYTES } from "../../core/index.ts";
import { make } from "../map/message.ts";
import { leastSize, mapFitting } from "../map/size.ts";
import { toAnswer } from "../rest/answer.ts";
import { MAX_MESSAGE_BYTES } from "../transport/limits.ts";
import { IS_REST } from "../transport/peer.ts";
import { MAX_PAGE_SIZE, type Page, type Paged, type PageRequest, pageOf } from "./paging.ts";

/** An answer of up to so many bytes fits into a message, whatever the protocol adds. */
const SURE_BYTES = MAX_MESSAGE_BYTES - 64 * 1024;
/** The estimate of a size may be so many times too large. */
const MOST_LOOSE = 16;

export type CallContext = Pick<HandlerContext, "requestHeader" | "requestMethod" | "url" | "values">;

/** A list that is answered as a whole if it fits into one message, as it was before there were pages. */
export interface WholePaged<T, Message, Desc extends DescMessage> extends Paged<T, Message> {
  readonly context: CallContext;
  /** Descriptor of the answer. */
  readonly desc: Desc;
  readonly toResponse: (page: Page<Message>) => MessageInitShape<Desc>;
}

/**
 * Returns the answer with all items if no page is requested and it fits into one message of the caller's protocol.
 * Otherwise returns a page, limited by `PAGE_BYTES` and `MAX_PAGE_SIZE`.
 */
export function wholeOrPage<T, Message, Desc extends DescMessage>(
  items: readonly T[],
  request: PageRequest,
  paged: WholePaged<T, Message, Desc>,
): MessageInitShape<Desc> {
  const { toMessage, sizeOf, toResponse, context, desc } = paged;
  if (request.pageSize === 0 && request.pageToken === "") {
    const messages: Message[] = [];
    let [size, least] = [0, 0];
    for (const item of items) {
      const message = toMessage(item);
      messages.push(message);
      size += sizeOf(message);
      least += leastSize(message);
      if (size > SURE_BYTES * MOST_LOOSE || least > MAX_MESSAGE_BYTES) break;
    }
    const whole = toResponse({ items: messages, nextPageToken: "" });
    if (size <= SURE_BYTES || (messages.length === items.length && fits(desc, whole, context))) return whole;
  }
  const pageSize = request.pageSize === 0 ? MAX_PAGE_SIZE : request.pageSize;
  return toResponse(pageOf(items, { ...request, pageSize }, paged));
}

/** Returns the results of an operation, as many as fit into one message. An operation has no second page. */
export function wholeOrFirst<T, Message, Desc extends DescMessage>(
  items: readonly T[],
  paged: Omit<WholePaged<T, Message, Desc>, "keyOf">,
): MessageInitShape<Desc> {
  const { toMessage, sizeOf, toResponse, context, desc } = paged;
  const sure = mapFitting(items, { toMessage, sizeOf }, SURE_BYTES);
  if (sure.length === items.length) {
    const whole = toResponse({ items: sure, nextPageToken: "" });
    if (fits(desc, whole, context)) return whole;
  }
  return toResponse({ items: mapFitting(items, { toMessage, sizeOf }, PAGE_BYTES), nextPageToken: "" });
}

/** Throws ARGUMENT_INVALID if a page is requested for a real change rather than a dry run. */
export function checkDryPages({ dryRun, pageSize, pageToken }: PageRequest & { readonly dryRun: boolean }): void {
  if (dryRun || (pageSize === 0 && pageToken === "")) return;
  const field = pageSize === 0 ? "page_token" : "page_size";
  throw invalid(field, "pages are only supported for a dry run; set dry_run, or do not ask for a page");
}

/** Whether an answer is small enough for the caller's protocol. */
function fits<Desc extends DescMessage>(desc: Desc, init: MessageInitShape<Desc>, context: CallContext): boolean {
  const message = make(desc, init);
  const isSmall = (text: string): boolean => Buffer.byteLength(text) <= MAX_MESSAGE_BYTES;
  const isRest = context.values.get(IS_REST);
  if (isJson(context) && !isRest) return isSmall(toJsonString(desc, message));
  // The service sends protobuf to REST, which converts it to JSON.
  if (toBinary(desc, message).length > MAX_MESSAGE_BYTES) return false;
  return !isRest || isSmall(JSON.stringify(toAnswer(desc, message, createRegistry(desc.file))));
}

function isJson({ requestHeader, requestMethod, url }: CallContext): boolean {
  if (requestMethod === "GET") return new URL(url, "http://localhost").searchParams.get("encoding") === "json";
  return /json/.test(requestHeader.get("content-type") ?? "");
}
