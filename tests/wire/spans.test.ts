import { create, type DescField, type DescMessage, type DescMethod, toBinary } from "@bufbuild/protobuf";
import { type ReflectList, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { type CallOptions, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createBreakers,
  createHeliosClient,
  errorInfo,
  type HeliosClient,
  invoke,
  resumeWatch,
  watchBreakers,
  watchEvents,
  watchFlags,
  watchModules,
} from "../../clients/typescript/src/index.ts";
import { FlagService } from "../../gen/helios/v1/flag_service_pb.ts";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { SERVICES } from "../../src/server/contract.ts";
import { type Server, startServer } from "../../src/server/server.ts";

const NOT_SPANS = [Number.NaN, -1, Number.NEGATIVE_INFINITY, 1e300, "5" as unknown as number];

let engine: Engine;
let server: Server;
let client: HeliosClient;

beforeAll(async () => {
  engine = await createEngine({ modulesRoot: `${import.meta.dirname}/../fixtures/modules` });
  await engine.modules.register("echo", { modulePath: "echo", pureMethods: ["echo"] });
  await engine.modules.load("echo");
  server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "test", log: () => {} });
  client = createHeliosClient({ baseUrl: server.url });
});
afterAll(async () => {
  client.close();
  await server.drain();
  await engine.close();
});

describe("a timeout of any length", () => {
  const GRPC = ["2592000S", "43200M", "2147484S", "99999999H", "99999999S", "99999999M"];

  it.each([
    ...GRPC.map((value) => ["grpc", "grpc-timeout", value]),
    ...GRPC.map((value) => ["grpc-web", "grpc-timeout", value]),
    ...["2147483647", "2147483648", "9999999999"].map((value) => ["connect", "connect-timeout-ms", value]),
  ])("is accepted: %s with %s: %s answers, and the module's failures stay 0", async (protocol, header, value) => {
    const one = createHeliosClient({ baseUrl: server.url, protocol: protocol as "grpc" });
    const options: CallOptions = { headers: { [header ?? ""]: value ?? "" } };
    expect((await one.flags.listFlags({}, options)).flags.length).toBeGreaterThan(0);
    expect((await invoke(one, "echo", "echo", 1, options)).output).toBe(1);
    const stream = one.flags.watchFlags({}, options)[Symbol.asyncIterator]();
    expect((await stream.next()).done).toBe(false);
    await stream.return?.();
    expect(engine.breakers.get("module:echo").counts.failures).toBe(0);
    one.close();
  });

  it.each(["2147483648", "9999999999"])("is accepted over REST: %s", async (value) => {
    const path = `${server.url}/api/modularity/feature-flags`;
    expect((await fetch(path, { headers: { "connect-timeout-ms": value } })).status).toBe(200);
  });

  it.each([0.5, 1.5, 99_999_999, 1e8, 2 ** 31, 30 * 86_400_000, 315_576_000_000_000, Number.POSITIVE_INFINITY])(
    "is accepted for a call of the client: %d ms",
    async (timeoutMs) => {
      for (const protocol of ["grpc", "grpc-web", "connect"] as const) {
        const defaults = timeoutMs < 100 ? {} : { defaultTimeoutMs: timeoutMs };
        const one = createHeliosClient({ baseUrl: server.url, protocol, ...defaults });
        // Short timeouts may expire, but are never invalid.
        const reason = await one.flags.listFlags({}, { timeoutMs }).then(
          () => "",
          (error: unknown) => errorInfo(error)?.reason ?? (error as Error).message,
        );
        if (timeoutMs > 100) expect(reason).toBe("");
        else expect(["", "CALL_DEADLINE_EXCEEDED", "[deadline_exceeded] the operation timed out"]).toContain(reason);
        if (timeoutMs > 100) await one.flags.listFlags({});
        one.close();
      }
    },
  );

  it("does not end streams if it is the default of calls", async () => {
    const one = createHeliosClient({ baseUrl: server.url, defaultTimeoutMs: 20 });
    const stream = one.flags.watchFlags({ heartbeatInterval: { seconds: 1n, nanos: 0 } })[Symbol.asyncIterator]();
    await stream.next();
    expect((await stream.next()).done).toBe(false);
    one.close();
  });

  it("the timeout of a call through a breaker does not expire early, and opens nothing", async () => {
    const breakers = createBreakers(client);
    const breaker = breakers.breaker("patient", { failureThreshold: 1 });
    expect(await breaker.ready(Number.POSITIVE_INFINITY)).toBe(true);
    for (const timeoutMs of [2 ** 31, 30 * 86_400_000, Number.POSITIVE_INFINITY]) {
      const slow = new Promise((resolve) => setTimeout(resolve, 10, timeoutMs));
      expect(await breaker.call(() => slow, { timeoutMs })).toBe(timeoutMs);
    }
    expect(breaker.status().state).toBe("CLOSED");
    await breakers.close();
    const handle = engine.breakers.handle("patient");
    expect(await handle.call(() => 7, { timeoutMs: Number.POSITIVE_INFINITY })).toBe(7);
  });
});

