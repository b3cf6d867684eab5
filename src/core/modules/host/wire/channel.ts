import type { Awaited } from "./frames.ts";
import type { ToInstance } from "./protocol.ts";

/** The events of a channel. */
export interface ChannelEvents extends Awaited {
  /** The instance sent a message, which may be any value. */
  message(value: unknown): void;
  /** Called with each line that the module writes to its standard output or error. */
  line(stream: "stdout" | "stderr", line: string): void;
  /** The instance may use too much memory. Only a garbage collection can show whether it does. */
  memoryHigh(): void;
  /**
   * The last event, which comes once: the instance has ended. `description` is for readers. `isOfMachine`: the machine
   * could not start it.
   */
  ended(description: string, isOfMachine?: boolean): void;
}

/** The connection to an instance in a process or a thread. */
export interface Channel {
  /**
   * Sends a message. Returns false if a call or an answer was not sent because the instance has too many unread messages.
   * Throws if the message cannot be sent. Does nothing once the instance has ended.
   */
  send(message: ToInstance): boolean;
  /** Number of messages that the instance has not read. */
  readonly unread: number;
  /** Whether these are so many that the service does nothing more for the instance until it has read some. */
  readonly isFull: boolean;
  /** Kills the instance. `because` describes its ending, unless it was ending already. */
  kill(because?: string): void;
  /** Kills the instance, and ignores the messages that it has sent. */
  cutOff(because: string): void;
  /** The instance says that it has started a process. */
  startedProcess?(pid: number): void;
}

/**
 * Calls `line` with each line of a stream that is not empty, including the last one without a line break. Long lines are
 * cut.
 */
export function readLines(stream: NodeJS.ReadableStream | null | undefined, line: (text: string) => void): void {
  let rest = "";
  stream?.setEncoding("utf8");
  stream?.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = (lines.pop() ?? "").slice(0, MAX_LINE);
    for (const each of lines) if (each !== "") line(each.slice(0, MAX_LINE));
  });
  stream?.on("end", () => {
    if (rest !== "") line(rest);
  });
  stream?.on("error", () => {});
}

/** Length of a line of a module's standard output or error; the rest of the line is cut. @limit characters */
const MAX_LINE = 8192;
