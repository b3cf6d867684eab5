import type { Client } from "@connectrpc/connect";
import { BreakerService } from "../../gen/helios/v1/breaker_service_pb.ts";
import {
  type Breakers,
  createBreakers,
  createManualClock,
  createMemoryStore,
  createRequestLog,
  Feed,
  type ManualClock,
  silentLog,
} from "../../src/core/index.ts";
import { createBreakerService } from "../../src/server/services/breaker.ts";
import { clientOf } from "./served.ts";

export interface Rig {
  readonly client: Client<typeof BreakerService>;
  readonly breakers: Breakers;
  readonly clock: ManualClock;
  readonly feed: Feed;
}

/** The service with its interceptors, without a socket. */
export async function rig(): Promise<Rig> {
  const clock = createManualClock();
  const feed = new Feed(createMemoryStore({ clock, incarnation: "incarnation" }));
  let ids = 0;
  const breakers = createBreakers({ feed, clock, newId: () => `lease-${++ids}`, random: () => 0.5, log: silentLog });
  const requests = createRequestLog({ feed, clock });
  await feed.start();
  await breakers.start();
  const service = createBreakerService({ breakers, clock, newId: () => crypto.randomUUID() });
  return { client: clientOf(BreakerService, service, requests), breakers, clock, feed };
}
