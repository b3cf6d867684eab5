import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import {
  type Domain,
  Part,
  type WatchAllRequest,
  type WatchAllResponseSchema,
} from "../../../gen/helios/v1/status_service_pb.ts";
import { type MergedPart, merged, type Polled, polled } from "../../core/async/index.ts";
import type { WatchRequest } from "./watching.ts";

/** The part of the request of WatchEvents that matters. */
export type EventsRequest = Omit<WatchRequest, "names" | "onCompacted"> & { readonly domains: Domain[] };

/** What WatchAll consists of: the implementations of the other watches. */
export interface Watches {
  watchFlags(request: WatchRequest, context: HandlerContext): AsyncIterable<object>;
  watchBreakers(request: WatchRequest, context: HandlerContext): AsyncIterable<object>;
  watchModules(request: WatchRequest, context: HandlerContext): AsyncIterable<object>;
  watchEvents(request: EventsRequest, context: HandlerContext): AsyncIterable<object>;
}

type Out = MessageInitShape<typeof WatchAllResponseSchema>;
type Case = "flags" | "breakers" | "modules" | "events";

const ALL = [Part.FLAGS, Part.BREAKERS, Part.MODULES, Part.EVENTS] as const;

/** Returns the implementation of WatchAll. Requests have been validated. */
export function createWatchAll(watches: Watches): (request: WatchAllRequest, context: HandlerContext) => Polled<Out> {
  // Watches that send the same frame of a part send the same frame of WatchAll, so that it is encoded once for all of them. Frames
  // of events are made for each watch.
  const framed = { flags: new WeakMap(), breakers: new WeakMap(), modules: new WeakMap() };
  const part = (name: Case, stream: AsyncIterable<object>): MergedPart<Out> => ({
    stream: polled(stream),
    map(value) {
      const shared = name === "events" ? undefined : framed[name];
      const known: Out | undefined = shared?.get(value);
      if (known !== undefined) return known;
      const out = { part: { case: name, value } } as Out;
      shared?.set(value, out);
      return out;
    },
  });

  return (request: WatchAllRequest, context: HandlerContext): Polled<Out> => {
    const { parts, names, resumeTokens: tokens, ...asked } = request;
    const of = (name: "flags" | "breakers" | "modules"): WatchRequest => ({
      ...asked,
      names: names?.[name] ?? [],
      resumeToken: tokens?.[name] ?? "",
    });
    const start = (each: Part): MergedPart<Out> => {
      switch (each) {
        case Part.FLAGS:
          return part("flags", watches.watchFlags(of("flags"), context));
        case Part.BREAKERS:
          return part("breakers", watches.watchBreakers(of("breakers"), context));
        case Part.MODULES:
          return part("modules", watches.watchModules(of("modules"), context));
        default:
          return part(
            "events",
            watches.watchEvents({ ...asked, resumeToken: tokens?.events ?? "", domains: [] }, context),
          );
      }
    };
    return merged([...new Set(parts.length === 0 ? ALL : parts)].map(start));
  };
}
