import { turn } from "../../support/turns.ts";

export interface Traffic {
  /** The failures so far. */
  readonly failed: readonly unknown[];
  /** Resolves when that many further calls have been answered. */
  more(count: number): Promise<void>;
  /** Ends the traffic, and returns the answers and the failures. */
  stop(): Promise<{ readonly answers: readonly unknown[]; readonly failed: readonly unknown[] }>;
}

/** Calls a method from several callers. Each pauses before its next call, to leave the processors to the called module. */
export function startTraffic(call: () => Promise<unknown>, callers: number, pauseMs = 10): Traffic {
  const answers: unknown[] = [];
  const failed: unknown[] = [];
  const waiting: { at: number; resolve: () => void }[] = [];
  let stopped = false;
  const caller = async (): Promise<void> => {
    while (!stopped) {
      try {
        answers.push(await call());
      } catch (error) {
        failed.push(error);
        await turn();
      }
      for (const { at, resolve } of waiting) if (answers.length + failed.length >= at) resolve();
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const running = Array.from({ length: callers }, caller);
  return {
    failed,
    more: (count) =>
      new Promise((resolve) => {
        waiting.push({ at: answers.length + failed.length + count, resolve });
      }),
    async stop() {
      stopped = true;
      await Promise.all(running);
      return { answers, failed };
    },
  };
}
