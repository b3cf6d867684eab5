import type { Clock, Timer } from "../../../../kernel/clock.ts";

/**
 * How often a module is pinged to find out whether its event loop is blocked; more often if its `block_timeout` is
 * short. @limit ms
 */
const PING_INTERVAL_MS = 1000;
const LOOKS_PER_TIMEOUT = 5;
/**
 * How long a module that sends messages, but answers none, may block its event loop; then it is ended.
 * @limit times `block_timeout`
 */
const PATIENCE_WITH_TALK = 3;

export interface WatchdogOptions {
  readonly clock: Clock;
  /** How long an event loop may answer nothing; 0: for ever. */
  readonly blockTimeoutMs: number;
  /** Asks the instance for a sign of life. */
  ping(): void;
  /** Told once. */
  blocked(description: string): void;
}

export interface Watchdog {
  /** The instance sent something; `answer`: what its event loop has to turn for. */
  heard(answer: boolean): void;
  /** The instance gave a sign of life as such; whether it was asked for it. */
  ponged(): boolean;
  stop(): void;
}

/**
 * Tells when an instance's event loop does nothing any more. Only looks are counted between which the service's own
 * event loop has turned, and so has taken what was sent: a service that was busy or stopped suspects nobody for it.
 */
export function startWatchdog({ clock, blockTimeoutMs, ping, blocked }: WatchdogOptions): Watchdog {
  const interval =
    blockTimeoutMs > 0 ? Math.min(PING_INTERVAL_MS, Math.ceil(blockTimeoutMs / LOOKS_PER_TIMEOUT)) : PING_INTERVAL_MS;
  // The first look after a sign of life follows it by less than an interval.
  const looks = Math.ceil(blockTimeoutMs / interval) + 1;
  let silent = 0;
  let unanswered = 0;
  let asked = false;
  /** Signs of life that were asked for and have not come, whatever else has. */
  let owed = 0;
  let stopped = false;
  let timer: Timer;

  const look = (): void => {
    silent += 1;
    unanswered += 1;
    if (blockTimeoutMs > 0 && (silent >= looks || unanswered >= looks * PATIENCE_WITH_TALK)) {
      stopped = true;
      const blockedMs = silent >= looks ? blockTimeoutMs : blockTimeoutMs * PATIENCE_WITH_TALK;
      blocked(`event loop blocked for ${blockedMs / 1000} s`);
      return;
    }
    if (!asked) {
      owed += 1;
      ping();
    }
    asked = true;
    arm();
  };
  const arm = (): void => {
    // Runs after what has arrived by now was taken.
    setImmediate(() => {
      if (!stopped) timer = clock.setTimer(interval, look);
    });
  };
  timer = clock.setTimer(interval, look);
  return {
    heard(answer) {
      silent = 0;
      if (!answer) return;
      unanswered = 0;
      asked = false;
    },
    ponged() {
      if (owed === 0) return false;
      owed -= 1;
      return true;
    },
    stop() {
      stopped = true;
      timer.cancel();
    },
  };
}
