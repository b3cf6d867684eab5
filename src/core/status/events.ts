import type { Feed } from "../store/feed.ts";
import type { Cause, Change } from "../store/store.ts";
import { asName, oneLine } from "../text/one-line.ts";
import { Hub } from "../watch/hub.ts";

/** A part of the engine whose changes are events. */
export type EventDomain = "MODULES" | "FLAGS" | "BREAKERS" | "TESTS" | "CLIENTS";

/** A change that has happened. */
export interface EngineEvent {
  /** `<domain>/<name>`. A watch selects events by this name. */
  readonly name: string;
  /** The revision of the change. When a client connects or disconnects, the revision of the store at that moment. */
  readonly revision: number;
  /** Wall time in ms. */
  readonly time: number;
  readonly domain: EventDomain;
  /** The name of the flag, breaker, module, suite or client. */
  readonly subject: string;
  readonly cause: Cause;
  /** A description in one line, for people. */
  readonly text: string;
}

/** Describes the change from one record to the other. Undefined stands for a record that does not exist. */
export type Describe = (before: unknown, after: unknown) => string;

export interface EventSource {
  /** Prefix of the keys in the store, with a slash at the end. */
  readonly prefix: string;
  readonly domain: EventDomain;
  /** The word for one of these resources in the text, such as `flag`. */
  readonly noun: string;
  readonly describe: Describe;
}

/** Publishes every change of every source as a line of text, in the order of the store. */
export function createEvents(feed: Feed, sources: readonly EventSource[]): Hub<EngineEvent, EngineEvent> {
  const hub = new Hub<EngineEvent, EngineEvent>(feed, {
    prefix: "",
    decode: (change) => toEvent(change, sources),
    sizeOf: ({ text, cause }) => text.length + (cause.reason?.length ?? 0),
  });
  feed.attach("", {
    load: () => {},
    apply: () => {},
    publish: (changes) => {
      if (hub.watcherCount === 0) return;
      for (const change of changes) {
        const event = toEvent(change, sources);
        if (event !== undefined) hub.publish(event);
      }
    },
  });
  return hub;
}

/** The event that a client with an id opened or ended a watch. */
export function clientEvent(
  what: "Connect" | "Disconnect",
  clientId: string,
  { rpc, peer, revision, time }: { rpc: string; peer: string; revision: number; time: number },
): EngineEvent {
  // A client chooses its own id, so the id must not send control characters to a terminal.
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

/**
 * Formats an actor's name. Anybody may choose any name, so a name that could be confused with the rest of the line is put
 * in quotes.
 */
export function named(actor: string): string {
  return /^[\p{L}\p{N}\p{M} ._@+/=-]*$/u.test(actor) ? actor : JSON.stringify(actor);
}
