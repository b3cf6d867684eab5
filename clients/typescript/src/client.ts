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
  /** The address at which Helios listens, such as `http://127.0.0.1:8000`. */
  readonly baseUrl: string;
  /** The protocol to use. Default `grpc`. */
  readonly protocol?: "grpc" | "grpc-web" | "connect";
  /** `1.1` works with `grpc-web` and `connect` only. Default `2`. */
  readonly httpVersion?: "1.1" | "2";
  /** Deadline of every unary call without a deadline of its own, in ms. It does not apply to streams. Default: no deadline. */
  readonly defaultTimeoutMs?: number;
  readonly interceptors?: readonly Interceptor[];
  /**
   * The name of this process in `GetStatus` and `WaitForRevision`. With it, watches acknowledge the changes that they have
   * applied. Each process should have its own. Default: its watches have no name.
   */
  readonly clientId?: string;
}

/**
 * A typed client for each service. All share one connection, which is opened at the first call.
 *
 * A pending call, stream or watch keeps the process alive. So do `ready()`, `acquire()`, `call()` and `close()` of breakers
 * while they are pending, `return()` of a watch, and the watch of breakers until they are closed. Idle connections, heartbeats
 * and timers do not. Leaving the loop over a watch ends the watch. Leaving the loop over a stream of these clients does not end
 * the stream; aborting its signal does.
 *
 * Every call and stream is settled, whatever happens to the connection. They fail with UNAVAILABLE when it ends. Over HTTP/2
 * they also fail within 10 s if it cannot be opened, or if the service stops answering pings. There is no limit while the
 * service answers pings. Over HTTP/1.1 a silent service looks the same as a slow one, so that only deadlines end such calls.
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
  /** Ends the connections. Every call on them fails with CANCELED. A later call, or a watch that continues, opens a new one. */
  close(): void;
}

/** Creates the clients. Throws a TypeError that names the wrong option. */
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
