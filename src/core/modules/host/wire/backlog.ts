import type { ToInstance } from "./protocol.ts";

/**
 * Messages to a module that it has not read yet; a further call of it fails with `MODULE_OVERLOADED`, and never runs.
 * @limit messages
 */
const MAX_UNREAD_MESSAGES = 16_384;
/**
 * Size of the messages to a module that it has not read yet; a call that would make it larger fails with
 * `MODULE_OVERLOADED`, and never runs. A module that has read everything is sent one of any size. @limit bytes
 */
const MAX_UNREAD_BYTES = 64 * 1024 * 1024;
/**
 * Size of the messages to a module that it has not read yet, answers of its own calls among them. A module that has as much as
 * others may send it makes no further calls: they fail with `MODULE_OVERLOADED`, and never run. What ran by then is answered up
 * to this size; the answer of what ran beyond it is `MODULE_ANSWER_LOST`. @limit bytes
 */
const MAX_UNANSWERED_BYTES = 2 * MAX_UNREAD_BYTES;
/**
 * Messages to a module's thread that it has not read, such as answers to what it asked for, at which it is ended; it counts
 * as crashed. What a process asks for is not read while it has this many, or this much, to read itself. @limit messages
 */
const MOST_UNREAD_MESSAGES = 131_072;
/**
 * Size of the messages to a module that it has not read, such as refusals of what it asked for, at which it is ended; it
 * counts as crashed. More than its code or a state, and what else may wait. @limit bytes
 */
const MOST_UNREAD_BYTES = 512 * 1024 * 1024;

/** What was sent to an instance and was not read by it. */
export interface Unread {
  readonly messages: number;
  readonly bytes: number;
}

/** Whether a message of so many bytes may be sent: a call, or the answer of one, not where too much waits. */
export function mayBeSent({ type }: ToInstance, size: number, { messages, bytes }: Unread): boolean {
  if ((type !== "call" && type !== "answer") || messages === 0) return true;
  if (type === "answer") return bytes + size <= MAX_UNANSWERED_BYTES;
  return messages < MAX_UNREAD_MESSAGES && bytes + size <= MAX_UNREAD_BYTES;
}

/** Whether so much waits to be read by an instance that what it asks for is not done, or not looked at, before. */
export function isFull({ messages, bytes }: Unread): boolean {
  return messages >= MAX_UNREAD_MESSAGES || bytes >= MAX_UNREAD_BYTES;
}

/** Whether an instance asks and never reads what it is told. */
export function isDeaf({ messages, bytes }: Unread): boolean {
  return messages >= MOST_UNREAD_MESSAGES || bytes >= MOST_UNREAD_BYTES;
}

/** How an instance that is deaf is ended. */
export const DEAF = "it did not read what it was sent";
