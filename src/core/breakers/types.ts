import type { BreakerConfig } from "../../kernel/breakers/config.ts";
import type { BreakerState, Outcome, Permit } from "../../kernel/breakers/machine.ts";
import type { Tally } from "../../kernel/breakers/policy/call.ts";
import type { OverrideKind } from "../../kernel/breakers/policy/holds.ts";
import type { CallPermit } from "../../kernel/call/gate.ts";
import type { BreakerCall, BreakerCallOptions, BreakerFallback } from "../../kernel/call/options.ts";
import type { By } from "../change.ts";
import type { Delta, Resource } from "../store/collection.ts";
import type { Hub, HubObserver } from "../watch/hub.ts";
import type { IsolatedClient } from "./clients/isolation.ts";
import type { OutcomeReport } from "./clients/reports.ts";
import type { BreakerConfigFields } from "./config.ts";
import type { BreakerCounts } from "./live/counts.ts";
import type { BreakerHold, BreakerRecord, TransitionRecord } from "./record.ts";
import type { Simulation } from "./simulation/simulate.ts";

/** A breaker as stored. */
export type BreakerResource = Resource<BreakerRecord>;

/** A breaker as it is now. */
export interface Breaker {
  readonly resource: BreakerResource;
  readonly name: string;
  readonly config: BreakerConfig;
  /** What holds for calls. */
  readonly state: BreakerState;
  /** What the automatic machine says, whatever the override. */
  readonly automaticState: BreakerState;
  /** The hold that decides for calls, if there is one. */
  readonly override: BreakerHold | undefined;
  /** All that humans decided, oldest first. */
  readonly holds: readonly BreakerHold[];
  readonly epoch: number;
  /** What changed the state last, and when; it may be about to be stored. */
  readonly transition: TransitionRecord;
  readonly counts: BreakerCounts & {
    readonly consecutiveFailures: number;
    readonly consecutiveSuccesses: number;
    /** What the rates are of, now; undefined where none is configured, and while it is not closed. */
    readonly window: Tally | undefined;
  };
  /** How long calls will be rejected yet; absent unless open, or where only a human can end it. */
  readonly retryAfterMs: number | undefined;
  /** Probes under way. */
  readonly probes: number;
  /** How often it opened again since it was closed last. */
  readonly reopenings: number;
  /** Clients that are kept away from what the others find well; by id. */
  readonly isolatedClients: readonly IsolatedClient[];
}

/** What a human decides of a breaker. */
export interface OverrideRequest {
  readonly kind: OverrideKind;
  /** The holder's own name for it, at most 128 characters; the same again replaces it. Default `manual`. */
  readonly holdId?: string | undefined;
  /** How long it stands at most; from 1 ms to 365 d. Absent: until it is released. */
  readonly ttlMs?: number | undefined;
}

/** What a transition made of a breaker. */
export interface Moved {
  /** What holds for calls. */
  readonly state: BreakerState;
  readonly override: OverrideKind | undefined;
}

/** The answer to a client's report. */
export interface ReportResult {
  /** It had arrived before; nothing was counted now. */
  readonly duplicate: boolean;
  readonly unknownNames: readonly string[];
  /** Which of the breakers that it tells of reject this client alone. */
  readonly isolated: readonly (Omit<IsolatedClient, "clientId"> & { readonly name: string })[];
}

/**
 * The circuit breakers. What trips one trips it at once, in memory, for rejecting cannot wait for the disk; each
 * transition is then stored, which is how watchers and the next start learn of it. What a human asks for is stored first.
 * A client that watched the breakers under its id and does so no more is gone: its probes count as failures.
 * Mutations can reject with BREAKER_NOT_FOUND, ARGUMENT_INVALID, ETAG_MISMATCH and STORE_UNAVAILABLE. After `close`,
 * what asks for calls or changes fails with SERVER_DRAINING.
 */
