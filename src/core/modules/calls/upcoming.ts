import type { Clock } from "../../../kernel/clock.ts";

/** How long a start is taken to last where none of the module has been seen yet. @limit ms */
const FIRST_START_MS = 250;
/** The shortest `retry_after` of a call that came while its module was not up. @limit ms */
const SHORTEST_RETRY_MS = 50;
/**
 * The longest `retry_after` of a call whose module's start takes longer than its last one; until then callers are told
 * to wait as long again as it is late. @limit ms
 */
const LONGEST_RETRY_MS = 5000;

/** The modules that are about to serve: calls of them are refused for now alone, with the time to wait. */
export interface Upcoming {
  /** The module is to be started in so many ms, and will take traffic then. */
  expect(name: string, inMs: number): void;
  /** It serves; its start took so long. */
  arrived(name: string, startMs: number): void;
  /** It is not to be started any more. */
  forget(name: string): void;
  /** When a call is worth another try, in ms from now; undefined: nothing says that the module will serve. */
  retryAfterMs(name: string): number | undefined;
}

export function createUpcoming(clock: Clock): Upcoming {
  /** Monotonic ms at which the start begins. */
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
