import type { Clock } from "../../kernel/clock.ts";
import { type By, causeOf } from "../change.ts";
import { HeliosError, isReason } from "../errors/error.ts";
import type { Log } from "../log.ts";
import { Collection } from "../store/collection.ts";
import type { Feed } from "../store/feed.ts";
import { checkName } from "../text/names.ts";
import { Presence } from "./clients/presence.ts";
import { checkOutcome, checkReports, ReportLog } from "./clients/reports.ts";
import { completeConfig, sameConfig } from "./config.ts";
import { Lives } from "./epochs.ts";
import { createHandle } from "./handle.ts";
import { Counters } from "./live/counts.ts";
import { describeStored } from "./live/describe.ts";
import { LiveBreaker } from "./live/live.ts";
import type { BreakerRecord } from "./record.ts";
import type { Breaker, BreakerResource, Breakers, Moved, OverrideRequest } from "./types.ts";
import { checkHoldId, checkOverride, checkSimulated } from "./validate.ts";

export interface BreakersDeps {
  /** Not started yet. */
  readonly feed: Feed;
  readonly clock: Clock;
  readonly newId: () => string;
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly log: Log;
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
      const resource = await collection.delete(name, causeOf("DeleteBreaker", by), undefined, by?.etag);
      if (resource === undefined || known.deletedAt === undefined) throw notFound(name);
      return { breaker: { ...breaker, resource }, revision: known.deletedAt };
    },
    open: (name, options, by) => override(name, { ...options, kind: "FORCED_OPEN" }, by, "OpenBreaker"),
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
