import { Code, ConnectError } from "@connectrpc/connect";
import type { GetOrCreateBreakerRequest } from "../../../../gen/helios/v1/breaker_service_pb.ts";
import type { BreakerConfigFields } from "../../../../src/kernel/breakers/config.ts";
import { call } from "../../../../src/kernel/call/call.ts";
import type { BreakerCall, BreakerCallOptions } from "../../../../src/kernel/call/options.ts";
import type { HeliosClient } from "../client.ts";
import { checkSpan } from "../spans.ts";
import { Circuit, type CircuitDeps } from "./circuit.ts";
import { type BreakerClock, systemClock } from "./clock.ts";
import { completed, toRequest } from "./config.ts";
import { Creations } from "./creations.ts";
import { Feed } from "./feed.ts";
import { gateOf } from "./gate.ts";
import type { BreakerPermit } from "./permit.ts";
import { Permits, type PermitsDeps } from "./permits.ts";
import { Reporter } from "./reporter.ts";
import { toNotice, toServiceBreaker } from "./service-breaker.ts";
import type { BreakerStatus, OnDisconnect } from "./status.ts";
import { Waits } from "./waits.ts";

export interface BreakersOptions {
  /** For tests. Default: the machine's clock. Its timers keep the process alive only if somebody waits for them. */
  readonly clock?: BreakerClock;
  /** For tests. Returns a number from 0 up to 1. */
  readonly random?: () => number;
  /**
   * For tests. Generates the id of the reporter of outcomes, and the id of the client if it has none. Default: a random
   * UUID.
   */
  readonly newId?: () => string;
}

export interface BreakerOptions {
  /** What the breaker does without a connection to the service. Default: `LOCAL`. */
  readonly onDisconnect?: OnDisconnect;
  /** Silence of the service after which it counts as gone, in ms. At least 1 s, or Infinity. Default: 30 s. */
  readonly maxStalenessMs?: number;
}

/** A breaker that decides in this process. All clients with a breaker of the same name share its state through the service. */
export interface ClientBreaker {
  readonly name: string;
  /**
   * Resolves to true when the breaker is connected to the service, and to false after `timeoutMs` (default: 5 s; Infinity:
   * never). Rejects only if `timeoutMs` is not a span of time. It is not necessary to wait for this: until then,
   * `onDisconnect` decides. The service counts earlier calls, but they decide nothing.
   */
  ready(timeoutMs?: number): Promise<boolean>;
  /**
   * Returns a permit, or null if the call must not go ahead. Never throws, and sends no request. Returns null while only
   * probes may pass, because the service gives those (see `acquire`). A disconnected client with `LOCAL` gives its own probes.
   */
  tryAcquire(): BreakerPermit | null;
  /**
   * Like `tryAcquire`, but while only probes may pass, it asks the service for one. At most as many calls ask at once as there
   * may be probes. Others get null at once. Never rejects.
   */
  acquire(): Promise<BreakerPermit | null>;
  /**
   * Calls `fn` if the breaker lets it through. If the call is rejected, fails or takes too long, the fallback answers. Without
   * a fallback, it rejects with CircuitOpenError, the error of `fn` or a TimeoutError. The signal of `fn` is aborted when
   * nobody waits for the answer any more.
   */
  call<T>(fn: BreakerCall<T>, options?: BreakerCallOptions<T>): Promise<T>;
  status(): BreakerStatus;
}

export interface Breakers {
  /**
   * Returns the breaker with that name. If the service does not have it, the service creates it with `config`. From then on,
   * the service's configuration applies. The arguments of the first call for a name are used. Later calls return the same
   * breaker. Throws a TypeError that names the wrong argument.
   */
  breaker(name: string, config?: BreakerConfigFields, options?: BreakerOptions): ClientBreaker;
  /**
   * Reports the last outcomes, once and for at most 2 s, and stops. Never rejects. The breakers then decide as if the
   * service were gone. Until this is called, the open watch keeps the process alive.
   */
  close(): Promise<void>;
}

/**
 * Silence of the service after which a breaker follows its `onDisconnect` policy, unless `maxStalenessMs` says
 * otherwise. @limit ms
 */
const DEFAULT_STALENESS_MS = 30_000;
/** Shortest `maxStalenessMs`; a shorter one is refused with a TypeError. @limit ms */
const MIN_STALENESS_MS = 1000;
/**
 * Time that `close()` of the breakers may take to send the last outcomes; outcomes that were not sent by then are lost.
 * @limit ms
 */
