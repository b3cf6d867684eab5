import type { Duration } from "@bufbuild/protobuf/wkt";
import type { Breaker } from "../../../gen/helios/v1/breaker_pb.ts";
import type { BreakerSnapshot } from "../../../gen/helios/v1/breaker_service_pb.ts";
import type { Flag } from "../../../gen/helios/v1/flag_pb.ts";
import type { FlagSnapshot } from "../../../gen/helios/v1/flag_service_pb.ts";
import type { Module } from "../../../gen/helios/v1/module_pb.ts";
import type { ModuleSnapshot } from "../../../gen/helios/v1/module_service_pb.ts";
import type { Domain, Event } from "../../../gen/helios/v1/status_service_pb.ts";
import type { Cause, Deleted, Heartbeat } from "../../../gen/helios/v1/watch_pb.ts";
import { ACKNOWLEDGE_TIMEOUT_MS, Acknowledger } from "./acknowledge.ts";
import type { HeliosClient } from "./client.ts";
import { toDuration } from "./spans.ts";
import { leavable, type OpenStream, type ResumeOptions, resumed, type WatchFrame } from "./watch.ts";

/**
 * An event of a watch of resources. With it, the watcher knows everything up to `revision`. A watch that resumes at
 * `resumeToken` misses nothing after that.
 */
export type WatchEvent<R> = { readonly revision: bigint; readonly resumeToken: string } & (
  | {
      /** All resources. They replace everything that the watcher knew. */
      readonly kind: "snapshot";
      readonly items: readonly R[];
    }
  | { readonly kind: "put"; readonly item: R; readonly cause: Cause | undefined }
  | { readonly kind: "deleted"; readonly deleted: Deleted; readonly cause: Cause | undefined }
  | {
      /** Nothing changed up to this revision. */
      readonly kind: "heartbeat";
      /** The newest revision of the store. If it is above `revision`, the watcher is behind. */
      readonly headRevision: bigint;
    }
);

export interface WatchOptions extends ResumeOptions {
  /** The names to watch. Empty or absent: all. */
  readonly names?: readonly string[];
  /** Interval of heartbeats in ms. The service limits it to 1 s to 5 min. Default: 15 s. */
  readonly heartbeatIntervalMs?: number;
}

/** Watches flags; see `resumeWatch` for when it ends. */
export function watchFlags(client: HeliosClient, options: WatchOptions = {}): AsyncGenerator<WatchEvent<Flag>> {
  return watching<Flag, FlagSnapshot>(client, options, client.flags.watchFlags, ({ flags }) => flags);
}

/** Watches breakers; see `resumeWatch` for when it ends. */
export function watchBreakers(client: HeliosClient, options: WatchOptions = {}): AsyncGenerator<WatchEvent<Breaker>> {
  const { watchBreakers: open } = client.breakers;
  return watching<Breaker, BreakerSnapshot>(client, options, open, ({ breakers }) => breakers);
}

/** Watches modules; see `resumeWatch` for when it ends. */
export function watchModules(client: HeliosClient, options: WatchOptions = {}): AsyncGenerator<WatchEvent<Module>> {
  return watching<Module, ModuleSnapshot>(client, options, client.modules.watchModules, ({ modules }) => modules);
}

/** Watches all events; see `resumeWatch` for when it ends. */
export function watchEvents(client: HeliosClient, options: EventsOptions = {}): AsyncGenerator<Event, void, undefined> {
  return leavable(options, (ending) => events(client, ending));
}

type EventsOptions = Omit<WatchOptions, "names"> & { readonly domains?: readonly Domain[] };

async function* events(client: HeliosClient, options: EventsOptions & Ending): AsyncGenerator<Event, void, undefined> {
  const { names: _, ...shared } = request(client, options);
  const domains = [...(options.domains ?? [])];
  const frames = acknowledged(
    client,
    (resumeToken, signal) => client.status.watchEvents({ ...shared, domains, resumeToken }, { signal }),
    options,
  );
  for await (const { frame } of frames) if (frame.case === "events") yield* frame.value.events;
}

interface ResourceFrame<R, Chunk extends { readonly complete: boolean }> extends WatchFrame {
  readonly frame:
    | { readonly case: "snapshot"; readonly value: Chunk }
    | { readonly case: "changes"; readonly value: { readonly changes: readonly ResourceChange<R>[] } }
    | { readonly case: "heartbeat"; readonly value: Heartbeat }
    | { readonly case: undefined; readonly value?: undefined };
}

