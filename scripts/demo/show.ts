import { performance } from "node:perf_hooks";
import { errorInfo } from "../../clients/typescript/src/index.ts";

/** Prints what happens, and remembers whether all of it was as it should be. */
export interface Show {
  say(text: string): void;
  /** Prints a mark and the fact; a false one makes the demo fail. */
  check(holds: boolean, fact: string): void;
  /** Runs a step under its title, with its time. */
  step<T>(title: string, run: () => Promise<T>): Promise<T>;
  fail(error: unknown): void;
  /** Prints the result; the exit code. */
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
      say(failures === 0 ? "\nEvery step did what it should." : `\n${failures} thing(s) did not do what they should.`);
      return failures === 0 ? 0 : 1;
    },
  };
}

/** A duration message in milliseconds. */
export function ms(duration: { readonly seconds: bigint; readonly nanos: number } | undefined): string {
  if (duration === undefined) return "-";
  return `${(Number(duration.seconds) * 1000 + duration.nanos / 1e6).toFixed(1)} ms`;
}
