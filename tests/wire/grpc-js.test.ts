import { fileURLToPath } from "node:url";
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import {
  type Client,
  type ClientReadableStream,
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  type ServiceClientConstructor,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { type OwnServer, startOwnServer } from "../../scripts/demo/server.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SERVICES = ["breaker", "flag", "module", "status", "test"];

/** The contract as a client loads it from the proto files. */
const contract = loadPackageDefinition(
  loadSync([...SERVICES.map((name) => `helios/v1/${name}_service.proto`), "grpc/health/v1/health.proto"], {
    includeDirs: [`${ROOT}/proto`],
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  }),
);

type Answer = Record<string, unknown>;

let server: OwnServer;
const clients = new Map<string, Client>();

beforeAll(async () => {
  server = await startOwnServer(["--modules-root", `${ROOT}/tests/fixtures/foreign`]);
});

afterAll(async () => {
  for (const client of clients.values()) client.close();
  expect(await server.stop()).toBe(0);
});

function clientOf(service: string): Record<string, (...args: unknown[]) => unknown> {
  const found = clients.get(service);
  if (found !== undefined) return found as never;
  let scope: unknown = contract;
  for (const part of service.split(".")) scope = (scope as GrpcObject)[part];
  const client = new (scope as ServiceClientConstructor)(new URL(server.baseUrl).host, credentials.createInsecure());
  clients.set(service, client);
  return client as never;
}

const deadline = () => ({ deadline: Date.now() + 20_000 });

function call(service: string, method: string, request: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    clientOf(service)[method]?.(request, deadline(), (error: ServiceError | null, answer: Answer) =>
      error === null ? resolve(answer) : reject(error),
    );
  });
}

function stream(service: string, method: string, request: object): ClientReadableStream<Answer> {
  return clientOf(service)[method]?.(request, deadline()) as ClientReadableStream<Answer>;
}

async function failure(outcome: Promise<unknown>): Promise<ServiceError> {
  return outcome.then(
    () => Promise.reject(new Error("it did not fail")),
    (error: ServiceError) => error,
  );
}

/** The ErrorInfo in the trailer with gRPC's error details. */
function errorInfo(error: ServiceError) {
  const [trailer] = error.metadata.get("grpc-status-details-bin");
  const { details } = fromBinary(StatusSchema, trailer as Buffer);
  return details.map((detail) => anyUnpack(detail, ErrorInfoSchema)).find((info) => info !== undefined);
}

describe("grpc-js with nothing but the proto files", () => {
  it("registers, loads and calls a module", async () => {
    const service = "helios.v1.ModuleService";
    await call(service, "RegisterModule", { name: "grpc_js", module_path: "echo", hot_reloadable: false });
    const { module } = await call(service, "LoadModule", { name: "grpc_js" });
    expect(module).toMatchObject({ state: "MODULE_STATE_ACTIVE", version: "1.0.0", methods: ["echo", "fail"] });
    const binary = Buffer.from([0, 255, 1]);
    const answer = await call(service, "InvokeModule", { name: "grpc_js", method: "echo", binary });
    expect(answer).toMatchObject({ output: "binary", binary, answered_by: "grpc_js" });
    await call(service, "UnloadModule", { name: "grpc_js" });
  });

  it("switches a flag and evaluates it", async () => {
    const service = "helios.v1.FlagService";
    await call(service, "SetPercentage", { name: "grpc_js", percentage: 100, allow_missing: true });
    const { evaluation } = await call(service, "EvaluateFlag", { name: "grpc_js" });
    expect(evaluation).toMatchObject({ enabled: true, variant: "on", reason: "REASON_SPLIT" });
  });

  it("asks a breaker for a permit", async () => {
    const service = "helios.v1.BreakerService";
    const { created } = await call(service, "GetOrCreateBreaker", { name: "grpc_js" });
    expect(created).toBe(true);
    expect(await call(service, "AcquirePermit", { name: "grpc_js" })).toMatchObject({
      allowed: true,
      state: "BREAKER_STATE_CLOSED",
    });
  });

  it("lists the suites and reads the status", async () => {
    const { suites } = await call("helios.v1.TestService", "ListSuites", {});
    expect((suites as { name: string }[]).map(({ name }) => name)).toEqual(
      expect.arrayContaining(["data", "ml", "trading"]),
    );
    expect(await call("helios.v1.StatusService", "GetStatus", {})).toMatchObject({ status: { ready: true } });
  });

  it("reads the health", async () => {
    expect(await call("grpc.health.v1.Health", "Check", { service: "helios.v1.FlagService" })).toEqual({
      status: "SERVING",
    });
  });

  it("watches: a snapshot, then changes, until it cancels", async () => {
    const service = "helios.v1.FlagService";
    const name = "grpc_js_watched";
    await call(service, "SetPercentage", { name, percentage: 1, allow_missing: true });
    const watch = stream(service, "WatchFlags", { names: [name] });
    const cancelled = new Promise<ServiceError>((resolve) => watch.on("error", resolve));
    const frames = watch[Symbol.asyncIterator]();
    const { value: snapshot } = await frames.next();
    expect(snapshot).toMatchObject({
      frame: "snapshot",
      snapshot: { complete: true, flags: [{ name, percentage: 1 }] },
    });
    const { flag } = await call(service, "SetPercentage", { name, percentage: 2, actor: "grpc-js" });
    const { value: change } = await frames.next();
    expect(change).toMatchObject({
      frame: "changes",
      changes: { changes: [{ put: flag, cause: { action: "SetPercentage", actor: "grpc-js" } }] },
    });
    watch.cancel();
    expect((await cancelled).code).toBe(status.CANCELLED);
  });

  it("reads the reason of an error from grpc-status-details-bin", async () => {
    const error = await failure(call("helios.v1.ModuleService", "GetModule", { name: "nowhere" }));
    expect(error.code).toBe(status.NOT_FOUND);
    expect(errorInfo(error)).toMatchObject({
      domain: "helios",
      reason: "MODULE_NOT_FOUND",
      metadata: { name: "nowhere" },
    });
  });

  it("reads the reason of an error in a text that is not ASCII", async () => {
    const error = await failure(call("helios.v1.FlagService", "GetFlag", { name: "grüße 🚀" }));
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    expect(errorInfo(error)).toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field: "name" } });
  });

  it("reads the error of a stream that could not begin", async () => {
    const watch = stream("helios.v1.FlagService", "WatchFlags", { resume_token: "never given" });
    const error = await failure(watch[Symbol.asyncIterator]().next());
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    expect(errorInfo(error)).toMatchObject({ reason: "RESUME_TOKEN_INVALID" });
  });
});
