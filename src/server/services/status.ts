import type { ServiceImpl } from "@connectrpc/connect";
import type { StatusService } from "../../../gen/helios/v1/status_service_pb.ts";
import { OnCompacted } from "../../../gen/helios/v1/watch_pb.ts";
import type { Clock, Engine } from "../../core/index.ts";
import { domainsOf, toEventsFrame, toStatus } from "../map/status.ts";
import { watchFrames } from "./watching.ts";

export interface StatusServiceDeps {
  readonly engine: Engine;
  readonly clock: Clock;
  /** Of Helios. */
  readonly version: string;
}

export function createStatusService({ engine, clock, version }: StatusServiceDeps): ServiceImpl<typeof StatusService> {
  const startTime = clock.now();
  const started = clock.monotonic();
  return {
    getStatus() {
      const uptimeMs = clock.monotonic() - started;
      return { status: toStatus(engine.status(), { version, startTime, uptimeMs }) };
    },
    watchEvents(request, context) {
      const domains = domainsOf(request.domains);
      const { resumeToken, heartbeatInterval } = request;
      // There is no state to start over with: events that are gone are an error.
      const watch = { names: [], resumeToken, heartbeatInterval, onCompacted: OnCompacted.ERROR };
      return watchFrames(engine.events, watch, context, clock, (frame, head) => toEventsFrame(frame, head, domains));
    },
  };
}