describe("an option with an invalid span of time is refused by its name", () => {
  const next = (watch: AsyncIterator<unknown>): Promise<unknown> => watch.next();
  const wire = (options: object) =>
    startServer({ engine, host: "127.0.0.1", port: 0, version: "", log() {}, ...options });
  const watching = { resumeToken: "", onCompacted: "snapshot", names: [] } as const;
  const OPTIONS: readonly (readonly [string, string, (ms: number) => unknown])[] = [
    [
      "createHeliosClient",
      "defaultTimeoutMs",
      (ms) => createHeliosClient({ baseUrl: "http://a", defaultTimeoutMs: ms }),
    ],
    ["a client's unary call", "timeoutMs", (ms) => client.flags.listFlags({}, { timeoutMs: ms })],
    [
      "a client's stream",
      "timeoutMs",
      (ms) => next(client.flags.watchFlags({}, { timeoutMs: ms })[Symbol.asyncIterator]()),
    ],
    ["invoke", "timeoutMs", (ms) => invoke(client, "echo", "echo", 1, { timeoutMs: ms })],
    [
      "a custom service",
      "timeoutMs",
      (ms) => createClient(FlagService, client.transport).listFlags({}, { timeoutMs: ms }),
    ],
    ["watchFlags", "heartbeatIntervalMs", (ms) => next(watchFlags(client, { heartbeatIntervalMs: ms }))],
    ["watchBreakers", "heartbeatIntervalMs", (ms) => next(watchBreakers(client, { heartbeatIntervalMs: ms }))],
    ["watchModules", "heartbeatIntervalMs", (ms) => next(watchModules(client, { heartbeatIntervalMs: ms }))],
    ["watchEvents", "heartbeatIntervalMs", (ms) => next(watchEvents(client, { heartbeatIntervalMs: ms }))],
    ["resumeWatch", "minBackoffMs", (ms) => next(resumeWatch(async function* () {}, { minBackoffMs: ms }))],
    ["resumeWatch", "maxBackoffMs", (ms) => next(resumeWatch(async function* () {}, { maxBackoffMs: ms }))],
    [
      "resumeWatch",
      "firstFrameTimeoutMs",
      (ms) => next(resumeWatch(async function* () {}, { firstFrameTimeoutMs: ms })),
    ],
    ["a client's breaker", "maxStalenessMs", (ms) => createBreakers(client).breaker("b", {}, { maxStalenessMs: ms })],
    ["a client's breaker", "timeoutMs", (ms) => createBreakers(client).breaker("b", { timeoutMs: ms })],
    ["a client's breaker", "windowMs", (ms) => createBreakers(client).breaker("b", { windowMs: ms })],
    ["a client's breaker", "warmUpMs", (ms) => createBreakers(client).breaker("b", { warmUpMs: ms })],
    [
      "a call through a client's breaker",
      "timeoutMs",
      (ms) =>
        createBreakers(client)
          .breaker("b")
          .call(() => 1, { timeoutMs: ms }),
    ],
    ["the wait for a client's breaker", "timeoutMs", (ms) => createBreakers(client).breaker("b").ready(ms)],
    ["startServer", "firstByteTimeoutMs", (ms) => wire({ firstByteTimeoutMs: ms })],
    ["startServer", "pingIntervalMs", (ms) => wire({ pingIntervalMs: ms })],
    ["startServer", "pingTimeoutMs", (ms) => wire({ pingTimeoutMs: ms })],
    ["startServer", "graceMs", (ms) => wire({ graceMs: ms })],
    [
      "a call through the engine's breaker",
      "timeoutMs",
      (ms) => engine.breakers.handle("b").call(() => 1, { timeoutMs: ms }),
    ],
    ["the engine's breaker", "timeout", (ms) => engine.breakers.getOrCreate("c", { timeoutMs: ms })],
    ["an override", "ttl", (ms) => engine.breakers.override("patient", { kind: "DISABLED", ttlMs: ms })],
    ["a simulation", "span", (ms) => engine.breakers.simulate("patient", {}, ms)],
    ["a tester", "timeoutMs", (ms) => engine.testing.createTester("echo").addTest("t", () => true, { timeoutMs: ms })],
    ["a watch", "heartbeatMs", (ms) => engine.flags.hub.watch({ ...watching, heartbeatMs: ms } as never)],
    ["a wait", "timeoutMs", (ms) => engine.clients.waitFor({ revision: 1, minClients: 0, all: true, timeoutMs: ms })],
    [
      "a registration",
      "start_timeout",
      (ms) => engine.modules.register("r", { modulePath: "echo", startTimeoutMs: ms }),
    ],
    ["a registration", "call_timeout", (ms) => engine.modules.register("r", { modulePath: "echo", callTimeoutMs: ms })],
    [
      "a registration",
      "block_timeout",
      (ms) => engine.modules.register("r", { modulePath: "echo", blockTimeoutMs: ms }),
    ],
    [
      "a registration",
      "health_interval",
      (ms) => engine.modules.register("r", { modulePath: "echo", healthIntervalMs: ms }),
    ],
    ["a swap", "bake_duration", (ms) => engine.modules.swap("echo", { bakeMs: ms })],
    ["a swap", "max_pause", (ms) => engine.modules.swap("echo", { maxPauseMs: ms })],
    ["a swap", "gate_timeout", (ms) => engine.modules.swap("echo", { gateTimeoutMs: ms })],
    ["a swap", "duration", (ms) => engine.modules.swap("echo", { shadow: { durationMs: ms } })],
    ["a swap", "duration", (ms) => engine.modules.swap("echo", { canary: { durationMs: ms } })],
  ];

  it.each(OPTIONS)("%s: %s", async (_, option, give) => {
    for (const ms of NOT_SPANS) {
      const error = (await Promise.try(() => give(ms)).then(
        () => new Error(`took ${ms}`),
        (thrown: unknown) => thrown,
      )) as Error;
      expect(error.message, String(ms)).toContain(option);
      expect(errorInfo(error)?.reason ?? error.name).not.toBe("INTERNAL");
    }
  });

  it("except for a module's call whose deadline has passed: that has expired, and is not invalid", async () => {
    const late = { timeoutMs: -1 };
    await expect(engine.modules.invoke("echo", "echo", { json: 1 }, late)).rejects.toMatchObject({
      reason: "MODULE_DEADLINE_EXCEEDED",
    });
    const wrong = engine.modules.invoke("echo", "echo", { json: 1 }, { timeoutMs: Number.NaN });
    await expect(wrong).rejects.toMatchObject({ reason: "ARGUMENT_INVALID" });
  });
});

