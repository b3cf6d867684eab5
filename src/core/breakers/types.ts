import type { BreakerConfigFields } from "../../kernel/breakers/config.ts";
import type { Outcome, Permit } from "../../kernel/breakers/machine.ts";
import type { CallPermit } from "../../kernel/call/gate.ts";
import type { BreakerCall, BreakerCallOptions, BreakerFallback } from "../../kernel/call/options.ts";
import type { By } from "../change.ts";
import type { Delta } from "../store/collection.ts";
import type { Hub, HubObserver } from "../watch/hub.ts";
import type { IsolatedClient } from "./clients/isolation.ts";
import type { OutcomeReport } from "./clients/reports.ts";
import type { Breaker } from "./live/describe.ts";
import type { Moved } from "./live/live.ts";
import type { BreakerRecord, BreakerResource } from "./record.ts";
import type { Simulation } from "./simulation/simulate.ts";
import type { OverrideRequest } from "./validate.ts";

/** The result of `getOrCreate`. */
export interface BreakerCreated {
  readonly breaker: Breaker;
  readonly created: boolean;
  /** The breaker existed with a configuration other than the given one, and kept it. */
  readonly configConflict: boolean;
}

export interface ResetAllOptions {
  /** Only breakers whose name starts with this. Default: all. */
  readonly namePrefix?: string;
  /** Return the breakers without resetting them. Default false. */
  readonly dryRun?: boolean;
}

/** The answer to a client's report. */
export interface ReportResult {
  /** The report had arrived before, and was not counted again. */
  readonly duplicate: boolean;
  readonly unknownNames: readonly string[];
  /** The breakers in the report that reject this client alone. */
  readonly isolated: readonly (Omit<IsolatedClient, "clientId"> & { readonly name: string })[];
}

/**
 * The circuit breakers. A breaker trips at once and in memory, because a rejection cannot wait for the disk. Each transition
 * is then stored, and published to watchers. A change that a person asks for is stored first.
 *
 * A client that has watched the breakers under its id, and has closed its last watch, is gone. Its probes count as failures.
 *
 * Mutations can reject with BREAKER_NOT_FOUND, ARGUMENT_INVALID, ETAG_MISMATCH and STORE_UNAVAILABLE. After `close`, calls
 * and changes fail with SERVER_DRAINING.
 */
