import { type Client, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { BreakerService } from "../../../gen/helios/v1/breaker_service_pb.ts";
import { FlagService } from "../../../gen/helios/v1/flag_service_pb.ts";
import { ModuleService } from "../../../gen/helios/v1/module_service_pb.ts";
import { StatusService } from "../../../gen/helios/v1/status_service_pb.ts";
import { TestService } from "../../../gen/helios/v1/test_service_pb.ts";
import { type Agent, createAgent } from "./connection/agent.ts";
import { Connection } from "./connection/connection.ts";
import { withLosses } from "./connection/lost.ts";
import { withDeadlines } from "./deadlines.ts";
import { checkOptionalSpan } from "./spans.ts";

export interface HeliosClientOptions {
  /** Where Helios listens, such as `http://127.0.0.1:8000`. */
  readonly baseUrl: string;
  /** The protocol to use. Default `grpc`. */
  readonly protocol?: "grpc" | "grpc-web" | "connect";
  /** `1.1` works with `grpc-web` and `connect` only. Default `2`. */
  readonly httpVersion?: "1.1" | "2";
  /** Deadline of every unary call without a deadline of its own, in ms. It does not apply to streams. Default: no deadline. */
  readonly defaultTimeoutMs?: number;
  readonly interceptors?: readonly Interceptor[];
  /**
   * The name of this process in `GetStatus` and `WaitForRevision`: with it, watches acknowledge what they have applied. Each
   * process should have its own. Default: its watches have no name.
   */
  readonly clientId?: string;
}

/**
 * A typed client for each service. All share one connection, which is opened at the first call.
 *
 * What somebody waits for keeps the process alive until it is settled: a call, the next message of a stream, the next event
 * of a watch, `return()` of a watch, and `ready()`, `acquire()`, `call()` and `close()` of breakers. What nobody waits for does
 * not: idle connections, heartbeats, timers. A stream keeps the process alive until it ends, and the watch of breakers until
 * they are closed. Leaving the loop over a watch ends the watch. Leaving the loop over a stream of these clients does not end
 * the stream; aborting its signal does.
 *
 * Every call and stream is settled, whatever happens to the connection. They fail with UNAVAILABLE when it ends, and over
 * HTTP/2 within 10 s when it cannot be opened or the service stops answering. A service that is there may take its time. Over
 * HTTP/1.1 a silent service looks the same as a slow one, so that only deadlines end such calls.
 */
export interface HeliosClient {
  readonly modules: Client<typeof ModuleService>;
  readonly flags: Client<typeof FlagService>;
  readonly breakers: Client<typeof BreakerService>;
  readonly tests: Client<typeof TestService>;
  readonly status: Client<typeof StatusService>;
  /** For other services at the same address. */
  readonly transport: Transport;
  /** Empty if the options had no `clientId`. */
  readonly clientId: string;
  /** Ends the connections, and every call on them with CANCELED. A later call or a watch that goes on opens a new one. */
  close(): void;
}

/** Makes the clients. Throws a TypeError that names the option that is wrong. */
export function createHeliosClient(options: HeliosClientOptions): HeliosClient {
  const { baseUrl } = options;
  if (!URL.canParse(baseUrl)) throw new TypeError(`baseUrl: ${JSON.stringify(baseUrl)} is not a URL`);
  if (!/^https?:$/.test(new URL(baseUrl).protocol))
    throw new TypeError(`baseUrl: ${JSON.stringify(baseUrl)} must begin with http:// or https://`);
  checkOptionalSpan("defaultTimeoutMs", options.defaultTimeoutMs, { isAbove: true, mayBeInfinite: true });
  const connection = new Connection(baseUrl);
  const agent = createAgent(baseUrl);
  const calls = withLosses(createTransport(options, connection, agent), () => connection.ends);
  const transport = withDeadlines(calls, options.defaultTimeoutMs);
  return {
    modules: createClient(ModuleService, transport),
    flags: createClient(FlagService, transport),
    breakers: createClient(BreakerService, transport),
    tests: createClient(TestService, transport),
    status: createClient(StatusService, transport),
    transport,
    clientId: options.clientId ?? "",
    close() {
      connection.abort();
      agent.destroy();
    },
  };
}

function createTransport(options: HeliosClientOptions, connection: Connection, agent: Agent): Transport {
  const { baseUrl, protocol = "grpc", httpVersion = "2", interceptors = [] } = options;
  const shared = { baseUrl, interceptors: [...interceptors] };
  const nodeOptions = { agent };
  switch (protocol) {
    case "grpc":
      if (httpVersion !== "2") throw new TypeError("httpVersion: gRPC needs HTTP/2; use grpc-web or connect on 1.1");
      return createGrpcTransport({ ...shared, sessionManager: connection });
    case "grpc-web":
      return createGrpcWebTransport(
        httpVersion === "2"
          ? { ...shared, httpVersion, sessionManager: connection }
          : { ...shared, httpVersion, nodeOptions },
      );
    case "connect":
      return createConnectTransport(
        httpVersion === "2"
          ? { ...shared, httpVersion, sessionManager: connection }
          : { ...shared, httpVersion, nodeOptions },
      );
    default:
      throw new TypeError(`protocol: must be grpc, grpc-web or connect, not ${JSON.stringify(protocol)}`);
  }
}
