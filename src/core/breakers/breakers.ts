import type { BreakerConfig, BreakerState, Outcome, Permit } from "../../kernel/breakers/breaker.ts";
import type { Tally } from "../../kernel/breakers/policy/call.ts";
import type { OverrideKind } from "../../kernel/breakers/policy/holds.ts";
import type { Clock } from "../../kernel/clock.ts";
import { type By, causeOf } from "../change.ts";
import { HeliosError, isReason } from "../errors.ts";
import type { Log } from "../log.ts";
import { checkName } from "../names.ts";
import { Collection, type Delta, type Resource } from "../store/collection.ts";
import type { Feed } from "../store/feed.ts";
import type { Hub, HubObserver } from "../watch/hub.ts";
import { checkHoldId, checkOverride, checkSimulated } from "./checks.ts";
import { type BreakerConfigFields, completeConfig, sameConfig } from "./config.ts";
import { type BreakerCounts, Counters } from "./counts.ts";
import { describeStored } from "./describe.ts";
import { type BreakerHandle, createHandle, type HandleOptions } from "./handle.ts";
import type { IsolatedClient } from "./isolation.ts";
import { LiveBreaker } from "./live.ts";
import { Lives } from "./lives.ts";
import { Presence } from "./presence.ts";
import type { BreakerHold, BreakerRecord, TransitionRecord } from "./record.ts";
import { checkOutcome, checkReports, type OutcomeReport, ReportLog } from "./reports.ts";
import type { Simulation } from "./simulate.ts";

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

