import type { ToInstance } from "./protocol.ts";

/** Unread messages to a module; a further call fails with `MODULE_OVERLOADED`, and does not run. @limit messages */
const MAX_UNREAD_MESSAGES = 16_384;
/**
 * Size of the unread messages to a module; a call that would exceed it fails with `MODULE_OVERLOADED`, and does not
 * run. A module without unread messages gets a message of any size. @limit bytes
 */
const MAX_UNREAD_BYTES = 64 * 1024 * 1024;
/**
 * Size of the unread messages to a module, including answers to its own calls. A module at the limit for messages from
 * others makes no further calls: they fail with `MODULE_OVERLOADED`, and do not run. Calls that ran by then are
 * answered up to this size; beyond it, their answer is `MODULE_ANSWER_LOST`. @limit bytes
 */
const MAX_UNANSWERED_BYTES = 2 * MAX_UNREAD_BYTES;
/**
 * Unread messages to a module's thread, such as answers to its questions, at which it is ended; it counts as crashed. A
 * process is not read from while it has this many, or this much, to read itself. @limit messages
 */
const MOST_UNREAD_MESSAGES = 131_072;
/**
 * Size of the unread messages to a module, such as refusals of its questions, at which it is ended; it counts as
 * crashed. Larger than its code or state, together with everything else that may wait. @limit bytes
 */
const MOST_UNREAD_BYTES = 512 * 1024 * 1024;

/** The messages that were sent to an instance and have not been read by it. */
export interface Unread {
  readonly messages: number;
  readonly bytes: number;
}

/** Whether a message of this size may be sent. Only calls and answers are ever refused. */
export function mayBeSent({ type }: ToInstance, size: number, { messages, bytes }: Unread): boolean {
  if ((type !== "call" && type !== "answer") || messages === 0) return true;
  if (type === "answer") return bytes + size <= MAX_UNANSWERED_BYTES;
  return messages < MAX_UNREAD_MESSAGES && bytes + size <= MAX_UNREAD_BYTES;
}

/** Whether an instance has so many unread messages that the service does nothing more for it until it has read some. */
export function isFull({ messages, bytes }: Unread): boolean {
  return messages >= MAX_UNREAD_MESSAGES || bytes >= MAX_UNREAD_BYTES;
}

/** Whether an instance has so many unread messages that it must be killed. */
export function isDeaf({ messages, bytes }: Unread): boolean {
  return messages >= MOST_UNREAD_MESSAGES || bytes >= MOST_UNREAD_BYTES;
}

/** Description of the ending of such an instance. */
export const DEAF = "it did not read what it was sent";
