import type { Clock } from "../../../../src/kernel/clock.ts";

/** Receives what the client has to say to its operators. Must not throw. */
export type ClientLog = (level: "info" | "warn" | "error", message: string, fields?: object) => void;

/** Time in which the same warning about a name is logged at most once. @limit ms */
const QUIET_MS = 60_000;
/** Names that are warned about in that time; further ones are left out, because names may come from users. @limit names */
const MOST_WARNED = 1000;

/** Warns once for each name and problem in a minute. It costs nothing else, so that a decision can call it each time. */
export class Warnings {
  readonly #clock: Clock;
  readonly #log: ClientLog;
  readonly #warned = new Set<string>();
  #since = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, log: ClientLog) {
    this.#clock = clock;
    this.#log = log;
  }

  warn(name: string, problem: string): void {
    const now = this.#clock.monotonic();
    if (now - this.#since >= QUIET_MS) {
      this.#warned.clear();
      this.#since = now;
    }
    const key = `${problem}: ${name}`;
    if (this.#warned.size >= MOST_WARNED || this.#warned.has(key)) return;
    this.#warned.add(key);
    this.#log("warn", `the flag ${name} is answered with the caller's default: ${problem}`, { name, problem });
  }
}
