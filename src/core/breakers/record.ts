import type { Automatic, BreakerConfig, Machine } from "./breaker.ts";
import { CLOSED } from "./breaker.ts";

/** All that is stored of a breaker: transitions are, counts are not. */
export interface BreakerRecord {
  readonly config: BreakerConfig;
  readonly state: Automatic["state"];
  readonly epoch: number;
  /** Wall time in ms at which it lets probes through; while OPEN. */
  readonly openUntil?: number;
  /** A human's decision. */
  readonly override?: BreakerOverride;
  /** What changed the state last. */
  readonly transition: TransitionRecord;
}

export interface TransitionRecord {
  readonly action: string;
  readonly actor?: string;
  readonly reason?: string;
  /** Wall time in ms. */
  readonly time: number;
}

export interface BreakerOverride {
  readonly kind: "FORCED_OPEN";
  readonly actor?: string;
  readonly reason?: string;
  /** Wall time in ms. */
  readonly time: number;
}

/** Both times at once: the monotonic one decides, the wall one is stored and shown. */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/** What is stored of a machine. */
export function toRecord(
  { automatic, epoch }: Machine,
  config: BreakerConfig,
  transition: TransitionRecord,
  override: BreakerOverride | undefined,
  now: Moment,
): BreakerRecord {
  return {
    config,
    state: automatic.state,
    epoch,
    ...(automatic.state === "OPEN" ? { openUntil: now.wall + automatic.until - now.monotonic } : {}),
    ...(override === undefined ? {} : { override }),
    transition,
  };
}

/**
 * The machine that goes on where the record stopped. OPEN keeps what is left of its timeout, never more than all of it,
 * so that a clock that was stepped meanwhile cannot hold it; HALF_OPEN has lost its probes, so it is OPEN and due.
 */
export function toMachine(record: BreakerRecord, now: Moment): Machine {
  const { config, state, epoch, openUntil = 0 } = record;
  const forcedOpen = record.override !== undefined;
  if (state === "CLOSED") return { ...CLOSED, epoch, forcedOpen };
  const left = state === "OPEN" ? Math.min(Math.max(0, openUntil - now.wall), config.timeoutMs) : 0;
  return { epoch, automatic: { state: "OPEN", until: now.monotonic + left }, forcedOpen };
}
