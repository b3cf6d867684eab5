import { connect } from "node:http2";
import { create, type DescMethod, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { BreakerService } from "../../../gen/helios/v1/breaker_service_pb.ts";
import { FlagService } from "../../../gen/helios/v1/flag_service_pb.ts";
import { ModuleService } from "../../../gen/helios/v1/module_service_pb.ts";
import { crowd, type World } from "./world.ts";

/** The trailers that careful clients accept, with 32 bytes for each field as RFC 7540 counts them. */
const MOST = 8192;

let world: World;
beforeAll(async () => {
  world = await crowd();
});
afterAll(() => world.close());

/** The trailers of a call over plain HTTP/2. */
async function call<M extends DescMethod>(rpc: M, init: MessageInitShape<M["input"]>) {
  const session = connect(world.server.url);
  const path = `/${rpc.parent.typeName}/${rpc.name}`;
  const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc+proto", te: "trailers" };
  const stream = session.request(headers);
  const message = toBinary(rpc.input, create(rpc.input, init));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([head, message]));
  stream.resume();
  const trailers = await new Promise<Record<string, unknown>>((resolve, reject) => {
    stream.once("trailers", resolve);
    // Without a body, the trailers are the headers.
    stream.once("response", (response) => response["grpc-status"] !== undefined && resolve(response));
    stream.once("error", reject);
  });
  session.destroy();
  const size = Object.entries(trailers)
    .filter(([name]) => name.startsWith("grpc-"))
    .reduce((sum, [name, value]) => sum + name.length + String(value).length + 32, 0);
  return { status: Number(trailers["grpc-status"]), size, details: trailers["grpc-status-details-bin"] };
}

const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const euros = "€".repeat(100_000);

describe("an error", () => {
  it.each<[string, () => ReturnType<typeof call>, number]>([
    [
      "an error about ten thousand entries that are too long",
      () =>
        call(FlagService.method.createFlag, {
          flag: { name: "a", whitelist: Array.from({ length: 10_001 }, (_, at) => `${at}`.padEnd(300, "x")) },
        }),
      INVALID_ARGUMENT,
    ],
    [
      "an error about a map's key that is as long as a request",
      () => call(ModuleService.method.registerModule, { name: "a", modulePath: "a", env: { [euros]: "", "1": "" } }),
      INVALID_ARGUMENT,
    ],
    [
      "an error about a name of control characters",
      () => call(FlagService.method.getFlag, { name: "\u0001\u0002" }),
      INVALID_ARGUMENT,
    ],
    [
      "an error about a mask with paths of megabytes",
      () => call(FlagService.method.updateFlag, { flag: { name: "a" }, updateMask: { paths: [euros] } }),
      INVALID_ARGUMENT,
    ],
    [
      "an error about an unknown path",
      () => call(BreakerService.method.updateBreaker, { name: "a", config: {}, updateMask: { paths: [euros] } }),
      INVALID_ARGUMENT,
    ],
    [
      "an error about a service with a name of that length",
      () => call(Health.method.check, { service: euros }),
      NOT_FOUND,
    ],
    [
      "an error about an invalid page token",
      () => call(FlagService.method.listFlags, { pageToken: "€".repeat(512) }),
      INVALID_ARGUMENT,
    ],
  ])("%s has trailers that every client can read, and details", async (_, attempt, status) => {
    const error = await attempt();
    expect(error.status).toBe(status);
    expect(error.size).toBeLessThan(MOST);
    expect(error.details).toEqual(expect.any(String));
  });

  it("an error of reflection does not repeat a question of megabytes", async () => {
    const messageRequest = { case: "fileContainingSymbol" as const, value: "x".repeat(3_000_000) };
    const { status } = await call(ServerReflection.method.serverReflectionInfo, { messageRequest });
    expect(status).toBe(0);
  });
});