export interface BreakersDeps {
  /** Not started yet. */
  readonly feed: Feed;
  readonly clock: Clock;
  readonly newId: () => string;
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly log: Log;
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
  open(name: string, by?: By, options?: Omit<OverrideRequest, "kind">): Promise<Breaker>;
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

export function createBreakers(deps: BreakersDeps): Breakers {
  const { feed, clock, log } = deps;
  const collection = new Collection<BreakerRecord>(feed, "breaker/");
  const reports = new ReportLog();
  const live = new Map<string, LiveBreaker>();
  let closed = false;
  const lives = new Lives(collection, feed);

  const listeners = new Map<string, Set<(moved: Moved) => void>>();

  const take = (resource: BreakerResource): void => {
    const onMove = (moved: Moved): void => {
      for (const listener of listeners.get(resource.name) ?? []) listener(moved);
    };
    const breaker = new LiveBreaker(resource, collection, { ...deps, onMove });
    live.set(resource.name, breaker);
    breaker.resume();
  };
  collection.onChange((delta) => {
    const { name, resource, revision, cause } = delta;
    const known = live.get(name);
    if (resource === undefined) {
      known?.delete(revision);
      if (known !== undefined) lives.ended(name, known.epoch);
      live.delete(name);
    } else if (known === undefined) {
      take(resource);
    } else {
      known.follow(resource, cause);
    }
    // Transitions are told by the machine, as they happen.
    if (CHANGES.has(cause.action)) log("breakers", "info", "breaker changed", { name, revision, ...cause });
  });

  const notFound = (name: string): HeliosError => HeliosError.of("BREAKER_NOT_FOUND", { name });
  const find = (name: string): LiveBreaker => {
    const breaker = live.get(name);
    if (breaker === undefined) throw notFound(name);
    return breaker;
  };
  const inService = (name: string): LiveBreaker => {
    if (closed || feed.closed) throw HeliosError.of("SERVER_DRAINING", {});
    return find(name);
  };

  const override = async (
    name: string,
    request: OverrideRequest,
    by: By | undefined,
    action: string,
  ): Promise<Breaker> => inService(name).hold(checkOverride(request), by, action);

  const breakers: Breakers = {
    hub: collection.hub,
    presence: new Presence((clientId) => {
      if (closed || collection.hub.ended) return;
      for (const breaker of live.values()) breaker.lose(clientId);
    }),
    async start() {
      for (const resource of collection.list()) take(resource);
    },
    async getOrCreate(name, fields, by) {
      checkName("name", name);
      const config = completeConfig(fields);
      const cause = causeOf("GetOrCreateBreaker", by);
      let created = false;
      // Somebody may delete it as soon as it is there.
      while (!live.has(name) && !closed && !feed.closed) {
        const since = await lives.firstEpochSince(name);
        await collection.change(name, cause, (current) => {
          created = current === undefined;
          if (!created) return undefined;
          const { warmUpMs } = config;
          const time = clock.now();
          const epoch = Math.max(since, lives.firstEpoch(name));
          const warmth = warmUpMs === 0 ? {} : { warmUntil: time + warmUpMs };
          return { config, state: "CLOSED", epoch, ...warmth, transition: { ...cause, time } };
        });
      }
      const breaker = inService(name).now();
      return { breaker, created, configConflict: fields !== undefined && !sameConfig(breaker.config, config) };
    },
    get: (name) => find(name).now(),
    resources: () => collection.list(),
    list: () => collection.list().flatMap(({ name }) => live.get(name)?.now() ?? []),
    view: (resource) => live.get(resource.name)?.view(resource) ?? describeStored(resource, new Counters().counts),
    async update(name, fields, by) {
      return inService(name).configure(fields, by);
    },
    async delete(name, by) {
      const known = inService(name);
      const breaker = known.now();
      const resource = await collection.remove(name, causeOf("DeleteBreaker", by), undefined, by?.etag);
      if (resource === undefined || known.deletedAt === undefined) throw notFound(name);
      return { breaker: { ...breaker, resource }, revision: known.deletedAt };
    },
    open: (name, by, options) => override(name, { ...options, kind: "FORCED_OPEN" }, by, "OpenBreaker"),
    override: (name, request, by) => override(name, request, by, "SetBreakerOverride"),
    async releaseHold(name, holdId, by) {
      return inService(name).releaseHold(checkHoldId(holdId), by);
    },
    async reset(name, by) {
      return inService(name).reset(by);
    },
    async resetAll({ namePrefix = "", dryRun = false } = {}, by) {
      const chosen = breakers.list().filter(({ name }) => name.startsWith(namePrefix));
      const { actor, reason } = by ?? {};
      causeOf("ResetAllBreakers", { actor, reason });
      if (dryRun) return chosen;
      const resets = chosen.map(async ({ name }): Promise<Breaker | undefined> => {
        try {
          return await inService(name).reset({ actor, reason }, "ResetAllBreakers");
        } catch (error) {
          // Deleted meanwhile: there is nothing left to reset.
          if (isReason(error, "BREAKER_NOT_FOUND")) return undefined;
          throw error;
        }
      });
      return (await Promise.all(resets)).filter((breaker) => breaker !== undefined);
    },
    acquire: (name, clientId = "") => inService(name).acquire(clientId),
    record(name, permit, outcome, durationMs = 0) {
      checkOutcome(outcome);
      if (permit.allowed) live.get(name)?.settle(permit.epoch, permit.leaseId, outcome, durationMs);
    },
    release(name, permit) {
      if (permit.allowed) live.get(name)?.release(permit.epoch, permit.leaseId);
    },
    report(clientId, seq, all, reporterId) {
      if (closed) throw HeliosError.of("SERVER_DRAINING", {});
      checkReports(clientId, seq, all);
      const duplicate = !reports.isNew(clientId, seq, reporterId);
      const names = new Set(all.map(({ name }) => name));
      if (!duplicate) for (const one of all) live.get(one.name)?.report(one, clientId);
      return {
        duplicate,
        unknownNames: [...names].filter((name) => !live.has(name)),
        isolated: [...names].flatMap((name) => {
          const isolation = live.get(name)?.isolationOf(clientId);
          if (isolation === undefined) return [];
          const { state, retryAfterMs } = isolation;
          return [{ name, state, retryAfterMs }];
        }),
      };
    },
    simulate: (name, fields, spanMs) => find(name).simulate(fields, checkSimulated(spanMs)),
    onTransition(name, listener) {
      const own = listeners.get(name) ?? new Set();
      listeners.set(name, own.add(listener));
      return () => {
        own.delete(listener);
        if (own.size === 0 && listeners.get(name) === own) listeners.delete(name);
      };
    },
    handle: (name, options) => createHandle(breakers, clock, name, options),
    async stored() {
      await Promise.all([...live.values()].map((breaker) => breaker.stored()));
    },
    async close() {
      closed = true;
      for (const breaker of live.values()) breaker.stop();
      await breakers.stored();
    },
  };
  return breakers;
}

const CHANGES: ReadonlySet<string> = new Set(["GetOrCreateBreaker", "UpdateBreaker", "DeleteBreaker"]);
