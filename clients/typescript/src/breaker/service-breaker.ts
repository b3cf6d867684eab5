import { type Duration, timestampMs } from "@bufbuild/protobuf/wkt";
import { type Breaker, BreakerOverride, BreakerState } from "../../../../gen/helios/v1/breaker_pb.ts";
import type { BreakerConfig } from "../../../../src/kernel/breakers/config.ts";
import { type Automatic, CLOSED, type Machine } from "../../../../src/kernel/breakers/machine.ts";
import type { OverrideKind } from "../../../../src/kernel/breakers/policy/holds.ts";
import type { BreakerClock } from "./clock.ts";
import { fromMessage, toMs } from "./config.ts";

/** What the service said of a breaker. */
export interface ServiceBreaker {
  readonly epoch: number;
  readonly revision: bigint;
  /** Tells a breaker from another of its name that was deleted. */
  readonly createdAt: number;
  readonly config: BreakerConfig;
  readonly override: OverrideKind | undefined;
  /** The automatic one; what humans decided is not in it. */
  readonly machine: Machine;
}

/** How long the service rejects this client alone; 0: it may ask for probes. */
export interface IsolationNotice {
  readonly retryAfterMs: number;
}

export const toNotice = ({ retryAfter }: { readonly retryAfter?: Duration | undefined }): IsolationNotice => ({
  retryAfterMs: toMs(retryAfter) ?? 0,
});

/** Where something was said: in a watch's snapshot or change, or in the answer to a call. */
export type Source = "snapshot" | "change" | "answer";

export function toServiceBreaker(breaker: Breaker, clock: BreakerClock): ServiceBreaker {
  const config = fromMessage(breaker.config);
  const epoch = Number(breaker.epoch);
  const createdAt = breaker.createTime === undefined ? 0 : timestampMs(breaker.createTime);
  // By this machine's clock; where that is wrong, the service tells so after the first trip.
  const warmMs = Math.min(config.warmUpMs, createdAt + config.warmUpMs - clock.now());
  return {
    epoch,
    revision: breaker.revision,
    createdAt,
    config,
    override: toOverride(breaker.override),
    machine: {
      epoch,
      holds: [],
      automatic: toAutomatic(breaker, config, clock.monotonic()),
      ...(warmMs > 0 ? { warmUntil: clock.monotonic() + warmMs } : {}),
    },
  };
}

/**
 * Whether it is the newer of two. A snapshot begins a stream, so it is newer than all that was said before, even where
 * the service has lost some of that.
 */
export function supersedes(told: ServiceBreaker, known: ServiceBreaker, source: Source): boolean {
  if (source === "snapshot") return true;
  const isSame = told.createdAt === known.createdAt;
  if (source === "answer") return !isSame || (told.epoch >= known.epoch && told.revision >= known.revision);
  return told.revision > known.revision && (!isSame || told.epoch >= known.epoch);
}

/** Undefined for none, and for one that this client does not know. */
export function toOverride(override: BreakerOverride): OverrideKind | undefined {
  switch (override) {
    case BreakerOverride.FORCED_OPEN:
      return "FORCED_OPEN";
    case BreakerOverride.FORCED_CLOSED:
      return "FORCED_CLOSED";
    case BreakerOverride.DISABLED:
      return "DISABLED";
    case BreakerOverride.METRICS_ONLY:
      return "METRICS_ONLY";
    default:
      return undefined;
  }
}

function toAutomatic(breaker: Breaker, { timeoutMs }: BreakerConfig, now: number): Automatic {
  const { automaticState, reopenings, retryAfter, counts } = breaker;
  switch (automaticState) {
    case BreakerState.OPEN:
      // Beneath an override nobody is told how long.
      return { state: "OPEN", until: now + (toMs(retryAfter) ?? timeoutMs), reopenings };
    case BreakerState.HALF_OPEN:
      return {
        state: "HALF_OPEN",
        successes: counts?.consecutiveSuccesses ?? 0,
        failures: 0,
        reopenings,
        leases: [],
      };
    default:
      return CLOSED.automatic;
  }
}
