import {
  type Client,
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type Interceptor,
  type StreamResponse,
} from "@connectrpc/connect";
import {
  type Breakers,
  type ClientBreaker,
  createBreakers,
  type HeliosClient,
} from "../../../clients/typescript/src/index.ts";
import {
  BreakerService,
  type ReportOutcomesRequest,
  type WatchBreakersResponse,
} from "../../../gen/helios/v1/breaker_service_pb.ts";
import { FlagService } from "../../../gen/helios/v1/flag_service_pb.ts";
import { ModuleService } from "../../../gen/helios/v1/module_service_pb.ts";
import { StatusService } from "../../../gen/helios/v1/status_service_pb.ts";
import { TestService } from "../../../gen/helios/v1/test_service_pb.ts";
import { createBreakers as createService } from "../../../src/core/breakers/breakers.ts";
import type { Breakers as Service } from "../../../src/core/breakers/types.ts";
import { createMemoryStore, Feed, type ManualClock, silentLog } from "../../../src/core/index.ts";
import { createBreakerService } from "../../../src/server/services/breaker.ts";
import { testRunner } from "../../rpc/runner.ts";
import { watchedClock } from "../../support/clocks.ts";
import { turn } from "../../support/turns.ts";

/** The connection from one client to the service. */
export interface Link {
  /** Cuts every stream, and fails every call before it arrives. */
  down(): void;
  up(): void;
  /** The next calls of this method arrive, but their answers get lost; `count` of them. */
  loseAnswers(method: string, count: number): void;
  /** Holds back the answers of this method until the returned function is called. */
  holdAnswers(method: string): () => void;
  /** Holds back the calls of this method until the returned function is called. */
  holdCalls(method: string): () => void;
  /** Makes the client's streams deliver this frame now. */
  inject(frame: WatchBreakersResponse): void;
  /** Every frame that has arrived. */
  readonly frames: WatchBreakersResponse[];
  /** Every report that was sent, and the number of calls of each method. */
  readonly reports: ReportOutcomesRequest[];
  readonly calls: Map<string, number>;
  /** The number of open streams. */
  streams(): number;
}

export interface Peer {
  readonly breakers: Breakers;
  readonly link: Link;
}

export interface ServiceRig {
  readonly service: Service;
  readonly rpc: Client<typeof BreakerService>;
  readonly clock: ManualClock;
  /** A client with a link of its own. */
  connect(clientId?: string, before?: (link: Link) => void): Peer;
  /** Replaces the service by a new one with an empty store. */
  replace(): Promise<void>;
  /** Lets everything happen that needs no time. */
  quiet(): Promise<void>;
  /** Lets time pass in steps of 50 ms, and lets everything happen that is due. */
  pass(ms: number): Promise<void>;
  /** The number of pending timers. */
  timers(): number;
}

const STEP_MS = 50;
const QUIET_TURNS = 12;

/** The service with its interceptors but without a socket. Time passes only when the test says so. */
export async function serviceRig(): Promise<ServiceRig> {
  const { clock, timers } = watchedClock();
  let activity = 0;
  let ids = 0;
  const newId = (): string => `id-${++ids}`;
  const start = async () => {
    const feed = new Feed(createMemoryStore({ clock, incarnation: newId() }));
    const service = createService({ feed, clock, newId, random: () => 0.5, log: silentLog });
    service.hub.observe(service.presence);
    await feed.start();
    await service.start();
    const impl = createBreakerService({ breakers: service, clock, newId });
    return { service, impl };
  };
  let running = await start();
  const fail = (_: string, error: unknown): never => {
    throw error;
  };
  // Calls go to the service that exists at the time of the call.
  const runner = testRunner({ newId, report: fail });
  const transportOf = (own: Interceptor[]) =>
    createRouterTransport(
      (router) =>
        router.service(
          BreakerService,
          runner.serve(
            BreakerService,
            new Proxy(running.impl, {
              get:
                (_, method) =>
                (...call: unknown[]) =>
                  Reflect.apply(Reflect.get(running.impl, method), undefined, call),
            }),
          ),
        ),
      { transport: { interceptors: own } },
    );
  const connect = (clientId = "", before: (link: Link) => void = () => {}): Peer => {
    const { link, interceptor } = createLink(() => {
      activity += 1;
    });
    before(link);
    const transport = transportOf([interceptor]);
    const client: HeliosClient = {
      modules: createClient(ModuleService, transport),
      flags: createClient(FlagService, transport),
      breakers: createClient(BreakerService, transport),
      tests: createClient(TestService, transport),
      status: createClient(StatusService, transport),
      transport,
      clientId,
      close: () => {},
    };
    return { breakers: createBreakers(client, { clock, random: () => 0.5, newId }), link };
  };
  const quiet = async (): Promise<void> => {
    for (let idle = 0; idle < QUIET_TURNS; idle += 1) {
      const before = activity;
      await turn();
      if (activity !== before) idle = -1;
    }
  };
  return {
    service: new Proxy(running.service, { get: (_, key) => Reflect.get(running.service, key) }),
    rpc: createClient(BreakerService, transportOf([])),
    clock,
    connect,
    async replace() {
      await running.service.close();
      running = await start();
    },
    quiet,
    async pass(ms) {
      await quiet();
      for (let left = ms; left > 0; left -= STEP_MS) {
        clock.advance(Math.min(left, STEP_MS));
        await quiet();
      }
    },
    timers,
  };
}

