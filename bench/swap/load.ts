import { type HeliosClient, invoke } from "../../clients/typescript/src/index.ts";

/** What callers saw during one period. */
export interface Stretch {
  readonly latenciesMs: readonly number[];
  readonly failed: readonly string[];
  /** Answers that belong to another call. */
  readonly mixedUp: number;
}

/** Callers that call a module without end, each again as soon as it has its answer. */
export interface Load {
  /** Ends the current period and returns it. */
  cut(): Stretch;
  /** Every count in the module's answers. */
  readonly counts: readonly number[];
  /** Calls that were answered. */
  readonly answered: number;
  stop(): Promise<Stretch>;
}

export function startLoad(client: HeliosClient, module: string, callers: number): Load {
  const counts: number[] = [];
  let answered = 0;
  let lastId = 0;
  let stopped = false;
  let stretch = { latenciesMs: [] as number[], failed: [] as string[], mixedUp: 0 };

  const caller = async (): Promise<void> => {
    while (!stopped) {
      lastId += 1;
      const id = lastId;
      const start = performance.now();
      try {
        const { output } = await invoke(client, module, "call", { id });
        const answer = output as { readonly id: number; readonly count?: number };
        if (answer.id !== id) stretch.mixedUp += 1;
        if (answer.count !== undefined) counts.push(answer.count);
        answered += 1;
      } catch (error) {
        stretch.failed.push(String(error));
      }
      stretch.latenciesMs.push(performance.now() - start);
    }
  };
  const running = Array.from({ length: callers }, caller);
  const cut = (): Stretch => {
    const ended = stretch;
    stretch = { latenciesMs: [], failed: [], mixedUp: 0 };
    return ended;
  };
  return {
    cut,
    counts,
    get answered() {
      return answered;
    },
    async stop() {
      stopped = true;
      await Promise.all(running);
      return cut();
    },
  };
}
