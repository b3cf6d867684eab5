import type { Feed } from "../store/feed.ts";
import type { Cause, Change } from "../store/store.ts";
import { asName, oneLine } from "../text/one-line.ts";
import { Hub } from "../watch/hub.ts";

/** A part of the engine that changes are told of. */
export type EventDomain = "MODULES" | "FLAGS" | "BREAKERS" | "TESTS" | "CLIENTS";

/** Something that happened. */
export interface EngineEvent {
  /** `<domain>/<name>`: what a watch selects by. */
  readonly name: string;
  /** The one that it made; of clients that come and go, the store's at that moment. */
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
  const hub = new Hub<EngineEvent, EngineEvent>(feed, {
    prefix: "",
    decode: (change) => toEvent(change, sources),
    sizeOf: ({ text, cause }) => text.length + (cause.reason?.length ?? 0),
  });
  feed.attach("", {
    load: () => {},
    apply: () => {},
    tell: (changes) => {
      if (hub.watcherCount === 0) return;
      for (const change of changes) {
        const event = toEvent(change, sources);
        if (event !== undefined) hub.publish(event);
      }
    },
  });
  return hub;
}

/** That a client with an id began to watch something, or does not any more. */
export function clientEvent(
  what: "Connect" | "Disconnect",
  clientId: string,
  { rpc, peer, revision, time }: { rpc: string; peer: string; revision: number; time: number },
): EngineEvent {
  // Whoever connects says what it is called: nobody's terminal is to obey it.
  const subject = asName(clientId);
  const text = `client ${subject}: ${what === "Connect" ? "watches" : "ended its watch"} (${rpc} from ${peer})`;
  return { name: `CLIENTS/${subject}`, revision, time, domain: "CLIENTS", subject, cause: { action: what }, text };
}

function toEvent(change: Change, sources: readonly EventSource[]): EngineEvent | undefined {
  const source = sources.find(({ prefix }) => change.key.startsWith(prefix));
  if (source === undefined) return undefined;
  const { domain, noun, prefix, describe } = source;
  const { revision, time, cause } = change;
  const subject = change.key.slice(prefix.length);
  const what = describe(parse(change.previous), parse(change.value));
  const text = oneLine(`${noun} ${subject}: ${what} (${describeCause(cause)})`);
  return { name: `${domain}/${subject}`, revision, time, domain, subject, cause, text };
}

function parse(json: string | undefined): unknown {
  return json === undefined ? undefined : JSON.parse(json);
}

function describeCause({ action, actor, reason }: Cause): string {
  return `${action}${actor === undefined ? "" : ` by ${named(actor)}`}${reason === undefined ? "" : `: ${reason}`}`;
}

/** Anybody may say that he is called anything: what could pass for the rest of the line is in quotes. */
export function named(actor: string): string {
  return /^[\p{L}\p{N}\p{M} ._@+/=-]*$/u.test(actor) ? actor : JSON.stringify(actor);
}
