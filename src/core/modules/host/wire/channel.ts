import type { Awaited } from "./frames.ts";
import type { ToInstance } from "./protocol.ts";

/** What a channel tells of its other side. */
export interface ChannelEvents extends Awaited {
  /** Anything at all. */
  message(value: unknown): void;
  /** A line that the module wrote to its standard output or error. */
  line(stream: "stdout" | "stderr", line: string): void;
  /** It may hold more memory than it is allowed: its garbage, if collected, would tell. */
  memoryHigh(): void;
  /** Once, last: how it ended; for people. `isOfMachine`: it was the machine that kept it from being started. */
  ended(description: string, isOfMachine?: boolean): void;
}

/** The way to one instance, whatever it lives in. */
export interface Channel {
  /**
   * Throws what cannot be sent; does nothing once the other side has ended. False: a call, or the answer of one, was not
   * sent, since too much waits to be read by the other side.
   */
  send(message: ToInstance): boolean;
  /** Messages that the other side has not read yet. */
  readonly unread: number;
  /** Whether these are so many that nothing is done for the other side before it has read some. */
  readonly isFull: boolean;
  /** Ends the other side by force; `because`: how its ending is told, where it was not ending already. */
  kill(because?: string): void;
  /** The same, and takes nothing more of what it has sent. */
  cutOff(because: string): void;
  /** The other side says that it has started a process. */
  startedProcess?(pid: number): void;
}

/** Splits what a stream brings into lines, the last of them when it ends; very long ones are cut. */
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
