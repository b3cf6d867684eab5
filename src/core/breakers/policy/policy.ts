import type { BreakerConfig, Outcome } from "../breaker.ts";

/** When a closed breaker trips: a pure fold over the outcomes of its calls. `Window` is what it keeps of them. */
export interface TripPolicy<Window> {
  /** What it keeps of nothing. */
  readonly empty: Window;
  /** How many more of `outcome`, one after the other, it takes to trip: at least 1; Infinity: they never do. */
  tripsAfter(window: Window, outcome: Outcome, config: BreakerConfig): number;
  /** What it keeps after `times` more of `outcome`; `window` itself where they change nothing. */
  add(window: Window, outcome: Outcome, times: number): Window;
}
