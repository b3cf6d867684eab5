import { step } from "../../kernel/breakers/breaker.ts";
import type { BreakerConfig, BreakerConfigFields } from "../../kernel/breakers/config.ts";
import type { Event, Machine } from "../../kernel/breakers/machine.ts";
import { withHold, withoutHold } from "../../kernel/breakers/policy/holds.ts";
import type { Clock } from "../../kernel/clock.ts";
import { type By, causeOf } from "../change.ts";
import { HeliosError } from "../errors/error.ts";
import { invalid } from "../errors/invalid.ts";
import type { Cause } from "../store/store.ts";
import type { Breaker } from "./live/describe.ts";
import type { LiveBreaker } from "./live/live.ts";
import { type BothTimes, type BreakerRecord, type BreakerResource, toRecord } from "./record.ts";
import { checkHoldId, checkOverride, completeConfig, type OverrideRequest, sameConfig } from "./validate.ts";
import type { BreakerView } from "./view.ts";

/** A hold that is to be set. */
export interface HoldRequest extends OverrideRequest {
  /** The operation, for the cause of the change. */
  readonly action: "OpenBreaker" | "SetBreakerOverride";
}

export interface ResetRequest {
  /** The operation, for the cause of the change. */
  readonly action: "ResetBreaker" | "ResetAllBreakers";
}

/**
 * Writes the changes that callers ask for. A change without an effect is not written. A change of state is decided for the
 * machine as it is when all its transitions so far are stored. All methods reject with BREAKER_NOT_FOUND, ETAG_MISMATCH and
 * STORE_UNAVAILABLE.
 */
export interface BreakerWriter {
  /** Creates the breaker if no breaker has that name. Resolves to whether it was created. */
  create(name: string, config: BreakerConfig, by: By | undefined): Promise<boolean>;
  /** Rejects with ARGUMENT_INVALID. */
  update(name: string, fields: BreakerConfigFields, by: By | undefined): Promise<Breaker>;
  /** Rejects with ARGUMENT_INVALID, also if the breaker has too many holds. */
  hold(name: string, request: HoldRequest, by: By | undefined): Promise<Breaker>;
  /** Rejects with ARGUMENT_INVALID. */
  releaseHold(name: string, holdId: string | undefined, by: By | undefined): Promise<Breaker>;
  reset(name: string, request: ResetRequest, by: By | undefined): Promise<Breaker>;
  delete(name: string, by: By | undefined): Promise<{ readonly breaker: Breaker; readonly revision: number }>;
}

/** Holds of one breaker; one more is refused with `ARGUMENT_INVALID`. @limit holds */
const MAX_HOLDS = 100;

export function createBreakerWriter(view: BreakerView, clock: Clock): BreakerWriter {
  const { collection, epochs } = view;

  /** Stores the state after an event. `eventOf` runs when all transitions so far are stored. */
  const store = async (
    breaker: LiveBreaker,
    cause: Cause,
    etag: string | undefined,
    eventOf: (machine: Machine, now: BothTimes) => Extract<Event, { type: "hold" | "reset" }>,
  ): Promise<Breaker> => {
    const decide = (): BreakerRecord | undefined => {
      const now = breaker.times();
      const event = eventOf(breaker.machine, now);
      if (event.type === "hold" && event.holds === breaker.machine.holds) return undefined;
      const { machine } = step(breaker.machine, event, breaker.config, breaker.moment());
      return toRecord(machine, breaker.config, { ...cause, time: now.wall }, now);
    };
    await breaker.change(cause, decide, etag);
    return breaker.now();
  };

  return {
    async create(name, config, by) {
      const cause = causeOf("GetOrCreateBreaker", by);
      let created = false;
      // Another caller may delete the breaker as soon as it exists; then it is created again.
      while (view.find(name) === undefined && !view.closed) {
        const byJournal = await epochs.firstByJournal(name);
        await collection.change(name, cause, (current) => {
          created = current === undefined;
          if (!created) return undefined;
          const { warmUpMs } = config;
          const time = clock.now();
          const epoch = Math.max(byJournal, epochs.first(name));
          const warmth = warmUpMs === 0 ? {} : { warmUntil: time + warmUpMs };
          return { config, state: "CLOSED", epoch, ...warmth, transition: { ...cause, time } };
        });
      }
      return created;
    },

    async update(name, fields, by) {
      const breaker = view.inService(name);
      const decide = ({ record }: BreakerResource): BreakerRecord | undefined => {
        const config = completeConfig(fields, breaker.config);
        return sameConfig(config, breaker.config) ? undefined : { ...record, config };
      };
      await breaker.change(causeOf("UpdateBreaker", by), decide, by?.etag);
      return breaker.now();
    },

    async hold(name, { action, ...request }, by) {
      const breaker = view.inService(name);
      const { ttlMs, ...hold } = checkOverride(request);
      const cause = causeOf(action, by);
      return store(breaker, cause, by?.etag, (machine, { monotonic, wall }) => {
        const expiry = ttlMs === undefined ? {} : { ttlMs, until: monotonic + ttlMs };
        const holds = withHold(machine.holds, { ...hold, ...cause, time: wall, ...expiry });
        if (holds.length <= MAX_HOLDS) return { type: "hold", holds };
        const problem = `${hold.id} would be one more than the ${MAX_HOLDS} holds that a breaker may have`;
        throw invalid("hold_id", problem);
      });
    },

    async releaseHold(name, holdId, by) {
      const breaker = view.inService(name);
      const id = checkHoldId(holdId);
      const without = ({ holds }: Machine) => ({ type: "hold", holds: withoutHold(holds, id) }) as const;
      return store(breaker, causeOf("ReleaseBreakerHold", by), by?.etag, without);
    },

    async reset(name, { action }, by) {
      return store(view.inService(name), causeOf(action, by), by?.etag, () => ({ type: "reset" }));
    },

    async delete(name, by) {
      const known = view.inService(name);
      const breaker = known.now();
      const resource = await collection.delete(name, causeOf("DeleteBreaker", by), undefined, by?.etag);
      if (resource === undefined || known.deletedAt === undefined) throw HeliosError.of("BREAKER_NOT_FOUND", { name });
      return { breaker: { ...breaker, resource }, revision: known.deletedAt };
    },
  };
}
