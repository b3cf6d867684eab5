import type { Clock, Timer } from "../../../../kernel/clock.ts";
import { seconds } from "../../../async/deadline.ts";

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
  /** How long an event loop may be blocked. 0: no limit. */
  readonly blockTimeoutMs: number;
  /** Sends the instance a ping, which it answers with a pong. */
  ping(): void;
  /** Called once, with the description of the instance's ending. */
  blocked(description: string): void;
}

export interface Watchdog {
  /** The instance sent a message. `answer`: a message that its event loop must have turned for. */
  heard(answer: boolean): void;
  /** The instance sent a pong. Returns whether it was asked for. */
  ponged(): boolean;
  stop(): void;
}

/**
 * Calls `blocked` when an instance's event loop is blocked. Each check is scheduled after the service's own event loop has
 * read the messages that had arrived. So a service that was busy or stopped does not take this time for the module's.
 */
export function startWatchdog({ clock, blockTimeoutMs, ping, blocked }: WatchdogOptions): Watchdog {
  const interval =
    blockTimeoutMs > 0 ? Math.min(PING_INTERVAL_MS, Math.ceil(blockTimeoutMs / LOOKS_PER_TIMEOUT)) : PING_INTERVAL_MS;
  // The first check after a pong comes in less than one interval.
  const looks = Math.ceil(blockTimeoutMs / interval) + 1;
  let silent = 0;
  let unanswered = 0;
  let asked = false;
  /** Pings that have not been answered by a pong. */
  let owed = 0;
  let stopped = false;
  let timer: Timer;

  const look = (): void => {
    silent += 1;
    unanswered += 1;
    if (blockTimeoutMs > 0 && (silent >= looks || unanswered >= looks * PATIENCE_WITH_TALK)) {
      stopped = true;
      const blockedMs = silent >= looks ? blockTimeoutMs : blockTimeoutMs * PATIENCE_WITH_TALK;
      blocked(`event loop blocked for ${seconds(blockedMs)}`);
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
    // Runs after the messages that have arrived by now were read.
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
