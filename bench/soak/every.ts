/** Maximum number of pieces of work of one kind in progress. More means that the service does not keep up. */
const MOST_UNDER_WAY = 200;

/** Repeats work at a fixed rate, without waiting for the previous piece, until `stop`. */
export interface Repeated {
  /** Starts no more work. Resolves when all work in progress has ended. */
  stop(): Promise<void>;
  /** Number of pieces of work that were started. */
  readonly begun: number;
}

/**
 * `work` gets the number of pieces that were started before, and must handle its own errors. `behind` is called for
 * each piece that is skipped because too many are in progress.
 */
export function every(ms: number, work: (count: number) => Promise<void>, behind: () => void): Repeated {
  const running = new Set<Promise<void>>();
  const start = performance.now();
  let begun = 0;
  const timer = setInterval(
    () => {
      // A late timer starts all overdue pieces, so that the load stays as configured.
      while (performance.now() - start >= begun * ms) {
        begun += 1;
        if (running.size >= MOST_UNDER_WAY) {
          behind();
          continue;
        }
        const one = work(begun - 1);
        running.add(one);
        void one.finally(() => running.delete(one));
      }
    },
    Math.min(ms, 10),
  );
  return {
    get begun() {
      return begun;
    },
    async stop() {
      clearInterval(timer);
      await Promise.all(running);
    },
  };
}
