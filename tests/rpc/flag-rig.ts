import type { Client } from "@connectrpc/connect";
import { FlagService } from "../../gen/helios/v1/flag_service_pb.ts";
import {
  createFlags,
  createMemoryStore,
  createRequestLog,
  Feed,
  type ManualClock,
  silentLog,
} from "../../src/core/index.ts";
import { compileCondition } from "../../src/server/cel/condition.ts";
import { createFlagService } from "../../src/server/services/flag.ts";
import { watchedClock } from "../support/clocks.ts";
import { clientOf } from "./served.ts";

export interface Rig {
  readonly client: Client<typeof FlagService>;
  readonly clock: ManualClock;
  readonly feed: Feed;
  /** The delays of all timers that were set, oldest first. */
  readonly delays: readonly number[];
  /** Sets the text of the flags file. */
  write(text: string): void;
}

/** The service with its interceptors, without a socket, and without flags. */
export async function rig(): Promise<Rig> {
  const { clock, delays } = watchedClock();
  const feed = new Feed(createMemoryStore({ clock, incarnation: "incarnation" }));
  let text = "{}";
  const file = { name: "flags.json", read: async () => text };
  const flags = createFlags({ feed, clock, log: silentLog, file, compileCondition });
  const requests = createRequestLog({ feed, clock });
  await feed.start();
  await flags.start();
  const service = createFlagService({ flags, clock, newId: () => crypto.randomUUID() });
  return {
    client: clientOf(FlagService, service, requests),
    clock,
    feed,
    delays,
    write: (next) => {
      text = next;
    },
  };
}
