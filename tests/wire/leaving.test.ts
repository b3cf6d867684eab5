import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FlagService } from "../../gen/helios/v1/flag_service_pb.ts";
import { ModuleService } from "../../gen/helios/v1/module_service_pb.ts";
import { StatusService } from "../../gen/helios/v1/status_service_pb.ts";
import { createEngine, type Engine, type LogLevel } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";

const ROOT = new URL("../fixtures/modules", import.meta.url).pathname;

interface Line {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

let engine: Engine;
let server: Server;
const lines: Line[] = [];
let look = (): void => {};
const log = (level: LogLevel, message: string, fields: Record<string, unknown> = {}): void => {
  lines.push({ level, message, fields });
  look();
};

beforeAll(async () => {
  engine = await createEngine({ modulesRoot: ROOT, log: (_, ...line) => log(...line) });
  server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "1", log });
  await engine.modules.register("echo", { modulePath: "echo" });
  await engine.modules.load("echo", {});
});
afterAll(async () => {
  await server.drain();
  await engine.close();
});
beforeEach(() => {
  lines.length = 0;
});

/** Resolves when the end of a call to the RPC is logged. */
async function logged(rpc: string): Promise<Line> {
  for (;;) {
    const line = lines.find(({ fields }) => fields.rpc === rpc);
    if (line !== undefined) return line;
    await new Promise<void>((resolve) => {
      look = resolve;
    });
  }
}

/** A stream, a call that reads, and a call that may change something. */
type Kind = "WatchFlags" | "WaitForRevision" | "InvokeModule";

const STARTED: Readonly<Record<Kind, string>> = {
  WatchFlags: "FlagService/WatchFlags",
  WaitForRevision: "StatusService/WaitForRevision",
  InvokeModule: "ModuleService/InvokeModule",
};

/** Resolves when the engine has received the call. */
function started(kind: Kind): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (kind === "WaitForRevision") {
    const waitFor = engine.clients.waitFor.bind(engine.clients);
    engine.clients.waitFor = (options) => {
      engine.clients.waitFor = waitFor;
      resolve();
      return waitFor(options);
    };
  } else if (kind === "InvokeModule") {
    const { invoke } = engine.modules;
    (engine.modules as { invoke: typeof invoke }).invoke = (...args) => {
      (engine.modules as { invoke: typeof invoke }).invoke = invoke;
      resolve();
      return invoke(...args);
    };
  }
  return promise;
}

/** Makes calls with a client that ends them by its signal. */
function leaving(transport: Transport): (kind: Kind) => Promise<void> {
  return async (kind) => {
    const leave = new AbortController();
    const { signal } = leave;
    const hasStarted = started(kind);
    if (kind === "WatchFlags") {
      await expect(
        (async () => {
          for await (const _ of createClient(FlagService, transport).watchFlags({}, { signal })) leave.abort();
        })(),
      ).rejects.toThrow();
      return;
    }
    const call =
      kind === "WaitForRevision"
        ? createClient(StatusService, transport).waitForRevision(WAIT, { signal })
        : createClient(ModuleService, transport).invokeModule({ name: "echo", method: "take_your_time" }, { signal });
    const refused = expect(call).rejects.toThrow();
    await hasStarted;
    leave.abort();
    await refused;
  };
}

const WAIT = { revision: 1n, minClients: 1, timeout: { seconds: 60n } };
const PATHS: Readonly<Record<Kind, string>> = {
  WatchFlags: "feature-flags/watch",
  WaitForRevision: "revisions/1/wait?min_clients=1&timeout=60s",
  InvokeModule: "modules/echo/invoke/take_your_time",
};

/** Makes calls over REST, and cuts the connection. */
function leavingRest(accept: string): (kind: Kind) => Promise<void> {
  return async (kind) => {
    const hasStarted = started(kind);
    const method = kind === "InvokeModule" ? "POST" : "GET";
    const request = httpRequest(`${server.url}/api/modularity/${PATHS[kind]}`, { method, headers: { accept } });
    request.on("error", () => {}).end();
    if (kind === "WatchFlags") {
      const [response] = await once(request, "response");
      response.on("error", () => {});
      await once(response, "data");
    } else await hasStarted;
    request.destroy();
  };
}

const ways: Readonly<Record<string, () => (kind: Kind) => Promise<void>>> = {
  gRPC: () => leaving(createGrpcTransport({ baseUrl: server.url })),
  "gRPC-Web over HTTP/1.1": () => leaving(createGrpcWebTransport({ baseUrl: server.url, httpVersion: "1.1" })),
  "gRPC-Web over HTTP/2": () => leaving(createGrpcWebTransport({ baseUrl: server.url, httpVersion: "2" })),
  "Connect over HTTP/1.1": () => leaving(createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" })),
  "Connect over HTTP/2": () => leaving(createConnectTransport({ baseUrl: server.url, httpVersion: "2" })),
  REST: () => leavingRest("application/json"),
  "server-sent events": () => leavingRest("text/event-stream"),
};

describe("a client that leaves in the middle of a call is logged as cancelled, and not as an error", () => {
  const kinds: readonly Kind[] = ["WatchFlags", "WaitForRevision", "InvokeModule"];
  it.each(Object.entries(ways).flatMap(([name, make]) => kinds.map((kind) => [name, kind, make] as const)))(
    "over %s: %s",
    async (_, kind, make) => {
      await make()(kind);
      expect(await logged(STARTED[kind])).toMatchObject({ level: "debug", fields: { code: "canceled" } });
      expect(lines.filter(({ level }) => level === "error" || level === "warn")).toEqual([]);
    },
  );

  it.each(kinds)("by a connection that is cut under many calls: %s", async (kind) => {
    const sessions = new Http2SessionManager(server.url);
    const transport = createGrpcTransport({ baseUrl: server.url, sessionManager: sessions });
    const hasStarted = started(kind);
    const calls =
      kind === "WatchFlags"
        ? [
            (async () => {
              for await (const _ of createClient(FlagService, transport).watchFlags({})) sessions.abort();
            })(),
          ]
        : kind === "WaitForRevision"
          ? [createClient(StatusService, transport).waitForRevision(WAIT)]
          : [createClient(ModuleService, transport).invokeModule({ name: "echo", method: "take_your_time" })];
    const refused = Promise.all(calls.map((call) => expect(call).rejects.toThrow()));
    if (kind !== "WatchFlags") {
      await hasStarted;
      sessions.abort();
    }
    await refused;
    expect(await logged(STARTED[kind])).toMatchObject({ level: "debug", fields: { code: "canceled" } });
    expect(lines.filter(({ level }) => level === "error" || level === "warn")).toEqual([]);
  });
});
