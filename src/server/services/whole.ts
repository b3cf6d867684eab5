import { createRegistry, type DescMessage, type MessageInitShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { HeliosError, PAGE_BYTES } from "../../core/index.ts";
import { make } from "../map/message.ts";
import { leastSize, mapFitting } from "../map/size.ts";
import { toAnswer } from "../rest/answer.ts";
import { MAX_MESSAGE_BYTES } from "../transport/limits.ts";
import { IS_REST } from "../transport/peer.ts";
import { MAX_PAGE_SIZE, type Page, type Paged, type PageRequest, pageOf } from "./paging.ts";

/** Bytes up to which an answer is known to fit, whatever the protocol adds. */
const SURE_BYTES = MAX_MESSAGE_BYTES - 64 * 1024;
/** An estimate that is so many times too large may be of an answer that fits. */
const MOST_LOOSE = 16;

export type CallContext = Pick<HandlerContext, "requestHeader" | "requestMethod" | "url" | "values">;

/** A list that answers as a whole where that fits into one message, as it did before there were pages. */
export interface WholePaged<T, Message, Desc extends DescMessage> extends Paged<T, Message> {
  readonly context: CallContext;
  /** Of the answer. */
  readonly desc: Desc;
  readonly toResponse: (page: Page<Message>) => MessageInitShape<Desc>;
}

/**
 * The answer with all items, if nobody asks for a page and it fits into one message of the protocol by which it goes;
 * else with a page of them, which is cut at `PAGE_BYTES` and `MAX_PAGE_SIZE`.
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

/** What was done is told, as much of it as fits into one message; there is no second page of what was done once. */
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

/** ARGUMENT_INVALID where a page is asked for of what is done and not only tried. */
export function checkDryPages({ dryRun, pageSize, pageToken }: PageRequest & { readonly dryRun: boolean }): void {
  if (dryRun || (pageSize === 0 && pageToken === "")) return;
  const field = pageSize === 0 ? "page_token" : "page_size";
  throw HeliosError.of("ARGUMENT_INVALID", {
    field,
    problem: "only a dry run has pages; set dry_run, or leave it out",
  });
}

/** Whether an answer is small enough for the protocol by which it goes. */
function fits<Desc extends DescMessage>(desc: Desc, init: MessageInitShape<Desc>, context: CallContext): boolean {
  const message = make(desc, init);
  const isSmall = (text: string): boolean => Buffer.byteLength(text) <= MAX_MESSAGE_BYTES;
  const isRest = context.values.get(IS_REST);
  if (isJson(context) && !isRest) return isSmall(toJsonString(desc, message));
  // REST gets it as protobuf from the service, and writes it as JSON.
  if (toBinary(desc, message).length > MAX_MESSAGE_BYTES) return false;
  return !isRest || isSmall(JSON.stringify(toAnswer(desc, message, createRegistry(desc.file))));
}

function isJson({ requestHeader, requestMethod, url }: CallContext): boolean {
  if (requestMethod === "GET") return new URL(url, "http://localhost").searchParams.get("encoding") === "json";
  return /json/.test(requestHeader.get("content-type") ?? "");
}
