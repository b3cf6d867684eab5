import type { ToInstance } from "../wire/protocol.ts";

/**
 * Time that an instance spends on starting calls before it reads new messages, so that calls whose callers have left do
 * not start. @limit ms
 */
const TURN_MS = 5;

export interface InboxDeps {
  /** Machine time. */
  now(): number;
  /** Runs it once the event loop has read what there is to read. */
  later(run: () => void): void;
  handle(message: Exclude<ToInstance, { type: "cancel" }>): void;
  /** Tells what runs that its caller has left; false where no such call runs. */
  cancel(id: number, reason: string): boolean;
  /** The time of the request was over, or its caller had left, before it began. */
  drop(id: number): void;
}

/** What was sent to an instance and has not begun yet. */
export interface Inbox {
  /** Takes what was read, and the list with it. `more`: there is more to read at once, which must be seen before anything begins. */
  put(messages: ToInstance[], more: boolean): void;
}

/**
 * Has everything handled in the order in which it came, but for requests that nobody waits for any more: those are
 * dropped. A method that blocks the event loop keeps what comes after it from being read: the inbox lets the event loop
 * turn before it goes on.
 */
export function createInbox({ now, later, handle, cancel, drop }: InboxDeps): Inbox {
  let queue: ToInstance[] = [];
  let next = 0;
  let isPutOff = false;
  /** Of calls that may be in the queue. */
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
        putOff();
        return;
      }
    }
    queue = [];
    next = 0;
    cancelled.clear();
  };
  const putOff = (): void => {
    if (isPutOff) return;
    isPutOff = true;
    later(() => {
      isPutOff = false;
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
      if (more) putOff();
      else if (!isPutOff) run();
    },
  };
}
