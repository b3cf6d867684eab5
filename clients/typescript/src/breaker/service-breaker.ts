import { type Duration, timestampMs } from "@bufbuild/protobuf/wkt";
import { type Breaker, BreakerOverride, BreakerState } from "../../../../gen/helios/v1/breaker_pb.ts";
import type { BreakerConfig } from "../../../../src/kernel/breakers/config.ts";
import { type Automatic, CLOSED, type Machine } from "../../../../src/kernel/breakers/machine.ts";
import type { OverrideKind } from "../../../../src/kernel/breakers/policy/holds.ts";
import type { BreakerClock } from "./clock.ts";
import { fromMessage, toMs } from "./config.ts";

/** A breaker as the service describes it. */
export interface ServiceBreaker {
  readonly epoch: number;
  readonly revision: bigint;
  /** The time of creation. It distinguishes the breaker from a deleted one with the same name. */
  readonly createdAt: number;
  readonly config: BreakerConfig;
  readonly override: OverrideKind | undefined;
  /** The automatic machine, without the decisions of people. */
  readonly machine: Machine;
}

/** The service rejects only this client, for that time. 0 means until a probe succeeds. */
export interface IsolationNotice {
  readonly retryAfterMs: number;
}

export const toNotice = ({ retryAfter }: { readonly retryAfter?: Duration | undefined }): IsolationNotice => ({
  retryAfterMs: toMs(retryAfter) ?? 0,
});

/** The origin of a description: a snapshot of a watch, a change of a watch, or the answer to a call. */
export type Source = "snapshot" | "change" | "answer";

export function toServiceBreaker(breaker: Breaker, clock: BreakerClock): ServiceBreaker {
  const config = fromMessage(breaker.config);
  const epoch = Number(breaker.epoch);
  const createdAt = breaker.createTime === undefined ? 0 : timestampMs(breaker.createTime);
  // This uses the clock of this machine. If it is wrong, the service corrects the result after the first trip.
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
 * Whether the first description is newer. A snapshot begins a stream, so it is newer than everything before it, even if the
 * service has lost changes.
 */
export function supersedes(described: ServiceBreaker, known: ServiceBreaker, source: Source): boolean {
  if (source === "snapshot") return true;
  const isSame = described.createdAt === known.createdAt;
  if (source === "answer") return !isSame || (described.epoch >= known.epoch && described.revision >= known.revision);
  return described.revision > known.revision && (!isSame || described.epoch >= known.epoch);
}

/** Undefined if there is no override, or one that this client does not know. */
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
      // Under an override the service does not say how long.
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