export interface Breakers {
  readonly hub: Hub<Delta<BreakerRecord>, BreakerResource>;
  /** To be told of the hub's watchers. */
  readonly presence: HubObserver;
  /** After the feed was started: goes on where the store stopped. BREAKER_STATE_INVALID. */
  start(): Promise<void>;
  /** One breaker however many ask at once. One that is there with another configuration is left as it is. */
  getOrCreate(
    name: string,
    config?: BreakerConfigFields,
    by?: By,
  ): Promise<{ readonly breaker: Breaker; readonly created: boolean; readonly configConflict: boolean }>;
  /** BREAKER_NOT_FOUND. */
  get(name: string): Breaker;
  /** By name. */
  list(): readonly Breaker[];
  /** The same as stored: what is to be described can be chosen first. */
  resources(): readonly BreakerResource[];
  /** The breaker of a stored state, with the counts of now; for watchers. */
  view(resource: BreakerResource): Breaker;
  /** Changes the configuration; state and counts stay. */
  update(name: string, config: BreakerConfigFields, by?: By): Promise<Breaker>;
  delete(name: string, by?: By): Promise<{ readonly breaker: Breaker; readonly revision: number }>;
  /** Opens it by hand, as `override` does with FORCED_OPEN. */
  open(name: string, options?: Omit<OverrideRequest, "kind">, by?: By): Promise<Breaker>;
  /**
   * Decides for calls, above the automatic state, until it is released, its time is over or the breaker is reset. Of
   * several holders the strongest decision holds: FORCED_OPEN, DISABLED, FORCED_CLOSED, METRICS_ONLY.
   */
  override(name: string, request: OverrideRequest, by?: By): Promise<Breaker>;
  /** Takes one holder's decision back; nothing where there is none of that id. */
  releaseHold(name: string, holdId?: string, by?: By): Promise<Breaker>;
  /** Closes it by hand: counts 0, override released, epoch raised. */
  reset(name: string, by?: By): Promise<Breaker>;
  /** Resets those whose name starts so, or only tells which; by name. `by.etag` plays no part. */
  resetAll(options?: { readonly namePrefix?: string; readonly dryRun?: boolean }, by?: By): Promise<readonly Breaker[]>;
  /** Asks whether a call may go ahead. BREAKER_NOT_FOUND. No I/O. */
  acquire(name: string, clientId?: string): Permit;
  /**
   * Tells how a call with that permit went, and how long it took in ms; nothing where the breaker is gone.
   * ARGUMENT_INVALID. No I/O.
   */
  record(name: string, permit: Permit, outcome: Outcome, durationMs?: number): void;
  /** Gives a permit back whose call never started: nothing is counted. No I/O. */
  release(name: string, permit: Permit): void;
  /**
   * Counts a client's report; one that arrived before is not counted again. `seq` counts from 1 or above the reports of one
   * `reporterId` of the client, a name for one life of one process; without one, all of the client's.
   * What is of breakers that do not exist loses nothing of the rest. ARGUMENT_INVALID: nothing was counted. No I/O.
   */
  report(clientId: string, seq: number | bigint, reports: readonly OutcomeReport[], reporterId?: string): ReportResult;
  /**
   * What a breaker so configured would have done with the outcomes of the last `spanMs` (from 1 s to 1 h; default: all
   * that is recorded), beside what it did. What `config` leaves out is as it is configured. Changes nothing.
   * ARGUMENT_INVALID.
   */
  simulate(name: string, config?: BreakerConfigFields, spanMs?: number): Simulation;
  /**
   * Calls `listener` in the very step of each transition of the breaker of that name, now or later there; it must not ask
   * the breakers for anything in it. What is returned takes it off again.
   */
  onTransition(name: string, listener: (moved: Moved) => void): () => void;
  /** A breaker to call through, in this process; created at the first call where it is not there. */
  handle(name: string, options?: HandleOptions): BreakerHandle;
  /** Resolves when every transition so far is stored, or could not be. */
  stored(): Promise<void>;
  /** Cancels every timer; resolves as `stored` does. The store must still be open. */
  close(): Promise<void>;
}

export interface HandleOptions {
  /** What the breaker is created with where it is not there. */
  readonly config?: BreakerConfigFields;
  /** For calls that give none of their own. */
  readonly fallback?: BreakerFallback<unknown>;
}

/** A call that may go ahead. It is settled or released once; what comes later changes nothing. */
export type HandlePermit = CallPermit;

/** A breaker to call through. It is created where it is not there, at the first use or after somebody deleted it. */
export interface BreakerHandle {
  /**
   * Calls `fn` if the breaker lets it through. A call that is rejected, fails or takes too long gives the fallback's
   * answer; without a fallback it rejects with BREAKER_OPEN, the error of `fn` or a TimeoutError. The signal of `fn` is
   * aborted when nobody waits for the answer any more.
   */
  call<T>(fn: BreakerCall<T>, options?: BreakerCallOptions<T>): Promise<T>;
  /** A permit, or null where the breaker rejects. */
  tryAcquire(): Promise<HandlePermit | null>;
  manualOpen(by?: By): Promise<Breaker>;
  manualReset(by?: By): Promise<Breaker>;
}
