import { type By, causeOf } from "../change.ts";
import type { Clock } from "../clock.ts";
import { HeliosError } from "../errors.ts";
import type { Log } from "../log.ts";
import { Collection, type Delta, type Resource } from "../store/collection.ts";
import type { Feed } from "../store/feed.ts";
import type { Hub } from "../watch/hub.ts";
import type { BreakerConfig, BreakerState, Outcome, Permit } from "./breaker.ts";
import { type BreakerConfigFields, completeConfig, sameConfig } from "./config.ts";
import type { BreakerCounts } from "./counts.ts";
import { type BreakerHandle, createHandle, type HandleOptions } from "./handle.ts";
import { LiveBreaker } from "./live.ts";
import type { BreakerOverride, BreakerRecord } from "./record.ts";
import { ReportLog } from "./reports.ts";

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
  readonly override: BreakerOverride | undefined;
  readonly epoch: number;
  readonly counts: BreakerCounts & { readonly consecutiveFailures: number; readonly consecutiveSuccesses: number };
  /** How long calls will be rejected yet; absent unless open, or where only a human can end it. */
  readonly retryAfterMs: number | undefined;
  /** Probes under way. */
  readonly probes: number;
}

/** Outcomes of one breaker's calls, all of one epoch, in the order in which the calls ended. */
export interface OutcomeReport {
  readonly name: string;
  readonly epoch: number;
  readonly leaseId?: string | undefined;
  readonly runs: readonly { readonly outcome: Outcome; readonly count: number }[];
}

export interface BreakersDeps {
  /** Not started yet. */
  readonly feed: Feed;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Log;
}

/**
 * The circuit breakers. What trips one trips it at once, in memory, for rejecting cannot wait for the disk; each
 * transition is then stored, which is how watchers and the next start learn of it. What a human asks for is stored first.
 * Mutations can reject with BREAKER_NOT_FOUND, ARGUMENT_INVALID, ETAG_MISMATCH and STORE_UNAVAILABLE.
 */
