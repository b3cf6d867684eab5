import {
  createRegistry,
  type DescMethod,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errorInfo } from "../../clients/typescript/src/index.ts";
import { createEngine, createManualClock, type Engine } from "../../src/core/index.ts";
import { compileExpectation } from "../../src/server/cel/expectation.ts";
import { SERVICES } from "../../src/server/contract.ts";
import { toAnswer } from "../../src/server/rest/answer.ts";
import { createRoutes, type Route } from "../../src/server/rest/routes.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { ROOT } from "../core/modules/rig.ts";
import { isEndless, SCRIPT } from "./script.ts";

/** The outcome of a call: its answers in REST's form, and its error. */
interface Outcome {
  readonly answers: readonly JsonValue[];
  readonly failure?: { readonly code: string; readonly reason: string; readonly metadata: unknown };
}

type Call = (rpc: DescMethod, request: JsonObject) => Promise<Outcome>;

const registry = createRegistry(...SERVICES);
const { all: ROUTES } = createRoutes(SERVICES);
const RPCS = new Map(SERVICES.flatMap(({ methods }) => methods.map((rpc) => [rpc.name, rpc] as const)));

/** The number of messages to read from an endless stream. */
const FIRST_MESSAGES = 1;

/** A server for each protocol: the same requests in the same order must have the same results. */
async function startAll(): Promise<{ readonly calls: ReadonlyMap<string, Call>; close(): Promise<void> }> {
  const parts: { readonly engine: Engine; readonly server: Server }[] = [];
  const calls = new Map<string, Call>();
  const start = async (name: string, connect: (baseUrl: string) => Call): Promise<void> => {
    const clock = createManualClock();
    let ids = 0;
    // Ids in requests must be UUIDs, and those of the service may be.
    const newId = (): string => `00000000-0000-4000-8000-${String(++ids).padStart(12, "0")}`;
    const engine = await createEngine({ modulesRoot: ROOT, clock, newId, compileExpectation });
    const server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "1", log: () => {}, clock, newId });
    await engine.modules.settled;
    parts.push({ engine, server });
    calls.set(name, connect(server.url));
  };
  const options = (baseUrl: string) => ({ baseUrl, httpVersion: "2" as const });
  await start("gRPC", (url) => over(createGrpcTransport(options(url))));
  await start("gRPC-Web", (url) => over(createGrpcWebTransport(options(url))));
  await start("Connect", (url) => over(createConnectTransport({ ...options(url), useBinaryFormat: false })));
  await start("REST", overRest);
  return {
    calls,
    async close() {
      for (const { engine, server } of parts) {
        await server.drain();
        await engine.close();
      }
    },
  };
}

function over(transport: Transport): Call {
  return async (rpc, request) => {
    const answers: JsonValue[] = [];
    const record = (message: Message): void => void answers.push(toAnswer(rpc.output, message, registry));
    const enough = new AbortController();
    try {
      const message = fromJson(rpc.input, request, { registry });
      if (rpc.methodKind === "unary") {
        record((await transport.unary(rpc as never, undefined, undefined, undefined, message as never)).message);
        return { answers };
      }
      const input = (async function* () {
        yield message;
      })();
      const stream = await transport.stream(rpc as never, enough.signal, undefined, undefined, input as never);
      for await (const answer of stream.message) {
        record(answer);
        if (isEndless(rpc) && answers.length === FIRST_MESSAGES) break;
      }
      enough.abort();
      return { answers };
    } catch (thrown) {
      const error = ConnectError.from(thrown);
      const { reason = "", metadata = {} } = errorInfo(error) ?? {};
      return { answers, failure: { code: nameOf(error.code), reason, metadata } };
    }
  };
}

function overRest(baseUrl: string): Call {
  return async (rpc, request) => {
    const route = ROUTES.find((one) => one.rpc === rpc);
    if (route === undefined) throw new Error(`${rpc.name} has no path`);
    const { path, query, body } = split(route, request);
    const enough = new AbortController();
    const response = await fetch(`${baseUrl}${path}${query}`, {
      method: route.verb,
      signal: enough.signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answers: JsonValue[] = [];
    for await (const line of linesOf(response)) {
      const json = JSON.parse(line) as JsonObject & { error?: { status: string; reason: string; metadata: unknown } };
      if (json.error !== undefined) {
        const { status, reason, metadata } = json.error;
        return { answers, failure: { code: status, reason, metadata } };
      }
      answers.push(json);
      if (isEndless(rpc) && answers.length === FIRST_MESSAGES) break;
    }
    enough.abort();
    return { answers };
  };
}

async function* linesOf(response: Response): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** The place of each request field: path, query or body. */
function split(
  route: Route,
  request: JsonObject,
): { readonly path: string; readonly query: string; readonly body: unknown } {
  const left = structuredClone(request);
  const path = route.segments.map((segment) => {
    if (segment.kind === "literal") return segment.text;
    const names = segment.field.split(".");
    const last = names.pop() ?? "";
    const holder = names.reduce<JsonObject>((inner, name) => inner[name] as JsonObject, left);
    const value = String(holder[last]);
    delete holder[last];
    return encodeURIComponent(value);
  });
  const inBody = route.body === undefined ? undefined : route.body === "*" ? left : left[route.body];
  const inQuery =
    route.body === "*" ? {} : Object.fromEntries(Object.entries(left).filter(([name]) => name !== route.body));
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(inQuery)) {
    for (const one of Array.isArray(value) ? value : [value])
      query.append(name, typeof one === "string" ? one : JSON.stringify(one));
  }
  return { path: `/${path.join("/")}`, query: query.size === 0 ? "" : `?${query}`, body: inBody };
}

function nameOf(code: Code): string {
  if (code === Code.Canceled) return "CANCELLED";
  return Code[code].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}

describe("an RPC over gRPC, gRPC-Web, Connect and REST", () => {
  let all: Awaited<ReturnType<typeof startAll>>;
  beforeAll(async () => {
    all = await startAll();
  });
  afterAll(() => all.close());

  it.each(SCRIPT)(
    "%s %j has the same answer, or the same reason",
    async (name: string, request: JsonObject, reason?: string) => {
      const rpc = RPCS.get(name);
      if (rpc === undefined) throw new Error(`there is no ${name}`);
      const outcomes = new Map<string, Outcome>();
      for (const [protocol, call] of all.calls) outcomes.set(protocol, await call(rpc, request));
      const [first] = outcomes.values();
      expect(first?.failure?.reason).toBe(reason);
      for (const [protocol, outcome] of outcomes) expect([protocol, outcome]).toEqual([protocol, first]);
    },
  );

  it("is tested with each of them", () => {
    expect([...RPCS.keys()].filter((name) => !SCRIPT.some(([rpc]) => rpc === name))).toEqual([]);
  });
});
