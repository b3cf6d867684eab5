import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  type Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../../gen/grpc/health/v1/health_pb.ts";
import { HeliosError, onAbort, Waiters } from "../../core/index.ts";

/** Whether calls are to be sent here. */
export interface Serving {
  /** False before everything is up, and from the moment on at which the server begins to end. */
  readonly current: boolean;
  /** What watches end with once they have told the last status; undefined while they go on. */
  readonly ended: HeliosError | undefined;
  /** Tells of every change after it was made, until what is returned is called. */
  subscribe(changed: () => void): () => void;
}

/** A `Serving` that somebody sets. */
export interface ServingSwitch extends Serving {
  /** Changes nothing once it has ended. */
  set(serving: boolean): void;
  /** Not serving any more, for good: watches are told so and then end with that error. */
  end(error: HeliosError): void;
}

/** Makes a switch that stands at "not serving". */
export function createServingSwitch(): ServingSwitch {
  const listeners = new Set<() => void>();
  let current = false;
  let ended: HeliosError | undefined;
  const change = (serving: boolean, error?: HeliosError): void => {
    if (ended !== undefined) return;
    [current, ended] = [serving, error];
    for (const changed of [...listeners]) changed();
  };
  return {
    get current() {
      return current;
    },
    get ended() {
      return ended;
    },
    set: (serving) => change(serving),
    end: (error) => change(false, error),
    subscribe(changed) {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
  };
}

/**
 * The standard health service for the whole server (the empty name) and each of `services` by its full name. Check of
 * another name is SERVICE_NOT_FOUND; Watch of one sends SERVICE_UNKNOWN and stays open, as the protocol has it.
 */
export function createHealth(serving: Serving, services: readonly string[]): ServiceImpl<typeof Health> {
  const known = new Set(["", ...services]);
  const now = (): ServingStatus => (serving.current ? ServingStatus.SERVING : ServingStatus.NOT_SERVING);
  return {
    check({ service }) {
      if (!known.has(service)) throw HeliosError.of("SERVICE_NOT_FOUND", { service });
      return { status: now() };
    },
    list() {
      return { statuses: Object.fromEntries([...known].map((name) => [name, { status: now() }])) };
    },
    watch: (request, context) => watch(serving, known.has(request.service) ? now : unknownService, context),
  };
}

const unknownService = (): ServingStatus => ServingStatus.SERVICE_UNKNOWN;

/** Sends the status at once and then whenever it has become another, until the call ends or serving does. */
async function* watch(
  serving: Serving,
  status: () => ServingStatus,
  { signal }: Pick<HandlerContext, "signal">,
): AsyncGenerator<{ status: ServingStatus }, void, undefined> {
  const news = new Waiters();
  const unsubscribe = serving.subscribe(() => news.wake());
  // A generator that waits for its reader may never run its `finally`; the call's signal always comes.
  const leave = (): void => {
    unsubscribe();
    news.wake();
  };
  const stopListening = onAbort(signal, leave);
  let sent: ServingStatus | undefined;
  try {
    while (!signal.aborted) {
      const next = status();
      if (next === sent) {
        if (serving.ended !== undefined) throw serving.ended;
        await news.wait();
        continue;
      }
      sent = next;
      yield { status: next };
    }
    throw signal.reason;
  } finally {
    stopListening();
    unsubscribe();
  }
}
