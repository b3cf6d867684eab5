import { create } from "@bufbuild/protobuf";
import {
  type OpenWatch as OpenWatchMessage,
  OpenWatchSchema,
  type PendingClient,
  PendingClientSchema,
} from "../../../gen/helios/v1/status_service_pb.ts";
import type { ClientPosition, OpenWatch } from "../../core/index.ts";
import { toDuration, toTimestamp } from "./common.ts";

/** An answer names at most so many, however many there are. */
const MOST_NAMED = 1000;

export function toOpenWatches(watches: readonly OpenWatch[]): { watches: OpenWatchMessage[]; watchesTotal: number } {
  return { watches: watches.slice(0, MOST_NAMED).map(toOpenWatch), watchesTotal: watches.length };
}

function toOpenWatch({ acknowledged, ...watch }: OpenWatch): OpenWatchMessage {
  const { watchId, clientId, peer, rpc, names, since, told, lag, lagMs, waiting } = watch;
  return create(OpenWatchSchema, {
    watchId,
    clientId,
    peer,
    rpc,
    names,
    since: toTimestamp(since),
    toldRevision: BigInt(told),
    ...(acknowledged === undefined ? {} : { acknowledgedRevision: BigInt(acknowledged) }),
    lagRevisions: BigInt(lag),
    lag: toDuration(lagMs),
    waiting,
  });
}

export function toPending(pending: readonly ClientPosition[]): { pending: PendingClient[]; pendingTotal: number } {
  const messages = pending.slice(0, MOST_NAMED).map(({ clientId, watches, acknowledged, told }) =>
    create(PendingClientSchema, {
      clientId,
      watches,
      acknowledgedRevision: BigInt(acknowledged),
      toldRevision: BigInt(told),
    }),
  );
  return { pending: messages, pendingTotal: pending.length };
}
