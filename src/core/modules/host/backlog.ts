import type { ToInstance } from "./protocol.ts";

/**
 * Messages to a module that it has not read yet; a further call of it fails with `MODULE_OVERLOADED`, and never runs.
 * @limit messages
 */
const MAX_UNREAD_MESSAGES = 16_384;
/**
 * Size of the messages to a module that it has not read yet; a call that would make it larger fails with
 * `MODULE_OVERLOADED`, and never runs. One at a time is always sent. @limit bytes
 */
const MAX_UNREAD_BYTES = 64 * 1024 * 1024;
/**
 * Messages to a module's thread that it has not read, such as answers to what it asked for, at which it is ended; it counts
 * as crashed. From a process nothing is read before that. @limit messages
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
  return (type === "answer" || messages < MAX_UNREAD_MESSAGES) && bytes + size <= MAX_UNREAD_BYTES;
}

/** Whether so much waits to be read by an instance that what it asks for is not looked at before. */
export function isFull({ messages, bytes }: Unread): boolean {
  return messages >= MAX_UNREAD_MESSAGES || bytes >= MAX_UNREAD_BYTES;
}

/** Whether an instance asks and never reads what it is told. */
export function isDeaf({ messages, bytes }: Unread): boolean {
  return messages >= MOST_UNREAD_MESSAGES || bytes >= MOST_UNREAD_BYTES;
}

/** How an instance that is deaf is ended. */
export const DEAF = "it did not read what it was sent";
