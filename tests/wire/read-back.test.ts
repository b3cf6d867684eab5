import { clone } from "@bufbuild/protobuf";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BreakerConfigSchema } from "../../gen/helios/v1/breaker_pb.ts";
import { BreakerService } from "../../gen/helios/v1/breaker_service_pb.ts";
import { FlagSchema } from "../../gen/helios/v1/flag_pb.ts";
import { FlagService } from "../../gen/helios/v1/flag_service_pb.ts";
import { type BreakerConfigFields, createEngine, type Engine, type FlagFields } from "../../src/core/index.ts";
import { compileCondition } from "../../src/server/cel/condition.ts";
import { SERVICES } from "../../src/server/contract.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { ROOT } from "../core/modules/rig.ts";

let engine: Engine;
let server: Server;
let flags: Client<typeof FlagService>;
let breakers: Client<typeof BreakerService>;

beforeAll(async () => {
  engine = await createEngine({ modulesRoot: ROOT, compileCondition });
  server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "1", log: () => {} });
  const transport = createGrpcTransport({ baseUrl: server.url });
  [flags, breakers] = [createClient(FlagService, transport), createClient(BreakerService, transport)];
});
afterAll(async () => {
  await server.drain();
  await engine.close();
});

type Json = Record<string, unknown>;

async function rest(method: string, path: string, body?: unknown): Promise<Json> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const answer = await fetch(`${server.url}/api/modularity${path}`, { method, ...sent });
  return { status: answer.status, ...((await answer.json()) as Json) };
}

const refusal = async (call: Promise<unknown>): Promise<string> =>
  ConnectError.from(
    await call.then(
      () => new Error("none"),
      (thrown: unknown) => thrown,
    ),
  ).message;

const HOUR = 3_600_000;
const hours = (from: number, to: number) => ({ startTime: Date.now() + from * HOUR, endTime: Date.now() + to * HOUR });
const ramp = { initialPercentage: 1, targetPercentage: 99.999 };

const FLAGS: Readonly<Record<string, FlagFields>> = {
  bare: {},
  on: { enabled: true, strategy: "ALL_ON", description: "d", owner: "o", tags: ["b", "a"] },
  share: {
    enabled: true,
    strategy: "PERCENTAGE",
    percentage: 0.07,
    whitelist: ["x", "user_id:y"],
    whitelistFirst: true,
  },
  running: { enabled: true, strategy: "GRADUAL", gradual: { ...ramp, ...hours(-1, 1) } },
  paused: { enabled: false, strategy: "GRADUAL", gradual: { ...ramp, ...hours(-1, 1) } },
  conditional: {
    enabled: true,
    condition:
      "context.symbol.matches('^B.*') && context.attributes.n < 9007199254740991 || timestamp('2026-01-01T00:00:00Z').getHours('Europe/Berlin') > 5",
    prerequisites: ["on"],
    bucketBy: "USER_ID",
    salt: "pepper",
    onStale: "OFF",
    maxStalenessMs: 1500,
  },
  forms: {
    enabled: true,
    variants: [
      { name: "a", weight: 1, value: { n: 0.1, list: [1e300, null], "": { deep: false } } },
      { name: "b", weight: 0, value: {} },
    ],
    metadata: { n: 2 ** 53 - 1, none: null, text: "ü\u0000\u2028" },
  },
  killed: { strategy: "ALL_ON" },
};

