import type { BreakerConfig, BreakerConfigFields } from "../../kernel/breakers/config.ts";
import { type Automatic, type BreakerState, CLOSED, type Machine, shownState } from "../../kernel/breakers/machine.ts";
import { decisive, type Hold, type OverrideKind } from "../../kernel/breakers/policy/holds.ts";
import { longestOpenMs } from "../../kernel/breakers/policy/reopen.ts";
import { HeliosError, isReason } from "../errors/error.ts";
import type { Resource } from "../store/collection.ts";
import { completeConfig } from "./validate.ts";

/** The stored part of a breaker: its configuration and its last transition, without its counts. */
export interface BreakerRecord {
  readonly config: BreakerConfig;
  readonly state: Automatic["state"];
  readonly epoch: number;
  /** Wall time in ms from which it lets probes through. Present while it is OPEN. */
  readonly openUntil?: number;
  /** How often it opened again since it was last closed. Absent: never. */
  readonly reopenings?: number;
  /** Wall time in ms before which it does not trip. Absent: it has no warm-up. */
  readonly warmUntil?: number;
  /** Absent: it has no holds. */
  readonly holds?: readonly BreakerHold[];
  /** The last change of state. */
  readonly transition: TransitionRecord;
}

/** A breaker as stored. */
export type BreakerResource = Resource<BreakerRecord>;

/** A change of state, with its cause. */
export interface TransitionRecord {
  readonly action: string;
  readonly actor?: string;
  readonly reason?: string;
  /** Wall time in ms. */
  readonly time: number;
}

/** A decision of a person, or of the supervisor of modules. */
export interface BreakerHold extends Omit<Hold, "until"> {
  /** Wall time in ms at which it expires. Absent: it stays until it is released. */
  readonly expireTime?: number;
}

/** One moment on both clocks. The monotonic clock decides; wall times are stored and shown. */
export interface BothTimes {
  readonly monotonic: number;
  readonly wall: number;
}

/** The record of a machine. */
export function toRecord(
  { automatic, epoch, holds, warmUntil }: Machine,
  config: BreakerConfig,
  transition: TransitionRecord,
  { wall, monotonic }: BothTimes,
): BreakerRecord {
  const reopenings = automatic.state === "CLOSED" ? 0 : automatic.reopenings;
  return {
    config,
    state: automatic.state,
    epoch,
    ...(automatic.state === "OPEN" ? { openUntil: wall + automatic.until - monotonic } : {}),
    ...(reopenings === 0 ? {} : { reopenings }),
    ...(warmUntil === undefined || warmUntil <= monotonic ? {} : { warmUntil: wall + warmUntil - monotonic }),
    ...(holds.length === 0 ? {} : { holds: holds.map((hold) => toStoredHold(hold, { wall, monotonic })) }),
    transition,
  };
}

export function toStoredHold({ until, ...hold }: Hold, { wall, monotonic }: BothTimes): BreakerHold {
  return until === undefined ? hold : { ...hold, expireTime: wall + until - monotonic };
}

/**
 * The machine that continues from a record, after a restart. Each span keeps the rest of its time, and at most its full
 * length, so that a step of the wall clock cannot prolong it. A HALF_OPEN breaker has lost its probes: it becomes OPEN, and
 * lets probes through at once.
 */
export function toMachine(record: BreakerRecord, { wall, monotonic }: BothTimes): Machine {
  const { config, state, epoch, openUntil = 0, reopenings = 0, warmUntil, holds = [] } = record;
  const at = (end: number, longest: number): number => monotonic + Math.min(Math.max(0, end - wall), longest);
  const rest = {
    epoch,
    holds: holds.map(({ expireTime, ...hold }) =>
      expireTime === undefined ? hold : { ...hold, until: at(expireTime, hold.ttlMs ?? 0) },
    ),
    ...(warmUntil === undefined ? {} : { warmUntil: at(warmUntil, config.warmUpMs) }),
  };
  if (state === "CLOSED") return { ...CLOSED, ...rest };
  const until = state === "OPEN" ? at(openUntil, longestOpenMs(config, reopenings)) : monotonic;
  return { ...rest, automatic: { state: "OPEN", until, reopenings } };
}

/** The state that applied to calls when the record was stored. */
export function storedState({ state, holds = [] }: BreakerRecord): BreakerState {
  return shownState(state, decisive(holds)?.kind);
}

const STATES: readonly unknown[] = ["CLOSED", "OPEN", "HALF_OPEN"] satisfies Automatic["state"][];
const KINDS: readonly unknown[] = ["FORCED_OPEN", "FORCED_CLOSED", "DISABLED", "METRICS_ONLY"] satisfies OverrideKind[];
const KEYS: readonly string[] = [
  "config",
  "state",
  "epoch",
  "openUntil",
  "reopenings",
  "warmUntil",
  "holds",
  "transition",
] satisfies (keyof BreakerRecord)[];

/** Reads a stored value of this version or an earlier one. BREAKER_STATE_INVALID says which part of it is invalid. */
export function readRecord(name: string, stored: unknown): BreakerRecord {
  const must = (holds: boolean, problem: string): void => {
    if (!holds) throw HeliosError.of("BREAKER_STATE_INVALID", { name, problem });
  };
  const isTime = (value: unknown): boolean => value === undefined || Number.isFinite(value);
  must(isObject(stored), "it is not an object");
  const { override, ...current } = stored as Partial<BreakerRecord> & { override?: Omit<BreakerHold, "id" | "action"> };
  // Earlier versions stored one override instead of holds.
  if (override !== undefined)
    return readRecord(name, { ...current, holds: [{ ...override, id: "manual", action: "OpenBreaker" }] });
  const {
    config,
    state,
    epoch,
    openUntil,
    reopenings = 0,
    warmUntil,
    holds = [],
    transition,
  } = stored as Partial<BreakerRecord>;
  const unknown = Object.keys(stored as object).find((key) => !KEYS.includes(key));
  must(unknown === undefined, `its member ${unknown} is unknown`);
  must(STATES.includes(state), `state is ${JSON.stringify(state)}`);
  must(Number.isSafeInteger(epoch) && Number(epoch) >= 1, `epoch is ${JSON.stringify(epoch)}`);
  must(isTime(openUntil) && (state !== "OPEN" || openUntil !== undefined), `openUntil is ${JSON.stringify(openUntil)}`);
  must(Number.isSafeInteger(reopenings) && reopenings >= 0, `reopenings is ${JSON.stringify(reopenings)}`);
  must(isTime(warmUntil), `warmUntil is ${JSON.stringify(warmUntil)}`);
  must(Array.isArray(holds), "holds is not a list");
  for (const hold of holds as unknown[]) {
    const { id, kind, action, time, ttlMs, expireTime } = isObject(hold) ? (hold as Partial<BreakerHold>) : {};
    const valid = typeof id === "string" && typeof action === "string" && KINDS.includes(kind) && Number.isFinite(time);
    must(valid && isTime(ttlMs) && isTime(expireTime), `${JSON.stringify(hold)} is not a hold`);
  }
  must(isObject(transition) && typeof transition?.action === "string", "transition has no action");
  must(isObject(config), "config is not an object");
  try {
    return { ...(stored as BreakerRecord), config: completeConfig(config as BreakerConfigFields) };
  } catch (error) {
    if (!isReason(error, "ARGUMENT_INVALID")) throw error;
    throw HeliosError.of("BREAKER_STATE_INVALID", { name, problem: `config: ${error.message}` }, { cause: error });
  }
}

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);
