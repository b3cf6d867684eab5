import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export type { Acknowledged, Filled } from "./writer.ts";

const WRITER = fileURLToPath(new URL("writer.ts", import.meta.url));

export interface Writer {
  readonly process: ChildProcess;
  /** The values that it has printed in complete lines. */
  readonly said: readonly unknown[];
  /** Resolves when it has printed that many values, or has ended. */
  saidAtLeast(count: number): Promise<void>;
  /** Resolves when it has ended and all its output has been read. */
  readonly ended: Promise<void>;
}

/** Starts `writer.ts`. The system lets none of its files grow beyond `limitKb`. */
export function startWriter(directory: string, mode: "hold" | "loop" | "fill", limitKb?: number): Writer {
  const command = [process.execPath, WRITER, directory, mode];
  const limited = ["-c", `trap '' XFSZ; ulimit -f ${limitKb}; exec "$@"`, "bash", ...command];
  const [file = "", ...rest] = limitKb === undefined ? command : ["bash", ...limited];
  const child = spawn(file, rest, { stdio: ["ignore", "pipe", "inherit"] });
  const said: unknown[] = [];
  const waiting = new Set<() => void>();
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    const value = parse(line);
    if (value !== undefined) said.push(value);
    for (const look of [...waiting]) look();
  });
  const ended = Promise.all([once(child, "exit"), once(lines, "close")]).then(() => {
    for (const look of [...waiting]) look();
  });
  let over = false;
  void ended.then(() => {
    over = true;
  });
  return {
    process: child,
    said,
    ended,
    saidAtLeast: (count) =>
      Promise.race([
        ended,
        new Promise<void>((resolve) => {
          const look = (): void => {
            if (said.length < count && !over) return;
            waiting.delete(look);
            resolve();
          };
          waiting.add(look);
          look();
        }),
      ]),
  };
}

/** Undefined for a line that was cut off by the end of the process: its value is not acknowledged. */
function parse(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}
