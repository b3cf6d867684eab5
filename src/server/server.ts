import type { DescService } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { BreakerService } from "../../gen/helios/v1/breaker_service_pb.ts";
import { FlagService } from "../../gen/helios/v1/flag_service_pb.ts";
import { ModuleService } from "../../gen/helios/v1/module_service_pb.ts";
import { StatusService } from "../../gen/helios/v1/status_service_pb.ts";
import { TestService } from "../../gen/helios/v1/test_service_pb.ts";
import { raceOr, signalLimit } from "../core/async/index.ts";
import { type Clock, checkSpan, type Engine, HeliosError, systemClock } from "../core/index.ts";
import type { LogCall } from "./calls/log.ts";
import { createRunner, type Runner } from "./calls/runner.ts";
import { SERVICES } from "./contract.ts";
import { fromHeliosError } from "./errors.ts";
import { createHandler, type RequestUsage, type Served } from "./http/handler.ts";
import type { SinkStatus } from "./logs/sink.ts";
import { docsRoutes, rootRoute } from "./pages/docs.ts";
import { readiness } from "./pages/ready.ts";
import { createRest } from "./rest/rest.ts";
import { createBreakerService } from "./services/breaker.ts";
import { createFlagService } from "./services/flag.ts";
import { createHealth, createServingSwitch, type Serving } from "./services/health.ts";
import { createModuleService } from "./services/module.ts";
import { reflectionServices } from "./services/reflection.ts";
import { createReplays } from "./services/replay/replays.ts";
import { createStatusService } from "./services/status.ts";
import { createTestService } from "./services/test.ts";
import { MAX_MESSAGE_BYTES } from "./transport/limits.ts";
import { createPort, type PortUsage } from "./transport/port.ts";

/** Time after which a client should reconnect after `SERVER_DRAINING`. @limit ms */
const RETRY_AFTER_MS = 1000;

/**
 * Time that calls in progress may take after SIGTERM; then they end with `SERVER_DRAINING`. @limit ms, HELIOS_GRACE_MS
 */
const DEFAULT_GRACE_MS = 10_000;
/**
 * Time that a new connection has to reveal its protocol, however slowly its bytes arrive; then it is closed. @limit ms
 */
const FIRST_BYTE_TIMEOUT_MS = 10_000;
/** How often a silent HTTP/2 connection is pinged. @limit ms */
const PING_INTERVAL_MS = 30_000;
/** Time that a connection may take to answer a ping; then it is closed, and its watches end. @limit ms */
const PING_TIMEOUT_MS = 10_000;
/** Time that ended calls may take to be sent; then their connections are closed. @limit ms */
const FAREWELL_MS = 250;

export interface ServerOptions {
  readonly engine: Engine;
  readonly host: string;
  /** Port to listen on. 0 selects a free port. */
  readonly port: number;
  readonly version: string;
  readonly log: LogCall;
  /** Returns the state of the log destinations, for `/readyz`. Default: no logs are reported. */
  readonly logs?: () => readonly SinkStatus[];
  readonly clock?: Clock;
  readonly newId?: () => string;
  /** Time after which a connection that has not sent its protocol is closed. Infinity: never. Default: 10 s. */
  readonly firstByteTimeoutMs?: number;
  /**
   * Interval of pings on a silent connection (30 s; Infinity: never), and the time that the client has to answer (10 s).
   */
  readonly pingIntervalMs?: number;
  readonly pingTimeoutMs?: number;
  /** Origins whose web pages a browser may let in. Default: none. */
  readonly allowedOrigins?: readonly string[];
  /**
   * Host names by which a browser may reach the service, besides loopback names and `host`. `*` means all. Default: none.
   */
  readonly allowedHosts?: readonly string[];
  /** Time for which calls may continue after `drain`. Default: 10 s. */
  readonly graceMs?: number;
  /** Number of calls in progress, including streams. Further calls are refused. Default: 20,000. */
  readonly maxOpenCalls?: number;
  /**
   * Bytes that all unread answers may hold. Beyond it, the largest answers without progress are ended. Default: 256 MiB.
   */
  readonly maxUnreadBytes?: number;
  /** Whether all calls go through Connect, for tests that compare. Default: false. */
  readonly onlyConnect?: boolean;
}

export interface Server {
  readonly url: string;
  readonly port: number;
  /**
   * Stops the server. It is not ready from now on, and watches end with SERVER_DRAINING. Calls in progress may finish
   * within the grace period; then all connections are closed. Calling it twice is safe.
   */
  drain(): Promise<void>;
  /** What clients hold of the server now. Without clients, everything is 0. */
  usage(): PortUsage & RequestUsage;
}

