import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errorInfo } from "../../clients/typescript/src/index.ts";
import { BreakerService } from "../../gen/helios/v1/breaker_service_pb.ts";
import { FlagService } from "../../gen/helios/v1/flag_service_pb.ts";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { SERVICES } from "../../src/server/contract.ts";
import { createRoutes } from "../../src/server/rest/routes.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { ROOT } from "../core/modules/rig.ts";

const API = "/api/modularity";

let engine: Engine;
let server: Server;
let names = 0;

beforeAll(async () => {
  engine = await createEngine({ modulesRoot: ROOT });
  server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "1", log: () => {} });
});
afterAll(async () => {
  await server.drain();
  await engine.close();
});

interface Answer {
  readonly status: number;
  readonly etag: string | null;
  readonly body: {
    readonly error?: { readonly reason: string; readonly message: string };
    readonly flag?: Readonly<Record<string, unknown>>;
    readonly breaker?: { readonly config: Readonly<Record<string, unknown>> };
  };
}

async function send(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await fetch(`${server.url}${API}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, etag: answer.headers.get("etag"), body: (await answer.json()) as Answer["body"] };
}

/** A flag that is on for all: its name and etag. */
async function flag(): Promise<{ name: string; etag: string }> {
  names += 1;
  return engine.flags.create(`flag-${names}`, { enabled: true, description: "d", salt: "s" }, {}, {});
}

describe("PATCH without a mask", () => {
  it("switches a flag off", async () => {
    const { name } = await flag();
    const { status, body } = await send("PATCH", `/feature-flags/${name}`, { enabled: false });
    expect([status, body.flag]).toMatchObject([200, { enabled: false, description: "d", salt: "s" }]);
    expect(engine.flags.get(name).record.enabled).toBe(false);
  });

  it("clears fields that are null", async () => {
    const { name } = await flag();
    const { body } = await send("PATCH", `/feature-flags/${name}`, { description: null });
    expect(body.flag).toMatchObject({ enabled: true, description: "" });
    await engine.breakers.getOrCreate("patched", { failureThreshold: 9, failureRate: 0.5 });
    const config = { failure_rate: null, failureThreshold: 8 };
    const changed = await send("PATCH", "/circuit-breakers/patched", { config });
    expect(changed.body.breaker?.config).toMatchObject({ failure_threshold: 8 });
    expect(changed.body.breaker?.config.failure_rate).toBeUndefined();
  });

  it.each([
    ["/feature-flags/", { revision: 5 }, /"revision" cannot be changed/],
    ["/feature-flags/", { killed: true }, /"killed" cannot be changed/],
    ["/feature-flags/", {}, /update_mask: is empty/],
    ["/feature-flags/", { enabld: false }, /did you mean enabled/],
    ["/feature-flags/", { name: "other" }, /other/],
  ])("a PATCH of %s with %j is refused", async (path, sent, message) => {
    const { name } = await flag();
    const { status, body } = await send("PATCH", `${path}${name}`, sent);
    expect([status, body.error?.reason]).toEqual([400, "ARGUMENT_INVALID"]);
    expect(body.error?.message).toMatch(message);
  });
});

describe("an update over gRPC", () => {
  const client = <S extends typeof FlagService | typeof BreakerService>(service: S) =>
    createClient(service, createGrpcTransport({ baseUrl: server.url }));
  const refusal = async (call: Promise<unknown>) => {
    const error = ConnectError.from(await call.catch((thrown: unknown) => thrown));
    return [Code[error.code], errorInfo(error)?.reason, errorInfo(error)?.metadata.field];
  };

  it("an update without a field to change is refused", async () => {
    const { name } = await flag();
    const flags = client(FlagService);
    for (const updateMask of [undefined, { paths: [] }]) {
      const nothing = flags.updateFlag({ flag: { name, enabled: false }, updateMask: updateMask as never });
      expect(await refusal(nothing)).toEqual(["InvalidArgument", "ARGUMENT_INVALID", "update_mask"]);
    }
    await engine.breakers.getOrCreate("unchanged", {});
    const nothing = client(BreakerService).updateBreaker({ name: "unchanged", config: {} });
    expect(await refusal(nothing)).toEqual(["InvalidArgument", "ARGUMENT_INVALID", "update_mask"]);
  });

  it.each(["nothing", "*", "", "gradual.end_time", "name"])("an update of the path %j is refused", async (path) => {
    const { name } = await flag();
    const updateMask = { paths: ["enabled", path] };
    const update = client(FlagService).updateFlag({ flag: { name }, updateMask: updateMask as never });
    expect(await refusal(update)).toEqual(["InvalidArgument", "ARGUMENT_INVALID", "update_mask"]);
    const change = client(BreakerService).updateBreaker({
      name: "b",
      config: {},
      updateMask: { paths: [path] } as never,
    });
    expect(await refusal(change)).toEqual(["InvalidArgument", "ARGUMENT_INVALID", "update_mask"]);
  });

  it("checks the etag in the flag", async () => {
    const { name, etag } = await flag();
    const update = (inFlag: string, beside: string) =>
      client(FlagService).updateFlag({ flag: { name, description: `${names}`, etag: inFlag }, etag: beside });
    expect(await refusal(update("old", ""))).toEqual(["Aborted", "ETAG_MISMATCH", undefined]);
    expect(await refusal(update(etag, "old"))).toEqual(["InvalidArgument", "ARGUMENT_INVALID", "flag.etag"]);
    const { flag: changed } = await update(etag, etag);
    expect(changed?.etag).not.toBe(etag);
    expect(await refusal(update(etag, ""))).toEqual(["Aborted", "ETAG_MISMATCH", undefined]);
  });
});

describe("If-Match", () => {
  const patch = (name: string, ifMatch: string, body: object = { enabled: false }) =>
    send("PATCH", `/feature-flags/${name}`, body, { "if-match": ifMatch });

  it.each([
    ["the etag", (etag: string) => `"${etag}"`],
    ["the etag without quotes", (etag: string) => etag],
    ["several etags", (etag: string) => `"old", W/"older" ,"${etag}"`],
    ["any", () => "*"],
  ])("If-Match with %s allows a change", async (_, header) => {
    const { name, etag } = await flag();
    expect((await patch(name, header(etag))).status).toBe(200);
  });

  it.each([
    ["another etag", () => '"old"'],
    ["a weak etag", (etag: string) => `W/"${etag}"`],
    ["several others", () => '"old", "older"'],
  ])("If-Match with %s prevents a change: 412", async (_, header) => {
    const { name, etag } = await flag();
    const { status, body } = await patch(name, header(etag));
    expect([status, body.error?.reason]).toEqual([412, "ETAG_MISMATCH"]);
    expect(engine.flags.get(name).record.enabled).toBe(true);
  });

  it.each([
    "",
    '"',
    '"a',
    'a"',
    '"a" "b"',
    ",",
    '*, "a"',

    "a b",
    Array.from({ length: 11 }, (_, i) => `"${i}"`).join(),
  ])("If-Match of %j is refused", async (header) => {
    const { name } = await flag();
    const { status, body } = await patch(name, header);
    expect([status, body.error?.reason]).toEqual([400, "HTTP_HEADER_INVALID"]);
  });

  it("must equal the etag in the body", async () => {
    const { name, etag } = await flag();
    expect((await patch(name, `"${etag}"`, { enabled: false, etag: "old" })).status).toBe(400);
    const inQuery = await send(
      "PATCH",
      `/feature-flags/${name}?etag=old`,
      { enabled: false },
      { "if-match": `"${etag}"` },
    );
    expect([inQuery.status, inQuery.body.error?.reason]).toEqual([400, "ARGUMENT_INVALID"]);
    expect((await send("PATCH", `/feature-flags/${name}`, { enabled: false, etag: "old" })).status).toBe(409);
    expect((await patch(name, `"${etag}"`, { enabled: false, etag })).status).toBe(200);
  });

  it("accepts the ETag header of an answer to a read or a change", async () => {
    const { name, etag } = await flag();
    const read = await send("GET", `/feature-flags/${name}/definition`);
    expect(read.etag).toBe(`"${etag}"`);
    const changed = await patch(name, read.etag ?? "");
    expect(changed.etag).toBe(`"${changed.body.flag?.etag}"`);
    expect((await patch(name, read.etag ?? "")).status).toBe(412);
    expect((await patch(name, changed.etag ?? "")).status).toBe(200);
  });

  it("If-Match: * creates nothing that does not exist", async () => {
    const made = await send("POST", "/feature-flags/enable", { name: "absent" }, { "if-match": "*" });
    expect([made.status, made.body.error?.reason]).toEqual([412, "ETAG_MISMATCH"]);
    expect(engine.flags.list().map(({ name }) => name)).not.toContain("absent");
  });

  it("is checked on every path that changes something, or is refused", async () => {
    for (const { verb, path, rpc } of createRoutes(SERVICES).all) {
      if (rpc.idempotency === 1 || rpc.methodKind !== "unary") continue;
      const target = path.replace(API, "").replace(/\{[a-z._]+\}/g, "absent");
      const { status, body } = await send(verb, target, verb === "DELETE" ? undefined : {}, { "if-match": '"old"' });
      const takesEtag = rpc.input.fields.some(({ name }) => name === "etag");
      expect([rpc.name, status < 400]).toEqual([rpc.name, false]);
      expect([rpc.name, body.error?.reason === "HTTP_HEADER_INVALID"]).toEqual([rpc.name, !takesEtag]);
    }
  });

  it.each(["if-none-match", "if-unmodified-since"])("cannot be given as %s", async (header) => {
    const { name } = await flag();
    const { status, body } = await send("PATCH", `/feature-flags/${name}`, { enabled: false }, { [header]: "*" });
    expect([status, body.error?.reason]).toEqual([400, "HTTP_HEADER_INVALID"]);
  });
});
