import type { Clock } from "../../../kernel/clock.ts";

/** Assumed duration of a module's first start. @limit ms */
const FIRST_START_MS = 250;
/** Shortest `retry_after` of a call to a module that is starting. @limit ms */
const SHORTEST_RETRY_MS = 50;
/**
 * Longest `retry_after` of a call to a module whose start takes longer than its last one. Until then, `retry_after` is
 * as long as the start is late. @limit ms
 */
const LONGEST_RETRY_MS = 5000;

/** The modules that are about to serve. Calls of them are refused with a `retry_after`. */
export interface Upcoming {
  /** Notes that the module will be started in `inMs` milliseconds, and will take calls after that. */
  expect(name: string, inMs: number): void;
  /** Notes that the module serves, and how long its start took, in ms. */
  arrived(name: string, startMs: number): void;
  /** Notes that no start of the module is expected any more. */
  forget(name: string): void;
  /** Milliseconds until a call should be retried. Undefined: no start of the module is expected. */
  retryAfterMs(name: string): number | undefined;
}

export function createUpcoming(clock: Clock): Upcoming {
  /** Monotonic time in ms at which the start begins, by module. */
  const starts = new Map<string, number>();
  const lastStarts = new Map<string, number>();
  return {
    expect: (name, inMs) => starts.set(name, clock.monotonic() + inMs),
    arrived(name, startMs) {
      starts.delete(name);
      lastStarts.set(name, startMs);
    },
    forget(name) {
      starts.delete(name);
      lastStarts.delete(name);
    },
    retryAfterMs(name) {
      const start = starts.get(name);
      if (start === undefined) return undefined;
      const leftMs = start + (lastStarts.get(name) ?? FIRST_START_MS) - clock.monotonic();
      return Math.max(SHORTEST_RETRY_MS, leftMs > 0 ? leftMs : Math.min(-leftMs, LONGEST_RETRY_MS));
    },
  };
}