export interface Breakers {
  readonly hub: Hub<Delta<BreakerRecord>, BreakerResource>;
  /** Observes the hub's watchers, to notice clients that are gone. */
  readonly presence: HubObserver;
  /** Call it after the feed was started: each breaker continues from its record. Rejects with BREAKER_STATE_INVALID. */
  start(): Promise<void>;
  /** Throws BREAKER_NOT_FOUND. */
  get(name: string): Breaker;
  /** All breakers, by name. */
  list(): readonly Breaker[];
  /** All breakers as stored, so that a caller can select some before it describes them with `view`. */
  resources(): readonly BreakerResource[];
  /** The breaker as stored in `resource`, with its present counts; for watchers. */
  view(resource: BreakerResource): Breaker;
  /** Creates the breaker if it does not exist. Concurrent calls create one. An existing breaker keeps its configuration. */
  getOrCreate(name: string, config?: BreakerConfigFields, by?: By): Promise<BreakerCreated>;
  /** Changes the configuration. State and counts stay. */
  update(name: string, config: BreakerConfigFields, by?: By): Promise<Breaker>;
  /** Resolves to the breaker before its deletion, and to the revision of the deletion. */
  delete(name: string, by?: By): Promise<{ readonly breaker: Breaker; readonly revision: number }>;
  /** Opens the breaker by hand, as `override` does with FORCED_OPEN. */
  open(name: string, options?: Omit<OverrideRequest, "kind">, by?: By): Promise<Breaker>;
  /**
   * Sets a hold, which overrides the automatic state until it is released, expires or the breaker is reset. Of several holds
   * the strongest applies: FORCED_OPEN, DISABLED, FORCED_CLOSED, METRICS_ONLY.
   */
  override(name: string, request: OverrideRequest, by?: By): Promise<Breaker>;
  /** Releases the hold of that id, `manual` by default. Changes nothing if there is no such hold. */
  releaseHold(name: string, holdId?: string, by?: By): Promise<Breaker>;
  /** Closes the breaker by hand: counts become 0, all holds are released, the epoch rises. */
  reset(name: string, by?: By): Promise<Breaker>;
  /** Resets several breakers; returns them by name. Ignores `by.etag`. */
  resetAll(options?: ResetAllOptions, by?: By): Promise<readonly Breaker[]>;
  /** Asks whether a call may go ahead. Throws BREAKER_NOT_FOUND. No I/O. */
  acquire(name: string, clientId?: string): Permit;
  /**
   * Counts the outcome of a call with that permit, unless the breaker was deleted. Throws ARGUMENT_INVALID. No I/O.
   *
   * @param now the monotonic time in ms, if the caller has just read the engine's clock. Default: the clock is read.
   */
  record(name: string, permit: Permit, outcome: Outcome, durationMs?: number, now?: number): void;
  /** Returns the permit of a call that never started: nothing is counted. No I/O. */
  release(name: string, permit: Permit): void;
  /**
   * Counts a client's report, once however often it arrives. `seq` numbers the reports of one `reporterId` from 1 upwards;
   * a reporter is one run of one process of the client. Without `reporterId`, it numbers all reports of the client. Parts
   * about breakers that do not exist are ignored. Throws ARGUMENT_INVALID, and counts nothing then. No I/O.
   */
  report(clientId: string, seq: number | bigint, reports: readonly OutcomeReport[], reporterId?: string): ReportResult;
  /**
   * Compares what a breaker did in the last `spanMs` with what it would have done with this configuration. The span is from
   * 1 s to 1 h. Default: the whole recording. An absent option has the breaker's value. Changes nothing. Throws
   * ARGUMENT_INVALID.
   */
  simulate(name: string, config?: BreakerConfigFields, spanMs?: number): Simulation;
  /**
   * Calls `listener` during each transition of the breaker of that name, now and in the future, until the returned function
   * is called. The listener must not call the breakers.
   */
  onTransition(name: string, listener: (moved: Moved) => void): () => void;
  /** A breaker to call through in this process. The first call creates the breaker if it does not exist. */
  handle(name: string, options?: HandleOptions): BreakerHandle;
  /** Resolves when the write of every transition so far has succeeded or failed. */
  stored(): Promise<void>;
  /** Cancels every timer; resolves as `stored` does. Close it before the store. */
  close(): Promise<void>;
}

export interface HandleOptions {
  /** The configuration with which the breaker is created if it does not exist. */
  readonly config?: BreakerConfigFields;
  /** For calls without a fallback of their own. */
  readonly fallback?: BreakerFallback<unknown>;
}

/** A call that may go ahead. Settle or release it once. Later calls of its methods change nothing. */
export type HandlePermit = CallPermit;

/** A breaker to call through. It is created if it does not exist, at the first use or after a deletion. */
export interface BreakerHandle {
  /**
   * Calls `fn` if the breaker lets it through. A call that is rejected, fails or takes too long gives the fallback's
   * answer; without a fallback it rejects with BREAKER_OPEN, the error of `fn` or a TimeoutError. The signal of `fn` is
   * aborted when the caller no longer waits for the answer.
   */
  call<T>(fn: BreakerCall<T>, options?: BreakerCallOptions<T>): Promise<T>;
  /** A permit, or null if the breaker rejects the call. */
  tryAcquire(): Promise<HandlePermit | null>;
  manualOpen(by?: By): Promise<Breaker>;
  manualReset(by?: By): Promise<Breaker>;
}
