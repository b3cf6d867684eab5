// The server under test: the port, the handler and the interceptors of Helios, with the service of the conformance suite in
// place of Helios's own. It reads from standard input how to serve, and writes to standard output where it serves. The suite
// starts one process for each combination of protocol, HTTP version and TLS, and ends it with SIGTERM.
import { buffer } from "node:stream/consumers";
import { createRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { systemClock } from "../../src/core/index.ts";
import { createRunner } from "../../src/server/calls/runner.ts";
import { createHandler } from "../../src/server/http/handler.ts";
import { createRest } from "../../src/server/rest/rest.ts";
import { createServingSwitch } from "../../src/server/services/health.ts";
import { createPort } from "../../src/server/transport/port.ts";
import {
  type ServerCompatRequest,
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "./gen/connectrpc/conformance/v1/server_compat_pb.ts";
import {
  ConformanceService,
  file_connectrpc_conformance_v1_service,
} from "./gen/connectrpc/conformance/v1/service_pb.ts";
import { createConformanceService } from "./service.ts";

const HOST = "127.0.0.1";
const clock = systemClock;
const newId = (): string => crypto.randomUUID();
const report = (errorId: string, error: unknown): void => void process.stderr.write(`${errorId}: ${String(error)}\n`);

function handlerFor({ messageReceiveLimit }: ServerCompatRequest) {
  const shutdownSignal = new AbortController().signal;
  const serving = createServingSwitch();
  serving.set(true);
  const runner = createRunner({ clock, log: () => {}, newId, report, serving, over: shutdownSignal });
  return createHandler({
    clock,
    services: [
      { service: ConformanceService, impl: runner.serve(ConformanceService, createConformanceService(clock)) },
    ],
    rest: (transportFor) => createRest({ services: [], transportFor, maxBodyBytes: 1, clock, newId, report }),
    allowedOrigins: [],
    hosts: { bound: HOST, allowed: [] },
    plainRoutes: {},
    newId,
    report,
    shutdownSignal,
    // The suite puts messages of its own into `google.protobuf.Any`, which JSON can only carry if their types are known.
    registry: createRegistry(file_connectrpc_conformance_v1_service),
    ...(messageReceiveLimit === 0 ? {} : { maxRequestBytes: messageReceiveLimit }),
  });
}

/** The certificates of the suite. A client must have one if the suite gives the authority that signs it. */
function tlsOf({ useTls, serverCreds, clientTlsCert }: ServerCompatRequest) {
  if (!useTls || serverCreds === undefined) return {};
  const { cert, key } = serverCreds;
  return { tls: { cert, key, ...(clientTlsCert.length === 0 ? {} : { clientCa: clientTlsCert }) } };
}

async function serve(request: ServerCompatRequest): Promise<void> {
  const { handle, accept } = handlerFor(request);
  const port = createPort({
    handler: handle,
    accept,
    clock,
    firstByteTimeoutMs: 10_000,
    pingIntervalMs: 30_000,
    pingTimeoutMs: 10_000,
    ...tlsOf(request),
  });
  process.once("SIGTERM", () => {
    void port.close();
    port.destroy();
  });
  const number = await port.listen(HOST, 0);
  const pemCert = request.useTls ? request.serverCreds?.cert : undefined;
  const bytes = toBinary(ServerCompatResponseSchema, {
    $typeName: ServerCompatResponseSchema.typeName,
    host: HOST,
    port: number,
    pemCert: pemCert ?? new Uint8Array(),
  });
  const length = Buffer.alloc(PREFIX_BYTES);
  length.writeUInt32BE(bytes.length);
  process.stdout.write(Buffer.concat([length, bytes]));
}

/** Bytes of the length that comes before each message on standard input and output. */
const PREFIX_BYTES = 4;

const input = await buffer(process.stdin);
await serve(fromBinary(ServerCompatRequestSchema, input.subarray(PREFIX_BYTES, PREFIX_BYTES + input.readUInt32BE(0))));
