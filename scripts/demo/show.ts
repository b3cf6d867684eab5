import { performance } from "node:perf_hooks";
import { errorInfo } from "../../clients/typescript/src/index.ts";

/** Prints the progress, and remembers whether all checks succeeded. */
export interface Show {
  say(text: string): void;
  /** Prints whether the fact holds. The demo fails if it does not. */
  check(holds: boolean, fact: string): void;
  /** Prints the title of a step, runs the step, and prints its duration. */
  step<T>(title: string, run: () => Promise<T>): Promise<T>;
  fail(error: unknown): void;
  /** Prints the result and returns the exit code. */
  summary(): number;
}

export function createShow(): Show {
  let failures = 0;
  const say = (text: string): void => {
    process.stdout.write(`${text}\n`);
  };
  const check = (holds: boolean, fact: string): void => {
    if (!holds) failures += 1;
    say(`  ${holds ? "ok" : "NOT OK"}: ${fact}`);
  };
  return {
    say,
    check,
    async step(title, run) {
      say(`\n${title}`);
      const start = performance.now();
      const result = await run();
      say(`  (${Math.round(performance.now() - start)} ms)`);
      return result;
    },
    fail(error) {
      failures += 1;
      const info = errorInfo(error);
      say(
        `  NOT OK: ${error instanceof Error ? error.message : String(error)}${info ? ` ${JSON.stringify(info)}` : ""}`,
      );
    },
    summary() {
      say(failures === 0 ? "\nEvery check succeeded." : `\n${failures} of the checks failed.`);
      return failures === 0 ? 0 : 1;
    },
  };
}

/** A duration message in milliseconds. */
export function ms(duration: { readonly seconds: bigint; readonly nanos: number } | undefined): string {
  if (duration === undefined) return "-";
  return `${(Number(duration.seconds) * 1000 + duration.nanos / 1e6).toFixed(1)} ms`;
}
