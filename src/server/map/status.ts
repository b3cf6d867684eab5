import {
  Domain,
  type DomainStatus as DomainStatusMessage,
  DomainStatusSchema,
  type Event,
  EventSchema,
  type RecentChange as RecentChangeMessage,
  RecentChangeSchema,
  type Status,
  StatusSchema,
  type WatchEventsResponse,
  WatchEventsResponseSchema,
} from "../../../gen/helios/v1/status_service_pb.ts";
import {
  type DomainStatus,
  type EngineEvent,
  type EngineStatus,
  type EventDomain,
  encodedSize,
  type Frame,
  isAutomatic,
  KERNEL_VERSION,
  MOST_RECENT,
  oneLine,
  named as quoted,
  type RecentChange,
} from "../../core/index.ts";
import { CONTRACT_VERSION } from "../contract.ts";
import { toCause, toDuration, toOptionalTimestamp, toTimestamp } from "./common.ts";
import { make, whole } from "./message.ts";

/** What the server knows about itself. */
export interface ServerFacts {
  readonly version: string;
  /** Wall time in ms. */
  readonly startTime: number;
  readonly uptimeMs: number;
  /** The incarnation of the store. */
  readonly incarnation: string;
}

export function toStatus(
  status: EngineStatus,
  { version, startTime, uptimeMs, incarnation }: ServerFacts,
  watches: Pick<Status, "watches" | "watchesTotal">,
): Status {
  return make(StatusSchema, {
    ...watches,
    incarnation,
    contractVersion: CONTRACT_VERSION,
    kernelVersion: KERNEL_VERSION,
    version,
    startTime: toTimestamp(startTime),
    uptime: toDuration(uptimeMs),
    revision: whole(status.revision),
    ready: status.ready,
    healthy: status.unhealthy.length === 0,
    unhealthyTotal: status.unhealthy.length,
    unhealthy: status.unhealthy.map(({ domain, name, state, why, since }) => {
      const time = toOptionalTimestamp(since);
      return { domain: Domain[domain], name, state, why, ...(time === undefined ? {} : { since: time }) };
    }),
    modules: toDomainStatus(status.modules),
    flags: toDomainStatus(status.flags),
    breakers: toDomainStatus(status.breakers),
    tests: toDomainStatus(status.tests),
  });
}

function toDomainStatus({ total, byState, watchers }: DomainStatus): DomainStatusMessage {
  return make(DomainStatusSchema, { total: total, byState: { ...byState }, watchers: watchers });
}

/** The domains that a request selects. Undefined means all. */
export function domainsOf(domains: readonly Domain[]): ReadonlySet<EventDomain> | undefined {
  const names: readonly EventDomain[] = ["MODULES", "FLAGS", "BREAKERS", "TESTS", "CLIENTS"];
  return domains.length === 0 ? undefined : new Set(names.filter((name) => domains.includes(Domain[name])));
}

/** A frame of WatchEvents with the events of those domains. A frame without events is a heartbeat. */
export function toEventsFrame(
  frame: Frame<EngineEvent, EngineEvent>,
  head: Pick<WatchEventsResponse, "revision" | "resumeToken">,
  domains: ReadonlySet<EventDomain> | undefined,
  recent: ReadonlyMap<number, readonly RecentChange[]>,
): WatchEventsResponse {
  const time = frame.kind === "heartbeat" ? frame.time : (frame.items.at(-1)?.time ?? 0);
  const headRevision = frame.kind === "heartbeat" ? whole(frame.head) : head.revision;
  const events = frame.kind === "changes" ? frame.items.filter(({ domain }) => domains?.has(domain) ?? true) : [];
  return make(WatchEventsResponseSchema, {
    ...head,
    frame:
      events.length > 0
        ? { case: "events", value: { events: events.map((event) => toEvent(event, recent.get(event.revision))) } }
        : { case: "heartbeat", value: { serverTime: toTimestamp(time), headRevision } },
  });
}

export function toRecentChange({ domain, name, revision, time, cause }: RecentChange): RecentChangeMessage {
  return make(RecentChangeSchema, {
    domain: Domain[domain],
    name,
    revision: whole(revision),
    time: toTimestamp(time),
    cause: toCause(cause),
  });
}

/** Upper bound of the bytes of a recent change in an event: its name, actor and reason with their longest texts. */
const RECENT_BYTES = 8192;

/** Upper bound of the bytes of an event in any protocol. An event of a breaker may also list recent changes. */
export function eventSize({ domain, cause, ...event }: EngineEvent): number {
  const recent = domain === "BREAKERS" && isAutomatic(cause) ? MOST_RECENT * RECENT_BYTES : 0;
  return encodedSize({ ...event, cause }) + EVENT_BYTES + recent;
}

const EVENT_BYTES = 256;

function toEvent(
  { revision, time, domain, subject, cause, text }: EngineEvent,
  recent: readonly RecentChange[] = [],
): Event {
  return make(EventSchema, {
    revision: whole(revision),
    time: toTimestamp(time),
    domain: Domain[domain],
    name: subject,
    cause: toCause(cause),
    text: text + oneLine(inLine(recent)),
    recentChanges: recent.map(toRecentChange),
  });
}

/** Recent changes that the text of an event names; it also says how many more there are. @limit changes */
const IN_LINE = 3;

function inLine(recent: readonly RecentChange[]): string {
  if (recent.length === 0) return "";
  const named = recent.slice(0, IN_LINE).map(({ name, cause: { action, actor } }) => {
    return `${name} (${action}${actor === undefined ? "" : ` by ${quoted(actor)}`})`;
  });
  const more = recent.length > IN_LINE ? ` and ${recent.length - IN_LINE} more` : "";
  return `; changed shortly before: ${named.join(", ")}${more}`;
}