export interface Breakers {
  readonly hub: Hub<Delta<BreakerRecord>, BreakerResource>;
  /** After the feed was started: goes on where the store stopped. */
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
  /** The breaker of a stored state, with the counts of now; for watchers. */
  view(resource: BreakerResource): Breaker;
  /** Changes the configuration; state and counts stay. */
  update(name: string, config: BreakerConfigFields, by?: By): Promise<Breaker>;
  delete(name: string, by?: By): Promise<{ readonly breaker: Breaker; readonly revision: number }>;
  /** Opens it by hand: it stays open until it is reset. */
  open(name: string, by?: By): Promise<Breaker>;
  /** Closes it by hand: counts 0, override released, epoch raised. */
  reset(name: string, by?: By): Promise<Breaker>;
  /** Resets those whose name starts so, or only tells which. */
  resetAll(options?: { readonly namePrefix?: string; readonly dryRun?: boolean }, by?: By): Promise<readonly Breaker[]>;
  /** Asks whether a call may go ahead. BREAKER_NOT_FOUND. No I/O. */
  acquire(name: string, clientId?: string): Permit;
  /** Tells how a call with that permit went; nothing where the breaker is gone. No I/O. */
  record(name: string, permit: Permit, outcome: Outcome): void;
  /** Counts a client's report; a report that arrived before is not counted again. No I/O. */
  report(
    clientId: string,
    seq: number,
    reports: readonly OutcomeReport[],
  ): { readonly duplicate: boolean; readonly unknownNames: readonly string[] };
  /** A breaker to call through, in this process; created at the first call where it is not there. */
  handle(name: string, options?: HandleOptions): BreakerHandle;
  /** Resolves when every transition so far is stored, or could not be. */
  stored(): Promise<void>;
  close(): Promise<void>;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/;

export function createBreakers(deps: BreakersDeps): Breakers {
  const { feed, clock, newId } = deps;
  const collection = new Collection<BreakerRecord>(feed, "breaker/");
  const reports = new ReportLog();
  const live = new Map<string, LiveBreaker>();

  const take = (resource: BreakerResource): LiveBreaker => {
    const breaker = new LiveBreaker(resource, collection, deps);
    live.set(resource.name, breaker);
    return breaker;
  };
  collection.onChange(({ name, resource }) => {
    const known = live.get(name);
    if (resource === undefined) {
      known?.stop();
      live.delete(name);
    } else if (known === undefined) {
      take(resource);
    } else {
      known.follow(resource);
    }
  });

  const notFound = (name: string): HeliosError => HeliosError.of("BREAKER_NOT_FOUND", { name });
  const find = (name: string): LiveBreaker => {
    const breaker = live.get(name);
    if (breaker === undefined) throw notFound(name);
    return breaker;
  };

  const breakers: Breakers = {
    hub: collection.hub,
    async start() {
      for (const resource of collection.list()) take(resource).resume();
    },
    async getOrCreate(name, fields, by) {
      if (!NAME.test(name)) {
        const problem = "must be letters, digits and _ . : -, at most 128, a letter or digit first";
        throw HeliosError.of("ARGUMENT_INVALID", { field: "name", problem });
      }
      const config = completeConfig(fields);
      const known = live.get(name);
      let created = false;
      if (known === undefined) {
        await collection.change(name, causeOf("GetOrCreateBreaker", by), (current) => {
          created = current === undefined;
          const transition = { ...causeOf("GetOrCreateBreaker", by), time: clock.now() };
          return created ? { config, state: "CLOSED", epoch: 1, transition } : undefined;
        });
      }
      const breaker = find(name).now();
      return { breaker, created, configConflict: fields !== undefined && !sameConfig(breaker.config, config) };
    },
    get: (name) => find(name).now(),
    list: () => collection.list().flatMap(({ name }) => live.get(name)?.now() ?? []),
    view: (resource) => live.get(resource.name)?.view(resource) ?? LiveBreaker.gone(resource),
    update: (name, fields, by) => find(name).configure(fields, by),
    async delete(name, by) {
      const breaker = find(name).now();
      const removed = await collection.remove(name, causeOf("DeleteBreaker", by), undefined, by?.etag);
      if (removed === undefined) throw notFound(name);
      return { breaker: { ...breaker, resource: removed }, revision: feed.revision };
    },
    open: (name, by) => find(name).forceOpen(by),
    reset: (name, by) => find(name).reset(by),
    async resetAll({ namePrefix = "", dryRun = false } = {}, by) {
      const chosen = breakers.list().filter(({ name }) => name.startsWith(namePrefix));
      if (dryRun) return chosen;
      const { actor, reason } = by ?? {};
      return Promise.all(chosen.map(({ name }) => find(name).reset({ actor, reason }, "ResetAllBreakers")));
    },
    acquire: (name, clientId = "") => find(name).acquire(newId, clientId),
    record(name, permit, outcome) {
      if (permit.allowed) live.get(name)?.outcome(permit.epoch, permit.leaseId, outcome);
    },
    report(clientId, seq, all) {
      if (!reports.isNew(clientId, seq)) return { duplicate: true, unknownNames: [] };
      const unknown = new Set<string>();
      for (const { name, epoch, leaseId, runs } of all) {
        const breaker = live.get(name);
        if (breaker === undefined) {
          unknown.add(name);
          continue;
        }
        for (const { outcome, count } of runs) {
          for (let call = 0; call < count; call += 1) breaker.outcome(epoch, leaseId, outcome);
        }
      }
      return { duplicate: false, unknownNames: [...unknown] };
    },
    handle: (name, options) => createHandle(breakers, clock, name, options),
    async stored() {
      await Promise.all([...live.values()].map((breaker) => breaker.stored()));
    },
    async close() {
      for (const breaker of live.values()) breaker.stop();
      await breakers.stored();
    },
  };
  return breakers;
}
