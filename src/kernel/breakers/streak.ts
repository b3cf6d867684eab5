import type { BreakerConfig } from "./config.ts";
import type { Machine } from "./machine.ts";
import { partEnd } from "./policy/time-window.ts";
import { hasRates, safeSuccesses } from "./policy/trip.ts";

/**
 * Successes of one breaker in a row that its machine has not counted yet. It exists because a machine is a value, and making
 * a new one for each call costs more than the rest of the call.
 *
 * A streak contains only calls that leave the machine closed, wherever in the streak they come. So its owner may hand them to
 * the machine together, as one `outcome` event at the time `since`. The machine is then equal to one that counted each call
 * when it came. The owner must do so before it reads the machine, changes the configuration, or applies another event.
 *
 * This object is changed in place, and belongs to one owner. It refers to no machine and no window.
 */
export class Streak {
  #epoch = 0;
  #since = 0;
  #until = Number.NEGATIVE_INFINITY;
  #most = 0;
  #calls = 0;

  /** How many calls it contains. */
  get calls(): number {
    return this.#calls;
  }

  /** When it began. All of its calls may count as made then. */
  get since(): number {
    return this.#since;
  }

  /** Whether it accepts calls, no matter when they come. */
  get isTimeless(): boolean {
    return this.#until === Number.POSITIVE_INFINITY;
  }

  /**
   * Begins with no calls, when the machine has counted a success at `now`. Accepts none if the next success may change more
   * than the machine's window.
   *
   * @param until the owner's own end of the streak.
   */
  begin(machine: Machine, config: BreakerConfig, now: number, until = Number.POSITIVE_INFINITY): void {
    this.end();
    const { automatic, epoch, holds, warmUntil } = machine;
    // Outcomes under a hold may not count, and a hold may expire.
    if (automatic.state !== "CLOSED" || holds.length > 0 || config.minReporters > 1) return;
    const window = hasRates(config) ? automatic.window : undefined;
    // An earlier configuration had `minReporters`. The age of what they saw depends on how the calls since are numbered.
    if (window?.kind === "COUNT" && window.reporters.length > 0) return;
    const last = window?.kind === "TIME" ? Math.min(until, partEnd(window)) : until;
    const isWarm = warmUntil === undefined || now >= warmUntil;
    this.#epoch = epoch;
    this.#since = now;
    this.#most = isWarm ? safeSuccesses(automatic, config) : Number.POSITIVE_INFINITY;
    this.#until = isWarm ? last : Math.min(last, warmUntil);
  }

  /**
   * Adds a success that was not slow and had no lease. Returns false if it does not belong here; the machine must count it
   * then. Times never decrease.
   */
  add(epoch: number, now: number): boolean {
    if (now >= this.#until || epoch !== this.#epoch || this.#calls >= this.#most) return false;
    this.#calls += 1;
    return true;
  }

  /** Forgets its calls, and accepts none. */
  end(): void {
    this.#until = Number.NEGATIVE_INFINITY;
    this.#calls = 0;
  }
}