describe("a flag that was read and is sent back unchanged", () => {
  beforeAll(async () => {
    for (const [name, fields] of Object.entries(FLAGS)) await engine.flags.create(name, fields, {}, {});
    await engine.flags.disable("killed", { kill: true }, { reason: "r" });
  });

  it.each(Object.keys(FLAGS))("(%s) stays the same, over REST", async (name) => {
    const { flag } = (await rest("GET", `/feature-flags/${name}/definition`)) as { flag: Json };
    const back = await rest("PATCH", `/feature-flags/${name}`, flag);
    expect(back).toMatchObject({ status: 200, flag: { revision: flag.revision, etag: flag.etag } });
  });

  it("stays the same in a batch over REST, for all flags", async () => {
    const { flags: all } = (await rest("GET", "/feature-flags")) as unknown as { flags: Json[] };
    const back = await rest("POST", "/feature-flags/batch", { requests: all.map((flag) => ({ flag })) });
    const revisions = all.map(({ name, revision }) => ({ name, revision }));
    expect(back).toMatchObject({ status: 200, flags: revisions });
  });

  it.each(Object.keys(FLAGS))("(%s) stays the same over gRPC, with a full mask and without a mask", async (name) => {
    const { flag } = await flags.getFlag({ name });
    if (flag === undefined) throw new Error("no flag");
    const paths = FlagSchema.fields.map((field) => field.name).filter((path) => path !== "name" && path !== "etag");
    for (const updateMask of [{ paths }, { paths: [] }, undefined]) {
      const { flag: back } = await flags.updateFlag({ flag, ...(updateMask && { updateMask }) });
      expect(back?.revision).toBe(flag.revision);
    }
  });

  it.each([
    ["on", { killed: true }],
    ["killed", { killed: false }],
    ["killed", { killed: null }],
    ["on", { bucketing_version: 2 }],
    ["on", { revision: 1 }],
    ["on", { create_time: "2020-01-01T00:00:00Z" }],
    ["conditional", { condition_program: null }],
  ])("(%s) is refused with %j, which an update cannot change", async (name, change) => {
    const { flag } = (await rest("GET", `/feature-flags/${name}/definition`)) as { flag: Json };
    const { status, error } = await rest("PATCH", `/feature-flags/${name}`, { ...flag, ...change });
    expect([status, error]).toMatchObject([400, { message: expect.stringContaining("cannot be changed") }]);
    expect(engine.flags.get(name).revision).toBe(flag.revision);
  });

  it("is refused if it says that a part was omitted, and that part would be lost", async () => {
    const { flag } = (await rest("GET", "/feature-flags/forms/definition")) as { flag: Json };
    const short = { ...flag, abridged: true, whitelist: [], variants: [{ name: "a", weight: 1 }] };
    for (const sent of [short, { abridged: true, whitelist: [] }]) {
      const { status, error } = await rest("PATCH", "/feature-flags/forms", sent);
      expect([status, error]).toMatchObject([400, { reason: "ARGUMENT_INVALID" }]);
    }
    expect(engine.flags.get("forms").revision).toBe(flag.revision);
  });

  it("changes in a batch over REST only the sent fields, also to defaults", async () => {
    await engine.flags.create("batched", { enabled: true, description: "d", salt: "s" }, {}, {});
    const requests = [{ flag: { name: "batched", enabled: false, description: null } }];
    expect(await rest("POST", "/feature-flags/batch", { requests })).toMatchObject({
      status: 200,
      flags: [{ enabled: false, description: "", salt: "s" }],
    });
  });
});

const BREAKERS: Readonly<Record<string, BreakerConfigFields>> = {
  plain: {},
  rates: { failureRate: 0.07, slowCallRate: 1, minimumCalls: 3 },
  times: { timeoutMs: 1.000001, windowMs: 0.1 + 86_399_999, warmUpMs: 86_399_999.999999, jitter: 0.1 },
};

describe("a breaker's configuration that was read and is sent back unchanged", () => {
  beforeAll(async () => {
    for (const [name, fields] of Object.entries(BREAKERS)) await engine.breakers.getOrCreate(name, fields);
  });

  it.each(Object.keys(BREAKERS))("(%s) stays the same", async (name) => {
    const { revision } = engine.breakers.get(name).resource;
    const read = (await rest("GET", `/circuit-breakers/${name}`)) as { breaker: { config: Json } };
    expect(await rest("PATCH", `/circuit-breakers/${name}`, { config: read.breaker.config })).toMatchObject({
      status: 200,
      breaker: { revision },
    });
    const { breaker } = await breakers.getBreaker({ name });
    const paths = BreakerConfigSchema.fields.map((field) => field.name);
    for (const updateMask of [{ paths }, undefined]) {
      const sent = { name, ...(breaker?.config && { config: breaker.config }), ...(updateMask && { updateMask }) };
      expect((await breakers.updateBreaker(sent)).breaker?.revision).toBe(BigInt(revision));
    }
  });

  it("is refused without a mask if its rate was cleared", async () => {
    const { config } = (await breakers.getBreaker({ name: "rates" })).breaker ?? {};
    if (config === undefined) throw new Error("no configuration");
    for (const [rate, path] of [
      ["failureRate", "failure_rate"],
      ["slowCallRate", "slow_call_rate"],
    ] as const) {
      const sent = clone(BreakerConfigSchema, config);
      delete sent[rate];
      expect(await refusal(breakers.updateBreaker({ name: "rates", config: sent }))).toMatch(`clears ${path},`);
      const change = { ...sent, updateMask: { paths: [path] } };
      const { breaker } = await breakers.updateBreaker({ name: "rates", config: sent, updateMask: change.updateMask });
      expect(breaker?.config?.[rate]).toBeUndefined();
      const only = await breakers.updateBreaker({ name: "rates", config: { [rate]: 0.5 } });
      expect(only.breaker?.config?.[rate]).toBe(0.5);
    }
  });
});

it("the contract has no other resource with an update", () => {
  const updates = SERVICES.flatMap(({ methods }) => methods.map(({ name }) => name)).filter((name) =>
    /Update/.test(name),
  );
  expect(updates.sort()).toEqual(["BatchUpdateFlags", "UpdateBreaker", "UpdateFlag"]);
});
