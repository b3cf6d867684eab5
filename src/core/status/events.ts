import type { Feed } from "../store/feed.ts";
import type { Cause, Change } from "../store/store.ts";
import { Hub } from "../watch/hub.ts";

/** A part of the engine that changes are told of. */
export type EventDomain = "MODULES" | "FLAGS" | "BREAKERS" | "TESTS";

/** Something that happened. */
export interface EngineEvent {
  /** `<domain>/<name>`: what a watch selects by. */
  readonly name: string;
  readonly revision: number;
  /** Wall time in ms. */
  readonly time: number;
  readonly domain: EventDomain;
  /** What it happened to. */
  readonly subject: string;
  readonly cause: Cause;
  /** One line for people. */
  readonly text: string;
}

/** Says what the change from one record to the other means; undefined: there was, or is, none. */
export type Describe = (before: unknown, after: unknown) => string;

export interface EventSource {
  /** Of the keys in the store, with its slash. */
  readonly prefix: string;
  readonly domain: EventDomain;
  /** What one of them is called in the text: `flag`. */
  readonly noun: string;
  readonly describe: Describe;
}

/** Tells of every change of every source, in the store's order, as lines for people. */
export function createEvents(feed: Feed, sources: readonly EventSource[]): Hub<EngineEvent, EngineEvent> {
  const hub = new Hub<EngineEvent, EngineEvent>(feed, { prefix: "", decode: (change) => toEvent(change, sources) });
  feed.attach("", {
    load: () => {},
    apply: (change) => {
      if (hub.watcherCount === 0) return;
      const event = toEvent(change, sources);
      if (event !== undefined) hub.publish(event);
    },
  });
  return hub;
}

function toEvent(change: Change, sources: readonly EventSource[]): EngineEvent | undefined {
  const source = sources.find(({ prefix }) => change.key.startsWith(prefix));
  if (source === undefined) return undefined;
  const { domain, noun, prefix, describe } = source;
  const { revision, time, cause } = change;
  const subject = change.key.slice(prefix.length);
  const what = describe(parse(change.previous), parse(change.value));
  const text = `${noun} ${subject}: ${what} (${describeCause(cause)})`;
  return { name: `${domain}/${subject}`, revision, time, domain, subject, cause, text };
}

function parse(json: string | undefined): unknown {
  return json === undefined ? undefined : JSON.parse(json);
}

function describeCause({ action, actor, reason }: Cause): string {
  return `${action}${actor === undefined ? "" : ` by ${actor}`}${reason === undefined ? "" : `: ${reason}`}`;
}
