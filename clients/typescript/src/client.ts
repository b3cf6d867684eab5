import { type Client, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { BreakerService } from "../../../gen/helios/v1/breaker_service_pb.ts";
import { FlagService } from "../../../gen/helios/v1/flag_service_pb.ts";
import { ModuleService } from "../../../gen/helios/v1/module_service_pb.ts";
import { StatusService } from "../../../gen/helios/v1/status_service_pb.ts";
import { TestService } from "../../../gen/helios/v1/test_service_pb.ts";
import { Connection } from "./connection/connection.ts";
import { withLosses } from "./connection/lost.ts";
import { withDeadlines } from "./deadlines.ts";
import { checkOptionalSpan } from "./spans.ts";

export interface HeliosClientOptions {
  /** Where Helios listens, such as `http://127.0.0.1:8000`. */
  readonly baseUrl: string;
  /** How to talk to it. Default `grpc`. */
  readonly protocol?: "grpc" | "grpc-web" | "connect";
  /** `1.1` works with `grpc-web` and `connect` only. Default `2`. */
  readonly httpVersion?: "1.1" | "2";
  /** Deadline of every unary call that sets none of its own, in ms; streams have none of it. Infinity: none. Default: none. */
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
  if (!/^https?:$/.test(new URL(baseUrl).protocol))
    throw new TypeError(`baseUrl: ${JSON.stringify(baseUrl)} must begin with http:// or https://`);
  checkOptionalSpan("defaultTimeoutMs", options.defaultTimeoutMs, { isAbove: true, mayBeInfinite: true });
  const connection = new Connection(baseUrl);
  const transport = withDeadlines(withLosses(createTransport(options, connection)), options.defaultTimeoutMs);
  return {
    modules: createClient(ModuleService, transport),
    flags: createClient(FlagService, transport),
    breakers: createClient(BreakerService, transport),
    tests: createClient(TestService, transport),
    status: createClient(StatusService, transport),
    transport,
    clientId: options.clientId ?? "",
    close: () => connection.abort(),
  };
}

function createTransport(options: HeliosClientOptions, connection: Connection): Transport {
  const { baseUrl, protocol = "grpc", httpVersion = "2", interceptors = [] } = options;
  const shared = { baseUrl, interceptors: [...interceptors] };
  switch (protocol) {
    case "grpc":
      if (httpVersion !== "2") throw new TypeError("httpVersion: gRPC needs HTTP/2; use grpc-web or connect on 1.1");
      return createGrpcTransport({ ...shared, sessionManager: connection });
    case "grpc-web":
      return createGrpcWebTransport(
        httpVersion === "2" ? { ...shared, httpVersion, sessionManager: connection } : { ...shared, httpVersion },
      );
    case "connect":
      return createConnectTransport(
        httpVersion === "2" ? { ...shared, httpVersion, sessionManager: connection } : { ...shared, httpVersion },
      );
    default:
      throw new TypeError(`protocol: ${JSON.stringify(protocol)} is none of grpc, grpc-web and connect`);
  }
}
