import { causeOf } from "../change.ts";
import { HeliosError, isReason } from "../errors/error.ts";
import { ReportLog } from "../report-log.ts";
import { checkName } from "../text/names.ts";
import { Presence } from "./clients/presence.ts";
import { createHandle } from "./handle.ts";
import { Counters } from "./live/counts.ts";
import { type Breaker, describeStored } from "./live/describe.ts";
import type { Breakers } from "./types.ts";
import { checkOutcome, checkReports, checkSimulated, completeConfig, sameConfig } from "./validate.ts";
import { type BreakerViewDeps, createBreakerView } from "./view.ts";
import { createBreakerWriter } from "./write.ts";

export type BreakersDeps = BreakerViewDeps;

export function createBreakers(deps: BreakersDeps): Breakers {
  const { clock } = deps;
  const view = createBreakerView(deps);
  const writer = createBreakerWriter(view, clock);
  const reports = new ReportLog();
  let closed = false;

  const breakers: Breakers = {
    hub: view.hub,
    presence: new Presence((clientId) => {
      if (closed || view.hub.ended) return;
      for (const breaker of view.list()) breaker.lose(clientId);
    }),

    async start() {
      view.start();
    },

    get: (name) => view.get(name).now(),
    list: () => view.list().map((breaker) => breaker.now()),
    resources: () => view.collection.list(),
    view: (resource) => view.find(resource.name)?.view(resource) ?? describeStored(resource, new Counters().counts),

    async getOrCreate(name, fields, by) {
      checkName("name", name);
      const config = completeConfig(fields);
      const created = await writer.create(name, config, by);
      const breaker = view.inService(name).now();
      return { breaker, created, configConflict: fields !== undefined && !sameConfig(breaker.config, config) };
    },

    update: (name, fields, by) => writer.update(name, fields, by),
    delete: (name, by) => writer.delete(name, by),
    open: (name, options, by) => writer.hold(name, { ...options, kind: "FORCED_OPEN", action: "OpenBreaker" }, by),
    override: (name, request, by) => writer.hold(name, { ...request, action: "SetBreakerOverride" }, by),
    releaseHold: (name, holdId, by) => writer.releaseHold(name, holdId, by),
    reset: (name, by) => writer.reset(name, { action: "ResetBreaker" }, by),

    async resetAll({ namePrefix = "", dryRun = false } = {}, by) {
      const action = "ResetAllBreakers";
      const chosen = breakers.list().filter(({ name }) => name.startsWith(namePrefix));
      const { actor, reason } = by ?? {};
      causeOf(action, { actor, reason });
      if (dryRun) return chosen;
      const resets = chosen.map(async ({ name }): Promise<Breaker | undefined> => {
        try {
          return await writer.reset(name, { action }, { actor, reason });
        } catch (error) {
          // It was deleted meanwhile, so there is nothing to reset.
          if (isReason(error, "BREAKER_NOT_FOUND")) return undefined;
          throw error;
        }
      });
      return (await Promise.all(resets)).filter((breaker) => breaker !== undefined);
    },

    acquire: (name, clientId = "") => view.inService(name).acquire(clientId),

    record(name, permit, outcome, durationMs = 0, now = clock.monotonic()) {
      checkOutcome(outcome);
      if (permit.allowed) view.find(name)?.settle(now, permit.epoch, permit.leaseId, outcome, durationMs);
    },

    release(name, permit) {
      if (permit.allowed) view.find(name)?.release(permit.epoch, permit.leaseId);
    },

    report(clientId, seq, all, reporterId) {
      if (closed) throw HeliosError.of("SERVER_DRAINING", {});
      checkReports(clientId, seq, all);
      const duplicate = !reports.isNew(clientId, seq, reporterId);
      const names = new Set(all.map(({ name }) => name));
      if (!duplicate) for (const one of all) view.find(one.name)?.report(one, clientId);
      return {
        duplicate,
        unknownNames: [...names].filter((name) => view.find(name) === undefined),
        isolated: [...names].flatMap((name) => {
          const isolation = view.find(name)?.isolationOf(clientId);
          if (isolation === undefined) return [];
          const { state, retryAfterMs } = isolation;
          return [{ name, state, retryAfterMs }];
        }),
      };
    },

    simulate: (name, fields, spanMs) => view.get(name).simulate(fields, checkSimulated(spanMs)),
    onTransition: (name, listener) => view.onTransition(name, listener),
    handle: (name, options) => createHandle(breakers, view, clock, name, options),

    async stored() {
      await Promise.all(view.list().map((breaker) => breaker.stored()));
    },

    async close() {
      closed = true;
      view.close();
      await breakers.stored();
    },
  };
  return breakers;
}
