import type { Clock, Timer } from "../../kernel/clock.ts";

export interface QuietOptions {
  /** How long nothing more must come, ms. */
  readonly quietMs: number;
  /** How long is waited for that from the first on, ms. */
  readonly mostMs: number;
}

/** Takes what comes in bursts together. */
export interface Quiet {
  touch(key: string): void;
  close(): void;
}

/** Calls `run` with all keys that were touched, each once, when no more are, or when that does not come to an end. */
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