/** Copies the message, as the network does. */
async function unlessAborted(signal: AbortSignal, held: Promise<void> | undefined): Promise<void> {
  if (held === undefined) return;
  await new Promise<void>((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    void held.then(resolve);
  });
}

function createLink(active: () => void): { readonly link: Link; readonly interceptor: Interceptor } {
  let isDown = false;
  const cuts = new Set<(error: ConnectError) => void>();
  const injections = new Set<(frame: WatchBreakersResponse) => void>();
  const losing = new Map<string, number>();
  const [heldCalls, heldAnswers] = [new Map<string, Promise<void>>(), new Map<string, Promise<void>>()];
  const hold = (held: Map<string, Promise<void>>, method: string): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    held.set(method, promise);
    return () => {
      held.delete(method);
      resolve();
    };
  };
  const frames: WatchBreakersResponse[] = [];
  const reports: ReportOutcomesRequest[] = [];
  const calls = new Map<string, number>();
  const gone = (): ConnectError => new ConnectError("the link is down", Code.Unavailable);

  const interceptor: Interceptor = (next) => async (request) => {
    const method = request.method.name;
    active();
    calls.set(method, (calls.get(method) ?? 0) + 1);
    if (!request.stream && method === "ReportOutcomes") reports.push(request.message as ReportOutcomesRequest);
    await unlessAborted(request.signal, heldCalls.get(method));
    if (isDown) throw gone();
    const response = await next(request);
    active();
    if (response.stream) return { ...response, message: through(response) };
    await unlessAborted(request.signal, heldAnswers.get(method));
    const lose = losing.get(method) ?? 0;
    losing.set(method, lose - 1);
    if (lose > 0 || isDown) throw gone();
    active();
    return response;
  };

  async function* through(response: StreamResponse): AsyncGenerator<never> {
    const source = (response.message as AsyncIterable<WatchBreakersResponse>)[Symbol.asyncIterator]();
    const queue: WatchBreakersResponse[] = [];
    let wake = Promise.withResolvers<void>();
    let failed: unknown;
    const cut = (error: unknown): void => {
      failed ??= error;
      wake.resolve();
    };
    const push = (frame: WatchBreakersResponse): void => {
      queue.push(frame);
      wake.resolve();
    };
    cuts.add(cut);
    injections.add(push);
    const read = async (): Promise<void> => {
      for (;;) {
        const { value, done } = await source.next();
        if (done) return cut(gone());
        frames.push(value);
        push(value);
      }
    };
    void read().catch(cut);
    try {
      for (;;) {
        for (const frame of queue.splice(0)) {
          active();
          yield frame as never;
        }
        if (failed !== undefined) throw failed;
        await wake.promise;
        wake = Promise.withResolvers<void>();
      }
    } finally {
      active();
      cuts.delete(cut);
      injections.delete(push);
    }
  }

  const link: Link = {
    down() {
      isDown = true;
      for (const cut of cuts) cut(gone());
    },
    up() {
      isDown = false;
    },
    loseAnswers: (method, count) => losing.set(method, count),
    holdCalls: (method) => hold(heldCalls, method),
    holdAnswers: (method) => hold(heldAnswers, method),
    inject: (frame) => {
      for (const push of injections) push(frame);
    },
    frames,
    reports,
    calls,
    streams: () => cuts.size,
  };
  return { link, interceptor };
}

/** Calls that fail one after the other, as far as they are allowed. */
export function fail(breaker: ClientBreaker, times: number): void {
  for (let call = 0; call < times; call += 1) breaker.tryAcquire()?.settle("FAILURE");
}

/** The service opens the breaker `api`, because of the calls of others. */
export async function openInService({ service, quiet }: ServiceRig): Promise<void> {
  for (let call = 0; call < 3; call += 1) service.record("api", service.acquire("api"), "FAILURE");
  await service.stored();
  await quiet();
}