const FAREWELL_MS = 2000;
/** Time that `ready()` of a breaker waits, unless its argument says otherwise. @limit ms */
const READY_MS = 5000;
const POLICIES: readonly unknown[] = ["LOCAL", "HOLD_LAST", "ALLOW", "REJECT"] satisfies OnDisconnect[];

/** Creates breakers that decide in this process. They follow the state in the service, and continue without it. */
export function createBreakers(client: HeliosClient, options: BreakersOptions = {}): Breakers {
  const { clock = systemClock, random = Math.random, newId = () => crypto.randomUUID() } = options;
  const clientId = client.clientId || newId();
  // Several reporters may share a client's id: in this process and in others, now and after a restart.
  const reporterId = newId();
  const circuits = new Map<string, Circuit>();
  const handles = new Map<string, ClientBreaker>();
  const requests = new Map<string, GetOrCreateBreakerRequest>();
  const waits = new Waits(clock, random);
  const rpc = client.breakers;
  // The service takes probes back from a client that does not watch. So it must watch under the id by which it asks.
  const feed = new Feed({ client: { ...client, clientId }, clock, random, waits, circuits });
  const reporter = new Reporter({
    clock,
    waits,
    circuits,
    send: (seq, reports) =>
      waits.call((call) => rpc.reportOutcomes({ clientId, reporterId, seq: BigInt(seq), reports }, call)),
    getBreaker: async (name) => (await waits.call((call) => rpc.getBreaker({ name }, call))).breaker,
    applyDecision(circuit, breaker) {
      const isolated = breaker.isolatedClients.find((one) => one.clientId === clientId);
      circuit.decided(toServiceBreaker(breaker, clock), isolated && toNotice(isolated));
    },
  });

  const creations = new Creations({
    waits,
    async create(circuit) {
      const request = requests.get(circuit.name) ?? { name: circuit.name };
      return (await waits.call((call) => rpc.getOrCreateBreaker(request, call))).breaker;
    },
    created(circuit, breaker) {
      circuit.update(toServiceBreaker(breaker, clock), "answer");
      feed.joined(circuit);
    },
  });
  const deps: CircuitDeps & PermitsDeps = {
    clock,
    random,
    async ask(name) {
      try {
        return await waits.call((call) => rpc.acquirePermit({ name, clientId }, call));
      } catch (error) {
        if (ConnectError.from(error).code === Code.NotFound) circuits.get(name)?.missing();
        throw error;
      }
    },
    report: (urgent) => reporter.report(urgent),
    requestDecision: (circuit) => reporter.requestDecision(circuit),
    create: (circuit) => creations.missing(circuit),
  };

  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    // It keeps the process alive. Otherwise the process could end before a caller that waits for the end is notified.
    const enough = clock.setTimer(FAREWELL_MS, () => waits.stop(), true);
    await reporter.close();
    enough.cancel();
    waits.stop();
    for (const circuit of circuits.values()) circuit.stop();
    await feed.close();
  };

  return {
    breaker(name, config, { onDisconnect = "LOCAL", maxStalenessMs = DEFAULT_STALENESS_MS } = {}) {
      const known = handles.get(name);
      if (known !== undefined) return known;
      if (closed !== undefined) throw new TypeError(`breaker ${JSON.stringify(name)}: the breakers are closed`);
      if (!POLICIES.includes(onDisconnect))
        throw new TypeError(`onDisconnect: must be ${POLICIES.join(", ")}, not ${JSON.stringify(onDisconnect)}`);
      checkSpan("maxStalenessMs", maxStalenessMs, { least: MIN_STALENESS_MS, mayBeInfinite: true });
      requests.set(name, toRequest(name, config));
      const circuit = new Circuit(name, { config: completed(config), onDisconnect, maxStalenessMs }, deps);
      circuits.set(name, circuit);
      const permits = new Permits(circuit, deps);
      const gate = gateOf(circuit, permits, clock);
      const handle: ClientBreaker = {
        name,
        async ready(timeoutMs = READY_MS) {
          return ready(circuit, clock, checkSpan("timeoutMs", timeoutMs, { mayBeInfinite: true }));
        },
        tryAcquire: () => permits.tryAcquire(),
        acquire: async () => permits.acquire(),
        call: (fn, callOptions) => call(gate, fn, callOptions),
        status: () => circuit.status(),
      };
      handles.set(name, handle);
      creations.expect(circuit);
      feed.changed();
      return handle;
    },
    close() {
      closed ??= close();
      return closed;
    },
  };
}

function ready(circuit: Circuit, clock: BreakerClock, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel();
      forget();
      resolve(circuit.isConnected);
    };
    const timer = clock.setTimer(timeoutMs, end, true);
    const forget = circuit.onceReady(end);
  });
}
