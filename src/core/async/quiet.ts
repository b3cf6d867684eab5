import type { Clock, Timer } from "../../kernel/clock.ts";

export interface QuietOptions {
  /** Time without a touch after which the keys are passed on, in ms. */
  readonly quietMs: number;
  /** Longest time from the first touch until the keys are passed on, even if touches go on, in ms. */
  readonly mostMs: number;
}

/** Collects the keys of a burst of events. */
export interface Quiet {
  touch(key: string): void;
  close(): void;
}

/** Calls `run` once with all distinct keys of a burst: after `quietMs` without a touch, or `mostMs` after the first one. */
export function createQuiet(
  clock: Clock,
  { quietMs, mostMs }: QuietOptions,
  run: (keys: readonly string[]) => void,
): Quiet {
  const touched = new Set<string>();
  let end = 0;
  let timer: Timer | undefined;
  const fire = (): void => {
    const keys = [...touched];
    touched.clear();
    run(keys);
  };
  return {
    touch(key) {
      const now = clock.monotonic();
      if (touched.size === 0) end = now + mostMs;
      touched.add(key);
      timer?.cancel();
      timer = clock.setTimer(Math.max(0, Math.min(quietMs, end - now)), fire);
    },
    close() {
      timer?.cancel();
      touched.clear();
    },
  };
}
