import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  Domain,
  type StatusService,
  type Unhealthy,
  UnhealthySchema,
} from "../../../gen/helios/v1/status_service_pb.ts";
import { OnCompacted } from "../../../gen/helios/v1/watch_pb.ts";
import {
  type Clock,
  type Engine,
  type EngineEvent,
  type Frame,
  isAutomatic,
  type RecentChange,
} from "../../core/index.ts";
import { toOpenWatches, toPending } from "../map/clients.ts";
import { fromDuration, fromWhole, toCause } from "../map/common.ts";
import { mapFitting, wireSize } from "../map/size.ts";
import { domainsOf, eventSize, toEventsFrame, toRecentChange, toStatus } from "../map/status.ts";
import { type FirstHead, headOf } from "../map/watch.ts";
import { createWatchAll, type EventsRequest, type Watches } from "./watch-all.ts";
import { watchFrames } from "./watching.ts";

/**
 * Time that `WaitForRevision` waits, unless `timeout` says otherwise; then it answers with the clients that are still
 * missing. @limit ms
 */
const DEFAULT_WAIT_MS = 10_000;
/** Time that `WaitForRevision` waits, however long `timeout` is. @limit ms */
const MAX_WAIT_MS = 300_000;
/** Open breakers for which `GetStatus` says what opened them; the others are listed without. @limit breakers */
const MOST_EXPLAINED = 100;

type EventsFrame = Frame<EngineEvent, EngineEvent>;

export interface StatusServiceDeps {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly newId: () => string;
  /** The version of Helios. */
  readonly version: string;
  /** The watches of the other services, which WatchAll sends too. */
  readonly watches: Omit<Watches, "watchEvents">;
}

export function createStatusService({
  engine,
  clock,
  newId,
  version,
  watches,
}: StatusServiceDeps): ServiceImpl<typeof StatusService> {
  const startTime = clock.now();
  const started = clock.monotonic();
  const { clients, hints, store } = engine;

  const fromRevision = (revision: bigint): number => fromWhole(revision, "revision", (text) => clients.unknown(text));

  /** Adds the cause to an open breaker. */
  const explain = async (breaker: Unhealthy): Promise<void> => {
    const openedBy = await hints.openedBy(breaker.name);
    if (openedBy === undefined) return;
    breaker.cause = toCause(openedBy.cause);
    breaker.recentChanges = openedBy.recent.map(toRecentChange);
  };

  /** Returns the changes shortly before each automatic event of a breaker, by the revision of the event. */
  const recentOf = async (frame: EventsFrame): Promise<Map<number, readonly RecentChange[]>> => {
    const items = frame.kind === "changes" ? frame.items : [];
    const trips = items.filter(({ domain, cause }) => domain === "BREAKERS" && isAutomatic(cause));
    return new Map(
      await Promise.all(
        trips.map(async ({ revision, time }) => [revision, await hints.before(revision, time)] as const),
      ),
    );
  };

  const watchEvents = async function* (request: EventsRequest, context: HandlerContext) {
    const domains = domainsOf(request.domains);
    const { resumeToken, heartbeatInterval, clientId, client } = request;
    // Events have no state to start over with, so missing events are an error.
    const watch = { names: [], resumeToken, heartbeatInterval, onCompacted: OnCompacted.ERROR, clientId, client };
    const frames = { sizeOf: eventSize, map: (frame: EventsFrame, first?: FirstHead) => ({ frame, first }) };
    for await (const { frame, first } of watchFrames(engine.events, watch, context, { clock, newId }, frames))
      yield toEventsFrame(frame, headOf(frame, first), domains, await recentOf(frame));
  };

  return {
    async getStatus() {
      const uptimeMs = clock.monotonic() - started;
      const { incarnation } = store;
      const watches = toOpenWatches(clients.list());
      const status = toStatus(engine.status(), { version, startTime, uptimeMs, incarnation }, watches);
      const breakers = status.unhealthy.filter(({ domain }) => domain === Domain.BREAKERS);
      await Promise.all(breakers.slice(0, MOST_EXPLAINED).map(explain));
      status.unhealthy = mapFitting(status.unhealthy, {
        toMessage: (one) => one,
        sizeOf: (one) => wireSize(UnhealthySchema, one),
      });
      return { status };
    },

    ackRevision({ clientId, revision, watchId }) {
      return { watches: clients.acknowledge(clientId, fromRevision(revision), watchId) };
    },

    async waitForRevision({ revision, minClients, all, timeout, incarnation }, { signal }) {
      const timeoutMs = Math.min(fromDuration(timeout) ?? DEFAULT_WAIT_MS, MAX_WAIT_MS);
      const wait = {
        revision: fromRevision(revision),
        minClients,
        all,
        timeoutMs,
        incarnation: incarnation || undefined,
      };
      const { reached, acknowledged, pending, unnamed } = await clients.waitFor({ ...wait, signal });
      return { reached, acknowledgedClients: acknowledged, ...toPending(pending), unnamedWatches: unnamed };
    },

    watchEvents,

    watchAll: createWatchAll({ ...watches, watchEvents }),
  };
}
