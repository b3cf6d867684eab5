import type { Clock } from "../../../../src/kernel/clock.ts";

/** Samples that are remembered, and those of them that count. */
const REMEMBERED = 27;
const COUNTED = 9;

interface Sample {
  /** What must be added to the monotonic time to get the service's wall time. */
  readonly offsetMs: number;
  readonly roundTripMs: number;
}

/**
 * The service's wall time, by which schedules are decided, whatever the wall clock of this machine says. Each heartbeat has the
 * service's time, and came about half a round trip later. The samples with the smallest round trips are the most exact; their
 * median leaves out single bad ones (as in Cristian's algorithm and NTP's clock filter).
 */
export class ServiceClock {
  readonly #clock: Clock;
  readonly #samples: Sample[] = [];
  #offsetMs: number;

  /** Until the service was heard, this machine's wall clock counts. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#offsetMs = clock.now() - clock.monotonic();
  }

  /** The service's wall time in ms. */
  now(): number {
    return this.#clock.monotonic() + this.#offsetMs;
  }

  /** A heartbeat with the service's wall time has arrived now. `roundTripMs`: how long a call to the service takes. */
  heard(serviceMs: number, roundTripMs: number): void {
    if (!Number.isFinite(serviceMs) || !(roundTripMs >= 0)) return;
    const offsetMs = serviceMs + roundTripMs / 2 - this.#clock.monotonic();
    this.#samples.push({ offsetMs, roundTripMs });
    if (this.#samples.length > REMEMBERED) this.#samples.shift();
    const best = this.#samples.toSorted((a, b) => a.roundTripMs - b.roundTripMs).slice(0, COUNTED);
    const offsets = best.map((sample) => sample.offsetMs).sort((a, b) => a - b);
    this.#offsetMs = offsets[Math.floor(offsets.length / 2)] ?? this.#offsetMs;
  }

  /** Another service, whose clock may differ. */
  forget(): void {
    this.#samples.length = 0;
  }
}
