import { mkdtempSync, rmSync } from "node:fs";
import { type ClientHttp2Session, connect, constants } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { create, type DescMethod, fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { decodeBinaryHeader } from "@connectrpc/connect";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ErrorInfo, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { SERVICES } from "../../src/server/contract.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { times } from "../effort.ts";
import { arbitraryJson, arbitraryMessage } from "./arbitrary.ts";

const SEED = 20_261_123;
const DEADLINE_MS = 2000;
const METHODS = [...SERVICES, Health, ServerReflection].flatMap(({ methods }) => methods);

let directory: string;
let engine: Engine;
let server: Server;
let session: ClientHttp2Session;
const unforeseen: unknown[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "helios-fuzz-"));
  engine = await createEngine({ modulesRoot: directory });
  await engine.breakers.getOrCreate("exchange");
  server = await startServer({
    engine,
    host: "127.0.0.1",
    port: 0,
    version: "test",
    log: (_, message, fields) => message === "unforeseen error" && unforeseen.push(fields),
    graceMs: 100,
  });
  // By default a client holds little more than one large message.
  session = connect(server.url, { maxSessionMemory: 256 });
});

afterAll(async () => {
  session.destroy();
  await server.drain();
  await engine.close();
  rmSync(directory, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  /** The code of the RPC. Undefined: HTTP alone refused the request, or it succeeded. */
  readonly code: string | number | undefined;
  readonly infos: readonly ErrorInfo[];
}

interface Call {
  readonly method: DescMethod;
  readonly type: string;
  readonly body: Uint8Array;
  readonly verb?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends exactly those bytes. Of an endless stream it reads the first frame. */
function send({ method, type, body, verb = "POST", headers = {} }: Call): Promise<Answer> {
  const deadline = type.startsWith("application/grpc")
    ? { "grpc-timeout": `${DEADLINE_MS}m` }
    : { "connect-timeout-ms": `${DEADLINE_MS}` };
  const stream = session.request({
    ":method": verb,
    ":path": `/${method.parent.typeName}/${method.name}`,
    ...(type === "" ? {} : { "content-type": type }),
    ...deadline,
    ...headers,
  });
  let status = 0;
  let answered = "";
  let trailers: Record<string, unknown> = {};
  const chunks: Buffer[] = [];
  stream.on("response", (head) => {
    status = Number(head[":status"]);
    answered = String(head["content-type"] ?? "");
    trailers = head;
  });
  stream.on("trailers", (received) => {
    trailers = received;
  });
  stream.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    // The first frame of a watch, which would otherwise last until the deadline.
    if (method.methodKind !== "unary" && chunk[0] === 0) stream.close(constants.NGHTTP2_CANCEL);
  });
  // Node itself ends requests with these verbs.
  if (verb !== "GET" && verb !== "DELETE") stream.end(body);
  return new Promise((resolve, reject) => {
    stream.on("error", reject);
    // The rest of a refused request need not be sent.
    stream.on("end", () => stream.destroy());
    stream.on("close", () => resolve(read(status, answered, trailers, Buffer.concat(chunks))));
  });
}

function read(status: number, type: string, trailers: Record<string, unknown>, body: Buffer): Answer {
  if (type.startsWith("application/grpc-web")) {
    const end = lastEnvelope(body, 0x80);
    const lines = end?.toString().split("\r\n") ?? [];
    return fromGrpc(status, Object.fromEntries(lines.map((line) => line.split(/:\s*/, 2) as [string, string])));
  }
  if (type.startsWith("application/grpc")) return fromGrpc(status, trailers);
  if (type.startsWith("application/connect+")) {
    const end = lastEnvelope(body, 0b10);
    return fromConnect(status, end === undefined ? undefined : JSON.parse(end.toString()).error);
  }
  if (status !== 200 && body.length > 0) return fromConnect(status, JSON.parse(body.toString()));
  return { status, code: undefined, infos: [] };
}

function lastEnvelope(body: Buffer, flag: number): Buffer | undefined {
  for (let at = 0; at + 5 <= body.length; at += 5 + body.readUInt32BE(at + 1)) {
    if (body[at] === flag) return body.subarray(at + 5);
  }
  return undefined;
}

function fromGrpc(status: number, trailers: Record<string, unknown>): Answer {
  const code = Number(trailers["grpc-status"] ?? 0);
  const details = String(trailers["grpc-status-details-bin"] ?? "");
  const { details: any } = details === "" ? create(StatusSchema) : decodeBinaryHeader(details, StatusSchema);
  const infos = any.map((one) => anyUnpack(one, ErrorInfoSchema)).filter((info) => info !== undefined);
  return { status, code: code === 0 ? undefined : code, infos };
}

interface ConnectBody {
  readonly code?: string;
  readonly details?: readonly { readonly type: string; readonly value: string }[];
}

function fromConnect(status: number, error: ConnectBody | undefined): Answer {
  const infos = (error?.details ?? [])
    .filter(({ type }) => type === ErrorInfoSchema.typeName)
    .map(({ value }) => fromBinary(ErrorInfoSchema, Buffer.from(value, "base64")));
  return { status, code: error?.code, infos };
}

/** Everything that a request could have changed. */
function state(): string {
  const breakers = engine.breakers
    .list()
    .map(({ name, state, epoch, counts, probes }) => ({ name, state, epoch, counts, probes }));
  return JSON.stringify([
    engine.revision(),
    engine.flags.export(),
    breakers,
    engine.modules.list(),
    engine.testing.listSuites(),
  ]);
}

async function check(call: Call, settle = state()): Promise<void> {
  const answer = await send(call);
  const { status, code, infos } = answer;
  const shown = `${call.verb ?? "POST"} ${call.method.parent.name}/${call.method.name} ${call.type}: ${JSON.stringify(answer)}`;
  expect([200, 204, 400, 401, 403, 404, 405, 408, 409, 412, 415, 429, 499, 500, 501, 503, 504, 505], shown).toContain(
    status,
  );
  if (code !== undefined) {
    expect(infos, shown).toHaveLength(1);
    expect(infos[0]?.domain).toBe("helios");
    expect(infos[0]?.reason, shown).toMatch(/^[A-Z_]+$/);
    const isInternal = code === 13 || code === "internal" || status === 500;
    // The protocols require INTERNAL for a compressed message without the name of a compression.
    const isMalformed = infos[0]?.reason === "REQUEST_MALFORMED";
    if (isInternal && !isMalformed) expect(infos[0]?.metadata.error_id, shown).toMatch(/./);
  }
  expect(unforeseen, shown).toEqual([]);
  if (code !== undefined || status !== 200) expect(state(), shown).toBe(settle);
}

const enveloped = (data: Uint8Array, flags = 0): Uint8Array => {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(data.length, 1);
  return Buffer.concat([head, data]);
};

const isUnary = ({ methodKind }: DescMethod): boolean => methodKind === "unary";
/** Plain protobuf in each protocol. */
const protocols = (method: DescMethod, data: Uint8Array): Call[] => [
  { method, type: "application/grpc", body: enveloped(data) },
  { method, type: "application/grpc-web+proto", body: enveloped(data) },
  isUnary(method)
    ? { method, type: "application/proto", body: data }
    : { method, type: "application/connect+proto", body: enveloped(data) },
];
const asJson = (method: DescMethod, json: string): Call => {
  const data = Buffer.from(json);
  return isUnary(method)
    ? { method, type: "application/json", body: data }
    : { method, type: "application/connect+json", body: enveloped(data) };
};

const runs = (numRuns: number) => ({ seed: SEED, numRuns, endOnFailure: true });

describe(`every RPC (seed ${SEED})`, () => {
  it.each(METHODS)("$parent.name/$name: answers any message of its type in each protocol", async (method) => {
    await fc.assert(
      fc.asyncProperty(arbitraryMessage(method.input), fc.nat(2), async (data, at) => {
        const call = protocols(method, data)[at];
        if (call !== undefined) await check(call);
      }),
      runs(times(8, 80)),
    );
  });

  it("answers any JSON", async () => {
    for (const method of METHODS) {
      await fc.assert(
        fc.asyncProperty(arbitraryJson(method.input), (json) => check(asJson(method, json))),
        runs(times(3, 20)),
      );
    }
  });

  it("answers any bytes, truncated messages, false envelopes, and wrong compression", async () => {
    for (const method of METHODS) {
      await fc.assert(
        fc.asyncProperty(
          fc.uint8Array({ maxLength: 50 }),
          arbitraryMessage(method.input),
          fc.nat(5),
          fc.nat(2),
          async (noise, message, how, at) => {
            const data = how < 2 ? noise : message.subarray(0, Math.max(0, message.length - how));
            const call = protocols(method, data)[at];
            if (call === undefined) return;
            const { body } = call;
            const bodies = [
              body,
              noise,
              body.subarray(0, body.length - 1),
              Buffer.concat([body, body]),
              enveloped(noise, 1),
            ];
            const headers: Record<string, string> =
              how === 4 ? { "grpc-encoding": "gzip", "content-encoding": "gzip" } : {};
            await check({ ...call, body: bodies[how] ?? body, headers });
          },
        ),
        runs(times(3, 20)),
      );
    }
  });

  it("refuses messages that are too large, plain and compressed, and other types, verbs and versions", async () => {
    const large = new Uint8Array(4 * 1024 * 1024 + 1);
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    const gzip = { "grpc-encoding": "gzip", "content-encoding": "gzip", "connect-content-encoding": "gzip" };
    const names = ["WatchFlags", "SetPercentage", "GetStatus"].slice(0, times(1, 3));
    for (const method of METHODS.filter(({ name }) => names.includes(name))) {
      for (const call of protocols(method, large)) await check(call);
      for (const call of protocols(method, bomb)) {
        const body = call.type === "application/proto" ? bomb : enveloped(bomb, 1);
        await check({ ...call, body, headers: gzip });
      }
      for (const call of protocols(method, new Uint8Array())) {
        for (const type of [
          "",
          "text/plain",
          "application/xml",
          "application/grpc+thrift",
          "application/json; charset=x",
        ]) {
          await check({ ...call, type });
        }
        for (const verb of ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"]) await check({ ...call, verb });
        await check({ ...call, headers: { "grpc-encoding": "zstd", "content-encoding": "zstd" } });
        await check({ ...call, headers: { "grpc-timeout": "soon", "connect-timeout-ms": "soon" } });
        await check({ ...call, headers: { "connect-protocol-version": "99" } });
      }
    }
  });

  it("still serves afterwards", async () => {
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    const flags = METHODS.find(({ name }) => name === "ListFlags");
    if (flags === undefined) throw new Error("there is no ListFlags");
    expect(await send(asJson(flags, "{}"))).toMatchObject({ status: 200, code: undefined });
  });
});