interface ResourceChange<R> {
  readonly change:
    | { readonly case: "put"; readonly value: R }
    | { readonly case: "deleted"; readonly value: Deleted }
    | { readonly case: undefined; readonly value?: undefined };
  readonly cause?: Cause | undefined;
}

interface Ending {
  readonly signal: AbortSignal;
}

/** Watches resources of one kind. `open` is the RPC. */
function watching<R extends { readonly revision: bigint }, Chunk extends { readonly complete: boolean }>(
  client: HeliosClient,
  options: WatchOptions,
  open: (
    asked: ReturnType<typeof request> & { readonly resumeToken: string },
    call: Ending,
  ) => AsyncIterable<ResourceFrame<R, Chunk>>,
  itemsOf: (chunk: Chunk) => readonly R[],
): AsyncGenerator<WatchEvent<R>> {
  const asked = request(client, options);
  return leavable(options, (ending) =>
    watchResources(client, (resumeToken, signal) => open({ ...asked, resumeToken }, { signal }), itemsOf, ending),
  );
}

/** As `resumeWatch`, but a client with an id also acknowledges to the service what it has applied. */
async function* acknowledged<F extends WatchFrame>(
  client: HeliosClient,
  open: OpenStream<F>,
  options: ResumeOptions & Ending,
): AsyncGenerator<F, void, undefined> {
  const { clientId } = client;
  if (clientId === "") return yield* resumed(open, options);
  const acknowledger = new Acknowledger((revision, watchId, signal) =>
    client.status.ackRevision({ clientId, revision, watchId }, { signal, timeoutMs: ACKNOWLEDGE_TIMEOUT_MS }),
  );
  try {
    yield* resumed(open, options, ({ revision }, watchId) => acknowledger.applied(revision, watchId));
  } finally {
    acknowledger.stop();
  }
}

async function* watchResources<R extends { readonly revision: bigint }, Chunk extends { readonly complete: boolean }>(
  client: HeliosClient,
  open: (resumeToken: string, signal: AbortSignal) => AsyncIterable<ResourceFrame<R, Chunk>>,
  itemsOf: (chunk: Chunk) => readonly R[],
  options: WatchOptions & Ending,
): AsyncGenerator<WatchEvent<R>, void, undefined> {
  let collected: R[] = [];
  let before = options.resumeToken ?? "";
  // After a stream that broke within a snapshot, the next one begins a new snapshot. The collected part is then void.
  const fresh = (resumeToken: string, signal: AbortSignal): AsyncIterable<ResourceFrame<R, Chunk>> => {
    collected = [];
    return open(resumeToken, signal);
  };
  for await (const { frame, revision, resumeToken } of acknowledged(client, fresh, options)) {
    if (frame.case === "snapshot") {
      collected.push(...itemsOf(frame.value));
      if (!frame.value.complete) continue;
      yield { kind: "snapshot", items: collected, revision, resumeToken };
      collected = [];
    } else if (frame.case === "heartbeat") {
      yield { kind: "heartbeat", revision, resumeToken, headRevision: frame.value.headRevision };
    } else if (frame.case === "changes") {
      const { changes } = frame.value;
      for (const [index, { change, cause }] of changes.entries()) {
        if (change.case === undefined) continue;
        // Resuming within a frame would lose the rest of it. So the place is the frame before, until the last change.
        const isLast = index === changes.length - 1;
        // Until the last change of a revision, only the revision before it is known as a whole.
        const isShared = changes[index + 1]?.change.value?.revision === change.value.revision;
        const known = isShared ? change.value.revision - 1n : change.value.revision;
        const place = isLast ? { revision, resumeToken } : { revision: known, resumeToken: before };
        if (change.case === "put") yield { kind: "put", item: change.value, cause, ...place };
        else yield { kind: "deleted", deleted: change.value, cause, ...place };
      }
    }
    before = resumeToken;
  }
}

function request(
  { clientId }: HeliosClient,
  { names = [], heartbeatIntervalMs }: WatchOptions,
): { names: string[]; clientId: string; heartbeatInterval?: Duration } {
  if (heartbeatIntervalMs === undefined) return { names: [...names], clientId };
  const heartbeatInterval = toDuration("heartbeatIntervalMs", heartbeatIntervalMs, { isAbove: true });
  return { names: [...names], clientId, heartbeatInterval };
}