describe("a Duration in a request", () => {
  /** Every Duration inside a message, by its path of fields, except in a program, which the service does not read from requests. */
  function durationsOf(desc: DescMessage, path: readonly DescField[] = []): (readonly DescField[])[] {
    return desc.fields.flatMap((field) => {
      if (field.name === "condition_program") return [];
      if (path.some(({ parent }) => parent === field.message)) return [];
      const inner = field.message;
      if (inner === undefined || field.fieldKind === "map") return [];
      return inner.typeName === DurationSchema.typeName ? [[...path, field]] : durationsOf(inner, [...path, field]);
    });
  }

  const methods = SERVICES.flatMap((service) => service.methods);
  const CASES = methods.flatMap((rpc) =>
    durationsOf(rpc.input).map(
      (path) => [`${rpc.parent.name}/${rpc.name}`, path.map(({ name }) => name).join("."), rpc, path] as const,
    ),
  );

  function withDuration(rpc: DescMethod, path: readonly DescField[], value: { seconds: bigint; nanos: number }) {
    const message = create(rpc.input);
    const set = (at: ReflectMessage, [field, ...rest]: readonly DescField[]): void => {
      if (field === undefined) return;
      const isLast = rest.length === 0;
      const inner = isLast
        ? reflect(DurationSchema, create(DurationSchema, value))
        : reflect(field.message as DescMessage);
      if (!isLast) set(inner, rest);
      if (field.fieldKind === "list") (at.get(field) as ReflectList).add(inner);
      else at.set(field, inner as never);
    };
    set(reflect(rpc.input, message), path);
    return message;
  }

  async function reasonOf(
    rpc: DescMethod,
    body: Uint8Array,
    timeoutMs: number,
  ): Promise<{ reason: string; metadata: string }> {
    const isStream = rpc.methodKind !== "unary";
    const framed = new Uint8Array([0, 0, 0, 0, 0, ...body]);
    new DataView(framed.buffer).setUint32(1, body.length);
    const response = await fetch(`${server.url}/${rpc.parent.typeName}/${rpc.name}`, {
      method: "POST",
      headers: {
        "content-type": isStream ? "application/connect+proto" : "application/proto",
        "connect-timeout-ms": String(timeoutMs),
      },
      body: isStream ? framed : body,
    });
    const text = Buffer.from(await response.arrayBuffer()).toString("latin1");
    const [, encoded = ""] = /"value":\s*"([^"]+)"/.exec(text) ?? [];
    const decoded = Buffer.from(encoded, "base64").toString("latin1");
    return { reason: /[A-Z_]{8,}/.exec(decoded)?.[0] ?? "", metadata: decoded + text };
  }

  it.each(CASES)("%s %s that is negative or invalid is refused by its name", async (_, name, rpc, path) => {
    const last = name.split(".").at(-1) ?? "";
    for (const value of [
      { seconds: -1n, nanos: 0 },
      { seconds: 0n, nanos: -1 },
      { seconds: -(2n ** 63n), nanos: 0 },
    ]) {
      const { reason, metadata } = await reasonOf(rpc, toBinary(rpc.input, withDuration(rpc, path, value)), 30_000);
      expect([reason, metadata.includes(last)], `${value.seconds}`).toEqual(["ARGUMENT_INVALID", true]);
    }
  });

  it.each(CASES)("%s %s of 10,000 years and more never causes an internal error", async (_, _name, rpc, path) => {
    for (const seconds of [315_576_000_000n, 2n ** 63n - 1n]) {
      const body = toBinary(rpc.input, withDuration(rpc, path, { seconds, nanos: 0 }));
      expect((await reasonOf(rpc, body, 50)).metadata).not.toContain("INTERNAL");
    }
  });
});
