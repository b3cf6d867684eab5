import type { ServiceImpl } from "@connectrpc/connect";
import { type Breaker as BreakerMessage, BreakerSchema } from "../../../gen/helios/v1/breaker_pb.ts";
import { type BreakerService, ResetAllBreakersResponseSchema } from "../../../gen/helios/v1/breaker_service_pb.ts";
import { type Breaker, type BreakerResource, type Breakers, type Clock, CONFIG_FIELDS } from "../../core/index.ts";
import {
  fromBreakerConfig,
  fromConfigUpdate,
  fromOverride,
  fromReport,
  toBreaker,
  toPermit,
  toReportResponse,
  toSimulation,
} from "../map/breaker.ts";
import { byOf, fromDuration, refuseNothing } from "../map/common.ts";
import { whole } from "../map/message.ts";
import { wireSize } from "../map/size.ts";
import { resourceFrames } from "../map/watch.ts";
import { type Page, pageOf } from "./paging.ts";
import { watchFrames } from "./watching.ts";
import { checkDryPages, wholeOrFirst, wholeOrPage } from "./whole.ts";

export interface BreakerServiceDeps {
  readonly breakers: Breakers;
  readonly clock: Clock;
  readonly newId: () => string;
}

const breakerSize = (breaker: object): number => wireSize(BreakerSchema, breaker);

/** Implements BreakerService. Requests have been validated. */
export function createBreakerService({
  breakers,
  clock,
  newId,
}: BreakerServiceDeps): ServiceImpl<typeof BreakerService> {
  const frames = resourceFrames(
    BreakerSchema,
    clock,
    (resource: BreakerResource) => toBreaker(breakers.view(resource)),
    (chunk, complete) => ({ breakers: chunk, complete }),
  );
  return {
    async getOrCreateBreaker(request) {
      const config = request.config && fromBreakerConfig(request.config);
      const { breaker, created, configConflict } = await breakers.getOrCreate(request.name, config, byOf(request));
      return { breaker: toBreaker(breaker), created, configConflict };
    },

    getBreaker: ({ name }) => ({ breaker: toBreaker(breakers.get(name)) }),

    listBreakers(request) {
      const { items, nextPageToken } = pageOf(breakers.resources(), request, {
        keyOf: ({ name }) => name,
        toMessage: ({ name }) => toBreaker(breakers.get(name)),
        sizeOf: breakerSize,
      });
      return { breakers: items, nextPageToken };
    },

    async updateBreaker(request) {
      const { name, config, updateMask } = request;
      const fields = config ? fromConfigUpdate(config, updateMask, () => breakers.get(name).config) : {};
      refuseNothing(fields, { field: "config", known: Object.keys(CONFIG_FIELDS), etag: request.etag }, () => {
        const { resource } = breakers.get(name);
        return { name, etag: resource.etag };
      });
      return { breaker: toBreaker(await breakers.update(name, fields, byOf(request))) };
    },

    async deleteBreaker(request) {
      const { breaker, revision } = await breakers.delete(request.name, byOf(request));
      return { breaker: toBreaker(breaker), revision: whole(revision) };
    },

    acquirePermit: ({ name, clientId }) => toPermit(breakers.acquire(name, clientId)),

    reportOutcomes: ({ clientId, seq, reports, reporterId }) =>
      toReportResponse(breakers.report(clientId, seq, reports.map(fromReport), reporterId)),

    async openBreaker(request) {
      const { name, holdId, ttl } = request;
      return { breaker: toBreaker(await breakers.open(name, { holdId, ttlMs: fromDuration(ttl) }, byOf(request))) };
    },

    async setBreakerOverride(request) {
      const { name, override, holdId, ttl } = request;
      const decision = { kind: fromOverride(override), holdId, ttlMs: fromDuration(ttl) };
      return { breaker: toBreaker(await breakers.override(name, decision, byOf(request))) };
    },

    async releaseBreakerHold(request) {
      return { breaker: toBreaker(await breakers.releaseHold(request.name, request.holdId, byOf(request))) };
    },

    simulateBreaker({ name, config, span }) {
      return toSimulation(breakers.simulate(name, config && fromBreakerConfig(config), fromDuration(span)));
    },

    async resetBreaker(request) {
      return { breaker: toBreaker(await breakers.reset(request.name, byOf(request))) };
    },

    async resetAllBreakers(request, context) {
      checkDryPages(request);
      const { namePrefix, dryRun } = request;
      const reset = await breakers.resetAll({ namePrefix, dryRun }, byOf(request));
      const paged = {
        context,
        desc: ResetAllBreakersResponseSchema,
        keyOf: ({ name }: Breaker) => name,
        toMessage: toBreaker,
        sizeOf: breakerSize,
        toResponse: ({ items, nextPageToken }: Page<BreakerMessage>) => ({
          breakers: items,
          nextPageToken,
          breakersTotal: reset.length,
        }),
      };
      return dryRun ? wholeOrPage(reset, request, paged) : wholeOrFirst(reset, paged);
    },

    watchBreakers: (request, context) => watchFrames(breakers.hub, request, context, { clock, newId }, frames),
  };
}
