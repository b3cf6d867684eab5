/** Pieces of work of one kind that may be under way: more than that is a service that does not keep up. */
const MOST_UNDER_WAY = 200;

/** Does something so often a second, at its times and not after the one before, until `stop`. */
export interface Repeated {
  /** Nothing more begins; resolves when all that has begun is over. */
  stop(): Promise<void>;
  /** How often it was begun. */
  readonly begun: number;
}

/**
 * `work` gets how often it was begun before; what it throws is its own to handle. `behind` is told of each that is not
 * begun, since too many are under way.
 */
export function every(ms: number, work: (count: number) => Promise<void>, behind: () => void): Repeated {
  const running = new Set<Promise<void>>();
  const start = performance.now();
  let begun = 0;
  const timer = setInterval(
    () => {
      // A timer that comes late makes up for it: the load stays what it is said to be.
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
