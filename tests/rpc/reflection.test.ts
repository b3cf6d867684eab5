import { create, createFileRegistry, fromBinary, getOption } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { field } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { Code, createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { BreakerService } from "../../gen/helios/v1/breaker_service_pb.ts";
import { FlagService } from "../../gen/helios/v1/flag_service_pb.ts";
import { reflectionServices } from "../../src/server/services/reflection.ts";

const transport = createRouterTransport((router) => {
  for (const { service, impl } of reflectionServices([FlagService, BreakerService, Health]))
    router.service(service, impl);
});

const VERSIONS = [
  ["v1", ServerReflection],
  ["v1alpha", ServerReflectionAlpha],
] as const;

type Question =
  | { case: "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType" | "listServices"; value: string }
  | { case: "fileContainingExtension"; value: { containingType: string; extensionNumber: number } }
  | { case: undefined };

/** Sends all questions in one stream, and resolves to the answers in order. */
async function ask(service: (typeof VERSIONS)[number][1], ...questions: Question[]) {
  const client = createClient(service, transport);
  async function* requests() {
    for (const messageRequest of questions) yield { host: "here", messageRequest };
  }
  const answers = [];
  for await (const answer of client.serverReflectionInfo(requests())) answers.push(answer);
  return answers;
}

/** The files of one answer. */
async function files(question: Question): Promise<FileDescriptorProto[]> {
  const [answer] = await ask(ServerReflection, question);
  if (answer?.messageResponse.case !== "fileDescriptorResponse") throw new Error(JSON.stringify(answer));
  return decoded(answer.messageResponse.value.fileDescriptorProto);
}

const decoded = (protos: readonly Uint8Array[]) => protos.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));

/** The order in which files can be built. Throws if an import is missing. */
function importsFirst(all: readonly FileDescriptorProto[]): FileDescriptorProto[] {
  const ordered = new Set<FileDescriptorProto>();
  const add = (file: FileDescriptorProto | undefined): void => {
    if (file === undefined) throw new Error("an import is missing");
    for (const name of file.dependency) add(all.find((each) => each.name === name));
    ordered.add(file);
  };
  for (const file of all) add(file);
  return [...ordered];
}

const symbol = (value: string): Question => ({ case: "fileContainingSymbol", value });

describe.each(VERSIONS)("reflection %s", (_, service) => {
  it("lists the services and itself", async () => {
    const [answer] = await ask(service, { case: "listServices", value: "*" });
    expect(answer?.messageResponse.value).toMatchObject({
      service: [
        { name: "grpc.health.v1.Health" },
        { name: "grpc.reflection.v1.ServerReflection" },
        { name: "grpc.reflection.v1alpha.ServerReflection" },
        { name: "helios.v1.BreakerService" },
        { name: "helios.v1.FlagService" },
      ],
    });
  });

  it("answers each question of a stream in order, and repeats the question", async () => {
    const asked = [symbol("helios.v1.FlagService"), symbol("helios.v1.Nothing"), { case: "listServices", value: "" }];
    const answers = await ask(service, ...(asked as Question[]));
    expect(answers.map(({ messageResponse }) => messageResponse.case)).toEqual([
      "fileDescriptorResponse",
      "errorResponse",
      "listServicesResponse",
    ]);
    expect(answers.map(({ originalRequest }) => originalRequest?.messageRequest)).toEqual(asked);
    expect(new Set(answers.map(({ validHost }) => validHost))).toEqual(new Set(["here"]));
  });
});