/**
 * Serves an engine on one port. Rejects if the server cannot listen, and with ARGUMENT_INVALID if an option is not a
 * duration in its range. The caller must close the engine.
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  for (const name of SPANS) checkSpan(name, options[name] ?? 1, { isAbove: name !== "graceMs", mayBeInfinite: true });
  const { engine, host, version, log, clock = systemClock, newId = () => crypto.randomUUID() } = options;
  const { logs = () => [] } = options;
  const shutdown = new AbortController();
  const serving = createServingSwitch();
  void engine.modules.settled.then(() => serving.set(true));
  const report = (errorId: string, error: unknown): void =>
    log("error", "unforeseen error", { errorId, error: stackOf(error) });
  const runner = createRunner({ clock, log, newId, report, serving, over: shutdown.signal });
  const { handle, accept, track, usage } = createHandler({
    clock,
    services: servicesOf({ engine, clock, newId, version, serving, runner }),
    rest: (transportFor) =>
      createRest({ services: SERVICES, transportFor, maxBodyBytes: MAX_MESSAGE_BYTES, clock, newId, report }),
    allowedOrigins: options.allowedOrigins ?? [],
    hosts: { bound: host, allowed: options.allowedHosts ?? [] },
    plainRoutes: {
      "/healthz": () => ({ status: 200, body: { status: "ok" } }),
      "/readyz": () => readiness({ serving: serving.current, writable: engine.store.writable, logs: logs() }),
      ...docsRoutes,
      "/": rootRoute(version),
    },
    newId,
    report,
    reportSlowReader: (path, waitingBytes, problem) =>
      log("info", "an answer was ended, because its client reads too slowly", { path, waitingBytes, problem }),
    shutdownSignal: shutdown.signal,
    maxOpenCalls: options.maxOpenCalls,
    maxUnreadBytes: options.maxUnreadBytes,
    onlyConnect: options.onlyConnect,
  });
  const port = createPort({
    handler: handle,
    accept,
    track,
    clock,
    firstByteTimeoutMs: options.firstByteTimeoutMs ?? FIRST_BYTE_TIMEOUT_MS,
    pingIntervalMs: options.pingIntervalMs ?? PING_INTERVAL_MS,
    pingTimeoutMs: options.pingTimeoutMs ?? PING_TIMEOUT_MS,
  });
  const boundPort = await port.listen(host, options.port);

  const refusals = engine.store.writable.observe((refusal) => {
    if (refusal === undefined) log("info", "the store accepts writes again", {});
    else log("error", "the store refuses writes; reads go on", { problem: refusal.problem });
  });
  const drain = async (): Promise<void> => {
    const error = HeliosError.of("SERVER_DRAINING", { retry_after: "1 s" }, { retryAfterMs: RETRY_AFTER_MS });
    serving.end(error);
    engine.endWatches(error);
    const closed = port.close();
    let cut = clock.setTimer(options.graceMs ?? DEFAULT_GRACE_MS, () => {
      shutdown.abort(fromHeliosError(error));
      // The last answers must be sent before the connections are closed.
      cut = clock.setTimer(FAREWELL_MS, () => port.destroy());
    });
    await closed;
    // A call with an idempotency key goes on without its caller, who looks for the outcome when the service is back.
    await raceOr(engine.modules.keyedCallsIdle(), [signalLimit(shutdown.signal)], () => {});
    cut.cancel();
    refusals.close();
  };
  let drained: Promise<void> | undefined;
  const shownHost = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${shownHost}:${boundPort}`,
    port: boundPort,
    usage: () => ({ ...port.usage(), ...usage() }),
    drain: () => {
      drained ??= drain();
      return drained;
    },
  };
}

const SPANS = ["firstByteTimeoutMs", "pingIntervalMs", "pingTimeoutMs", "graceMs"] as const;

interface Parts {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly version: string;
  readonly serving: Serving;
  readonly runner: Runner;
}

function servicesOf({ engine, clock, newId, version, serving, runner }: Parts): readonly Served[] {
  const replaying = createReplays(engine.requests);
  const serve = <S extends DescService>(service: S, impl: Partial<ServiceImpl<S>>): Served => ({
    service,
    impl: runner.serve(service, impl),
  });
  const repeatable = <S extends DescService>(service: S, impl: ServiceImpl<S>): Served =>
    serve(service, replaying(service, impl));
  const modules = createModuleService({ modules: engine.modules, trials: engine.testing, clock, newId });
  const flags = createFlagService({ flags: engine.flags, clock, newId });
  const breakers = createBreakerService({ breakers: engine.breakers, clock, newId });
  const { watchModules, watchFlags, watchBreakers } = { ...modules, ...flags, ...breakers };
  const watches = { watchModules, watchFlags, watchBreakers };
  const names = SERVICES.map(({ typeName }) => typeName);
  return [
    repeatable(ModuleService, modules),
    repeatable(FlagService, flags),
    repeatable(BreakerService, breakers),
    repeatable(TestService, createTestService({ testing: engine.testing })),
    serve(StatusService, createStatusService({ engine, clock, newId, version, watches })),
    serve(Health, createHealth(serving, names)),
    ...reflectionServices([...SERVICES, Health]).map(({ service, impl }) => serve(service, impl)),
  ];
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
