import { type Client, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { BreakerService } from "../../../gen/helios/v1/breaker_service_pb.ts";
import { FlagService } from "../../../gen/helios/v1/flag_service_pb.ts";
import { ModuleService } from "../../../gen/helios/v1/module_service_pb.ts";
import { StatusService } from "../../../gen/helios/v1/status_service_pb.ts";
import { TestService } from "../../../gen/helios/v1/test_service_pb.ts";
import { withDeadlines } from "./deadlines.ts";
import { checkOptionalSpan } from "./spans.ts";

export interface HeliosClientOptions {
  /** Where Helios listens, such as `http://127.0.0.1:8000`. */
  readonly baseUrl: string;
  /** How to talk to it. Default `grpc`. */
  readonly protocol?: "grpc" | "grpc-web" | "connect";
  /** `1.1` works with `grpc-web` and `connect` only. Default `2`. */
  readonly httpVersion?: "1.1" | "2";
  /** Deadline of every unary call that sets none of its own, in ms; Infinity: none. Default: none. */
  readonly defaultTimeoutMs?: number;
  readonly interceptors?: readonly Interceptor[];
  /**
   * What this process is called, in `GetStatus` and by `WaitForRevision`: its watches then acknowledge what they have
   * applied. No two processes should have the same. Absent: its watches have no name.
   */
  readonly clientId?: string;
}

/** A typed client for each service. All share one connection, which is opened at the first call. */
export interface HeliosClient {
  readonly modules: Client<typeof ModuleService>;
  readonly flags: Client<typeof FlagService>;
  readonly breakers: Client<typeof BreakerService>;
  readonly tests: Client<typeof TestService>;
  readonly status: Client<typeof StatusService>;
  /** For services of one's own behind the same address. */
  readonly transport: Transport;
  /** Empty where none was given. */
  readonly clientId: string;
  /** Ends the connection and every call on it; a later call opens a new one. */
  close(): void;
}

/** Makes the clients; throws a TypeError that names the option where one is wrong. */
export function createHeliosClient(options: HeliosClientOptions): HeliosClient {
  const { baseUrl } = options;
  if (!URL.canParse(baseUrl)) throw new TypeError(`baseUrl: ${JSON.stringify(baseUrl)} is not a URL`);
  checkOptionalSpan("defaultTimeoutMs", options.defaultTimeoutMs, { isAbove: true, mayBeInfinite: true });
  const sessions = new Http2SessionManager(
    baseUrl,
    { pingIntervalMs: PING_INTERVAL_MS, pingTimeoutMs: PING_INTERVAL_MS },
    { maxSessionMemory: SESSION_MEMORY_MB },
  );
  const transport = withDeadlines(createTransport(options, sessions), options.defaultTimeoutMs);
  return {
    modules: createClient(ModuleService, transport),
    flags: createClient(FlagService, transport),
    breakers: createClient(BreakerService, transport),
    tests: createClient(TestService, transport),
    status: createClient(StatusService, transport),
    transport,
    clientId: options.clientId ?? "",
    close: () => sessions.abort(),
  };
}

/**
 * How soon a connection that has open calls and hears nothing asks whether the other side is still there, and how long
 * that may take to answer. A call that is tried again goes over the same connection until it is known to be dead.
 */
const PING_INTERVAL_MS = 5000;
/** Past it Node refuses new calls on the connection; its default (10) is one large message and a little. */
const SESSION_MEMORY_MB = 256;

function createTransport(options: HeliosClientOptions, sessions: Http2SessionManager): Transport {
  const { baseUrl, protocol = "grpc", httpVersion = "2", interceptors = [] } = options;
  const shared = { baseUrl, interceptors: [...interceptors] };
  switch (protocol) {
    case "grpc":
      if (httpVersion !== "2") throw new TypeError("httpVersion: gRPC needs HTTP/2; use grpc-web or connect on 1.1");
      return createGrpcTransport({ ...shared, sessionManager: sessions });
    case "grpc-web":
      return createGrpcWebTransport(
        httpVersion === "2" ? { ...shared, httpVersion, sessionManager: sessions } : { ...shared, httpVersion },
      );
    case "connect":
      return createConnectTransport(
        httpVersion === "2" ? { ...shared, httpVersion, sessionManager: sessions } : { ...shared, httpVersion },
      );
    default:
      throw new TypeError(`protocol: ${JSON.stringify(protocol)} is none of grpc, grpc-web and connect`);
  }
}
