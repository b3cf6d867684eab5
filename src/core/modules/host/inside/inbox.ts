import type { ToInstance } from "../wire/protocol.ts";

/**
 * Time that an instance spends on starting calls before it reads new messages, so that calls whose callers have left do
 * not start. @limit ms
 */
const TURN_MS = 5;

export interface InboxDeps {
  /** Machine time in ms. */
  now(): number;
  /** Calls `run` once the event loop has read the messages that have arrived. */
  later(run: () => void): void;
  handle(message: Exclude<ToInstance, { type: "cancel" }>): void;
  /** Cancels a request in progress, because its caller has left. Returns false if no such request is in progress. */
  cancel(id: number, reason: string): boolean;
  /** Called if the request's deadline had passed, or its caller had left, before it began. */
  drop(id: number): void;
}

/** The queue of messages to an instance. */
export interface Inbox {
  /**
   * Adds messages, and takes over the array. `more`: further messages have arrived. They must be read before any request
   * begins.
   */
  put(messages: ToInstance[], more: boolean): void;
}

/**
 * Creates a queue that handles messages in order, and drops requests that nobody waits for any more. While a method blocks
 * the event loop, new messages are not read. So the inbox lets the event loop turn before it starts more requests.
 */
export function createInbox({ now, later, handle, cancel, drop }: InboxDeps): Inbox {
  let queue: ToInstance[] = [];
  let next = 0;
  let isPostponed = false;
  /** Ids of cancelled requests that may be in the queue. */
  const cancelled = new Set<number>();

  const isOver = (message: ToInstance, time: number): message is Extract<ToInstance, { readonly deadline: number }> => {
    if (!("deadline" in message)) return false;
    return time >= message.deadline || (cancelled.size > 0 && cancelled.has(message.id));
  };

  const run = (): void => {
    const start = now();
    let time = start;
    while (next < queue.length) {
      const message = queue[next++] as ToInstance;
      if (isOver(message, time)) drop(message.id);
      else if (message.type !== "cancel") handle(message);
      if (next === queue.length) break;
      time = now();
      if (time - start > TURN_MS) {
        postpone();
        return;
      }
    }
    queue = [];
    next = 0;
    cancelled.clear();
  };
  const postpone = (): void => {
    if (isPostponed) return;
    isPostponed = true;
    later(() => {
      isPostponed = false;
      run();
    });
  };

  return {
    put(messages, more) {
      if (queue.length === 0) queue = messages;
      else for (const message of messages) queue.push(message);
      for (const message of messages) {
        if (message.type === "cancel" && !cancel(message.id, message.reason)) cancelled.add(message.id);
      }
      if (more) postpone();
      else if (!isPostponed) run();
    },
  };
}
