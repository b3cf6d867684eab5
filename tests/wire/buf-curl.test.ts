import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { fromBinary } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { ViolationsSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { type OwnServer, startOwnServer } from "../../scripts/demo/server.ts";
import { soakUnless } from "../support/soak.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Starts buf itself. The script of its npm package would start Node for each command. */
const NPX = `${ROOT}/tests/fixtures/bin/npx`;
/** The exit code of the process after a failed RPC: its gRPC code, shifted (see `buf curl --help`). */
const exitCode = (grpcCode: number): number => grpcCode << 3;

let server: OwnServer;

beforeAll(async () => {
  server = await startOwnServer(["--modules-root", `${ROOT}/tests/fixtures/foreign`]);
});

afterAll(async () => {
  expect(await server.stop()).toBe(0);
});

interface Outcome {
  readonly code: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

function curl(path: string, ...flags: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(NPX, ["buf", "curl", ...flags, `${server.baseUrl}${path}`], { cwd: ROOT }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

/** The error as buf prints it. Over gRPC it prints most details undecoded. */
function errorOf(stderr: string) {
  const shown = JSON.parse(stderr) as { code: string; details: { type: string; value: string }[] };
  const bytes = (type: string): Uint8Array =>
    base64Decode(shown.details.find((detail) => detail.type === type)?.value ?? "");
  return {
    code: shown.code,
    info: fromBinary(ErrorInfoSchema, bytes("google.rpc.ErrorInfo")),
    violations: fromBinary(ViolationsSchema, bytes("buf.validate.Violations")),
  };
}

const WAYS: [string, string, string[]][] = [
  ["the server's schema, over HTTP/2", "HTTP/2.0", ["--http2-prior-knowledge"]],
  ["the schema from proto/, over HTTP/1.1", "HTTP/1.1", ["--schema", "proto"]],
  ["gRPC", "HTTP/2.0", ["--schema", "proto", "--protocol", "grpc"]],
];

const MORE_WAYS: [string, string, string[]][] = [
  ["the server's schema, without an option", "HTTP/2.0", []],
  ["the older reflection API", "HTTP/2.0", ["--reflect-protocol", "grpc-v1alpha"]],
  ["the schema from proto/, over HTTP/2", "HTTP/2.0", ["--schema", "proto", "--http2-prior-knowledge"]],
  ["gRPC-Web over HTTP/1.1", "HTTP/1.1", ["--schema", "proto", "--protocol", "grpcweb"]],
  ["gRPC with the server's schema", "HTTP/2.0", ["--protocol", "grpc"]],
];

for (const [way, version, flags] of [...WAYS, ...MORE_WAYS])
  describe(`buf curl with ${way}`, soakUnless(WAYS.some(([name]) => name === way)), () => {
    it("calls", async () => {
      const data = JSON.stringify({ name: "buf_curl", percentage: 12.5, allow_missing: true, actor: "buf" });
      const { code, stdout, stderr } = await curl("/helios.v1.FlagService/SetPercentage", ...flags, "-d", data, "-v");
      expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining(version) });
      const { flag } = JSON.parse(stdout) as { flag: Record<string, unknown> };
      expect(flag).toMatchObject({
        name: "buf_curl",
        enabled: true,
        strategy: "STRATEGY_PERCENTAGE",
        percentage: 12.5,
      });
      expect(flag.revision).toMatch(/^[1-9]\d*$/);
    });
  });

describe.each(WAYS)("buf curl with %s", (_, __, flags) => {
  it("shows an error with its reason", async () => {
    const { code, stderr } = await curl("/helios.v1.ModuleService/GetModule", ...flags, "-d", '{"name": "nowhere"}');
    expect(code).toBe(exitCode(5));
    expect(errorOf(stderr)).toMatchObject({
      code: "not_found",
      info: { reason: "MODULE_NOT_FOUND", domain: "helios", metadata: { name: "nowhere" } },
    });
  });

  it("shows which field of a request is wrong", async () => {
    const data = '{"name": "buf_curl", "percentage": 101}';
    const { code, stderr } = await curl("/helios.v1.FlagService/SetPercentage", ...flags, "-d", data);
    expect(code).toBe(exitCode(3));
    expect(errorOf(stderr)).toMatchObject({
      code: "invalid_argument",
      info: { reason: "ARGUMENT_INVALID", metadata: { field: "percentage" } },
      violations: { violations: [{ field: { elements: [{ fieldName: "percentage" }] } }] },
    });
  });

  it("shows the frames of a watch as they arrive", async () => {
    const request = [
      "-d",
      '{"names": ["llm_enhanced_decisions"]}',
      `${server.baseUrl}/helios.v1.FlagService/WatchFlags`,
    ];
    const watch = spawn(NPX, ["buf", "curl", ...flags, ...request], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let shown = "";
    for await (const chunk of watch.stdout) {
      shown += chunk;
      if (shown.includes("\n}\n")) break;
    }
    expect(JSON.parse(shown)).toMatchObject({
      resumeToken: expect.stringMatching(/./),
      heartbeatInterval: "15s",
      snapshot: { complete: true, flags: [{ name: "llm_enhanced_decisions" }] },
    });
    const exited = once(watch, "exit");
    watch.kill();
    await exited;
  });
});

describe("buf curl", () => {
  it("shows the reason of an error as text with its default protocol, Connect", async () => {
    const { stderr } = await curl("/helios.v1.ModuleService/GetModule", "-d", '{"name": "nowhere"}');
    expect(JSON.parse(stderr)).toMatchObject({ details: [{ debug: { reason: "MODULE_NOT_FOUND" } }] });
  });

  it.each(["connect", "grpc", "grpcweb"])("shows a false value in an answer, by %s", async (protocol) => {
    const flags = ["--http2-prior-knowledge", "--protocol", protocol];
    const data = '{"name": "neural_network_v2", "context": {"session_id": "s"}}';
    const { stdout } = await curl("/helios.v1.FlagService/EvaluateFlag", ...flags, "-d", data);
    expect(JSON.parse(stdout)).toMatchObject({ evaluation: { enabled: false, reason: "REASON_DISABLED" } });
  });

  it("lists the services", async () => {
    const { stdout } = await curl("", "--list-services");
    expect(stdout.trim().split("\n")).toEqual([
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "helios.v1.BreakerService",
      "helios.v1.FlagService",
      "helios.v1.ModuleService",
      "helios.v1.StatusService",
      "helios.v1.TestService",
    ]);
  });

  it("lists the methods", async () => {
    const { stdout } = await curl("", "--list-methods");
    expect(stdout.split("\n")).toEqual(
      expect.arrayContaining(["helios.v1.FlagService/SetPercentage", "helios.v1.StatusService/WatchEvents"]),
    );
  });

  it("reads the health", async () => {
    const { stdout } = await curl("/grpc.health.v1.Health/Check", "-d", '{"service": "helios.v1.FlagService"}');
    expect(JSON.parse(stdout)).toEqual({ status: "SERVING" });
  });
});