describe("a file", () => {
  it.each([
    ["a service", "helios.v1.FlagService", "helios/v1/flag_service.proto"],
    ["a method", "helios.v1.FlagService.ListFlags", "helios/v1/flag_service.proto"],
    ["a message", "helios.v1.Flag", "helios/v1/flag.proto"],
    ["a nested type", "grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"],
    ["a field", "helios.v1.Flag.percentage", "helios/v1/flag.proto"],
    ["a oneof", "helios.v1.WatchFlagsResponse.frame", "helios/v1/flag_service.proto"],
    ["an enum", "helios.v1.Strategy", "helios/v1/flag.proto"],
    ["an enum's value", "helios.v1.STRATEGY_PERCENTAGE", "helios/v1/flag.proto"],
    ["a nested enum's value", "grpc.health.v1.HealthCheckResponse.SERVING", "grpc/health/v1/health.proto"],
    ["an extension", "buf.validate.field", "buf/validate/validate.proto"],
    ["the type of an error detail", "google.rpc.ErrorInfo", "google/rpc/error_details.proto"],
    ["the type of a retry time", "google.rpc.RetryInfo", "google/rpc/error_details.proto"],
    ["the type of a complete error", "google.rpc.Status", "google/rpc/status.proto"],
    ["the type that wraps a detail", "google.protobuf.Any", "google/protobuf/any.proto"],
    ["the type of a refused request's detail", "buf.validate.Violations", "buf/validate/validate.proto"],
  ])("is found by %s", async (_, name, file) => {
    expect((await files(symbol(name)))[0]?.name).toBe(file);
  });

  it("is found by its name and by an extension that it declares", async () => {
    const [byName] = await files({ case: "fileByFilename", value: "helios/v1/flag.proto" });
    expect(byName?.name).toBe("helios/v1/flag.proto");
    const value = { containingType: "google.protobuf.FieldOptions", extensionNumber: 1159 };
    const [byExtension] = await files({ case: "fileContainingExtension", value });
    expect(byExtension?.name).toBe("buf/validate/validate.proto");
  });

  it("is sent with everything that it imports, so that a client can build it and read its options", async () => {
    const all = await files(symbol("helios.v1.FlagService"));
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: importsFirst(all) }));
    const method = registry.getService("helios.v1.FlagService")?.method.setPercentage;
    const rules = method?.input.fields.find(({ name }) => name === "percentage");
    if (rules === undefined) throw new Error("the method takes no percentage");
    expect(getOption(rules, field)).toMatchObject({
      required: true,
      type: { case: "double", value: { finite: true, lessThan: { case: "lte", value: 100 } } },
    });
  });

  it("is not sent again as an import in the same stream, but is on request", async () => {
    const answers = await ask(
      ServerReflection,
      symbol("helios.v1.FlagService"),
      symbol("helios.v1.BreakerService"),
      symbol("helios.v1.FlagService"),
    );
    const [flags = [], breakers = [], again] = answers.map(({ messageResponse }) =>
      messageResponse.case === "fileDescriptorResponse"
        ? decoded(messageResponse.value.fileDescriptorProto).map(({ name }) => name)
        : [],
    );
    expect(flags).toContain("buf/validate/validate.proto");
    expect(breakers[0]).toBe("helios/v1/breaker_service.proto");
    expect(breakers.filter((name) => flags.includes(name))).toEqual([]);
    expect(again).toEqual(["helios/v1/flag_service.proto"]);
  });
});

describe("the extensions of a message", () => {
  it("are listed by number", async () => {
    const [options, message] = await ask(
      ServerReflection,
      { case: "allExtensionNumbersOfType", value: "google.protobuf.MessageOptions" },
      { case: "allExtensionNumbersOfType", value: "helios.v1.Flag" },
    );
    expect(options?.messageResponse.value).toMatchObject({
      baseTypeName: "google.protobuf.MessageOptions",
      extensionNumber: [1159],
    });
    expect(message?.messageResponse.value).toMatchObject({ baseTypeName: "helios.v1.Flag", extensionNumber: [] });
  });
});

describe("a request for something unknown", () => {
  it.each<[string, Question]>([
    ["file", { case: "fileByFilename", value: "helios/v1/flag" }],
    ["symbol", symbol("helios.v1.Nothing")],
    ["extension", { case: "fileContainingExtension", value: { containingType: "helios.v1.Flag", extensionNumber: 1 } }],
    ["message", { case: "allExtensionNumbersOfType", value: "helios.v1.Nothing" }],
  ])("is answered with NOT_FOUND: a %s", async (what, question) => {
    const [answer] = await ask(ServerReflection, question);
    expect(answer?.messageResponse.value).toMatchObject({
      errorCode: Code.NotFound,
      errorMessage: expect.stringContaining(what),
    });
  });

  it("is answered with INVALID_ARGUMENT if it is empty, and the stream continues", async () => {
    const answers = await ask(ServerReflection, { case: undefined }, { case: "listServices", value: "" });
    expect(answers.map(({ messageResponse }) => messageResponse)).toMatchObject([
      { case: "errorResponse", value: { errorCode: Code.InvalidArgument } },
      { case: "listServicesResponse" },
    ]);
  });
});
