import { create } from "@bufbuild/protobuf";
import {
  Domain,
  type DomainStatus as DomainStatusMessage,
  DomainStatusSchema,
  type Event,
  EventSchema,
  type Status,
  StatusSchema,
  type WatchEventsResponse,
  WatchEventsResponseSchema,
} from "../../../gen/helios/v1/status_service_pb.ts";
import type { DomainStatus, EngineEvent, EngineStatus, EventDomain, Frame } from "../../core/index.ts";
import { toCause, toDuration, toOptionalTimestamp, toTimestamp } from "./common.ts";

/** What the server knows of itself. */
export interface ServerFacts {
  readonly version: string;
  /** Wall time in ms. */
  readonly startTime: number;
  readonly uptimeMs: number;
}

export function toStatus(status: EngineStatus, { version, startTime, uptimeMs }: ServerFacts): Status {
  return create(StatusSchema, {
    version,
    startTime: toTimestamp(startTime),
    uptime: toDuration(uptimeMs),
    revision: BigInt(status.revision),
    ready: status.ready,
    healthy: status.unhealthy.length === 0,
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
  return create(DomainStatusSchema, { total, byState: { ...byState }, watchers });
}

/** The domains that a request asks for; undefined: all. */
export function domainsOf(domains: readonly Domain[]): ReadonlySet<EventDomain> | undefined {
  const names: readonly EventDomain[] = ["MODULES", "FLAGS", "BREAKERS", "TESTS"];
  return domains.length === 0 ? undefined : new Set(names.filter((name) => domains.includes(Domain[name])));
}

/** A frame of WatchEvents with the events of those domains; one without any is a heartbeat. */
export function toEventsFrame(
  frame: Frame<EngineEvent, EngineEvent>,
  head: Pick<WatchEventsResponse, "revision" | "resumeToken">,
  domains: ReadonlySet<EventDomain> | undefined,
): WatchEventsResponse {
  const time = frame.kind === "heartbeat" ? frame.time : (frame.items.at(-1)?.time ?? 0);
  const events = frame.kind === "changes" ? frame.items.filter(({ domain }) => domains?.has(domain) ?? true) : [];
  return create(WatchEventsResponseSchema, {
    ...head,
    frame:
      events.length > 0
        ? { case: "events", value: { events: events.map(toEvent) } }
        : { case: "heartbeat", value: { serverTime: toTimestamp(time) } },
  });
}

function toEvent({ revision, time, domain, subject, cause, text }: EngineEvent): Event {
  return create(EventSchema, {
    revision: BigInt(revision),
    time: toTimestamp(time),
    domain: Domain[domain],
    name: subject,
    cause: toCause(cause),
    text,
  });
}
