import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  type Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../../gen/grpc/health/v1/health_pb.ts";
import { onAbort, Waiters } from "../../core/async/index.ts";
import { HeliosError } from "../../core/index.ts";

/** Whether calls should be sent to this server. */
export interface Serving {
  /** False during the start, and from the beginning of the shutdown. */
  readonly current: boolean;
  /** The error that ends health watches after the last status. Undefined until the shutdown. */
  readonly ended: HeliosError | undefined;
  /** Calls `changed` after every change, until the returned function is called. */
  subscribe(changed: () => void): () => void;
}

/** A `Serving` that can be set. */
export interface ServingSwitch extends Serving {
  /** Has no effect after `end`. */
  set(serving: boolean): void;
  /** Stops serving forever. Health watches get the last status, then end with that error. */
  end(error: HeliosError): void;
}

/** Creates a switch in the state "not serving". */
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
 * The standard health service for the whole server (the empty name) and for each of `services` by its full name. Check of
 * an unknown name throws SERVICE_NOT_FOUND. Watch of an unknown name sends SERVICE_UNKNOWN and stays open, as the protocol
 * requires.
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

/** Sends the status at once and after each change, until the call or the service ends. */
async function* watch(
  serving: Serving,
  status: () => ServingStatus,
  { signal }: Pick<HandlerContext, "signal">,
): AsyncGenerator<{ status: ServingStatus }, void, undefined> {
  const news = new Waiters();
  const unsubscribe = serving.subscribe(() => news.wake());
  // The `finally` of a generator that waits for its reader may never run, but the call's signal is always aborted.
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
