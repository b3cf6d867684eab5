import {
  type OpenWatch as OpenWatchMessage,
  OpenWatchSchema,
  type PendingClient,
  PendingClientSchema,
} from "../../../gen/helios/v1/status_service_pb.ts";
import type { ClientInfo as ClientInfoMessage } from "../../../gen/helios/v1/watch_pb.ts";
import type { ClientInfo, ClientPosition, OpenWatch } from "../../core/index.ts";
import { toDuration, toTimestamp } from "./common.ts";
import { make, whole } from "./message.ts";
import { mapFitting, wireSize } from "./size.ts";

/** Watches or clients that an answer lists; further ones are counted. @limit watches */
const MOST_NAMED = 1000;

export function toOpenWatches(watches: readonly OpenWatch[]): { watches: OpenWatchMessage[]; watchesTotal: number } {
  const sizeOf = (watch: object): number => wireSize(OpenWatchSchema, watch);
  const fitting = mapFitting(watches.slice(0, MOST_NAMED), { toMessage: toOpenWatch, sizeOf });
  return { watches: fitting, watchesTotal: watches.length };
}

/** Returns what a client says about itself. Nothing else of its message is kept. */
export function fromClientInfo(message: ClientInfoMessage | undefined): ClientInfo | undefined {
  if (message === undefined) return undefined;
  const { library, contractVersion, kernelVersion } = message;
  return { library, contractVersion, kernelVersion };
}

function toOpenWatch({ acknowledged, info, ...watch }: OpenWatch): OpenWatchMessage {
  const { watchId, clientId, peer, rpc, names, since, delivered, lag, lagMs, waiting } = watch;
  return make(OpenWatchSchema, {
    watchId,
    clientId,
    peer,
    rpc,
    names,
    since: toTimestamp(since),
    toldRevision: whole(delivered),
    ...(acknowledged === undefined ? {} : { acknowledgedRevision: whole(acknowledged) }),
    lagRevisions: whole(lag),
    lag: toDuration(lagMs),
    waiting,
    ...(info === undefined ? {} : { client: { ...info } }),
  });
}

export function toPending(pending: readonly ClientPosition[]): { pending: PendingClient[]; pendingTotal: number } {
  const sizeOf = (client: object): number => wireSize(PendingClientSchema, client);
  const messages = mapFitting(pending.slice(0, MOST_NAMED), { toMessage: toPendingClient, sizeOf });
  return { pending: messages, pendingTotal: pending.length };
}

function toPendingClient({ clientId, watches, acknowledged, delivered }: ClientPosition): PendingClient {
  const [acknowledgedRevision, toldRevision] = [whole(acknowledged), whole(delivered)];
  return make(PendingClientSchema, { clientId, watches, acknowledgedRevision, toldRevision });
}
