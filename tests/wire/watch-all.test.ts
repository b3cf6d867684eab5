import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHeliosClient, errorInfo, type HeliosClient } from "../../clients/typescript/src/index.ts";
import { Part, type WatchAllResponse } from "../../gen/helios/v1/status_service_pb.ts";
import { OnCompacted } from "../../gen/helios/v1/watch_pb.ts";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { until } from "../support/until.ts";

let engine: Engine;
let server: Server;
let client: HeliosClient;
const streams: AsyncIterator<WatchAllResponse>[] = [];

beforeEach(async () => {
  engine = await createEngine({ modulesRoot: import.meta.dirname });
  server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "test", log: () => {}, graceMs: 200 });
  client = createHeliosClient({ baseUrl: server.url, clientId: "trader-1" });
});

afterEach(async () => {
  await Promise.all(streams.splice(0).map((stream) => stream.return?.()));
  client.close();
  await server.drain();
  await engine.close();
});

type Request = Parameters<HeliosClient["status"]["watchAll"]>[0];

function watch(request: Request): AsyncIterator<WatchAllResponse> {
  const stream = client.status.watchAll(request)[Symbol.asyncIterator]();
  streams.push(stream);
  return stream;
}

/** Reads frames until `found` returns something. */
async function find<T>(stream: AsyncIterator<WatchAllResponse>, found: (frame: WatchAllResponse) => T | undefined) {
  for (;;) {
    const { done, value } = await stream.next();
    if (done === true) throw new Error("the stream has ended");
    const result = found(value);
    if (result !== undefined) return result;
  }
}

/** The state that a watcher has after the snapshots of these parts. */
async function snapshots(stream: AsyncIterator<WatchAllResponse>, parts: readonly string[]) {
  const names: Record<string, string[]> = {};
  const tokens: Record<string, string> = {};
  while (Object.keys(tokens).length < parts.length) {
    await find(stream, ({ part }) => {
      if (part.case === undefined) return undefined;
      const { frame, resumeToken } = part.value;
      if (frame.case === "snapshot") {
        const {
          flags = [],
          breakers = [],
          modules = [],
        } = frame.value as {
          readonly flags?: { name: string }[];
          readonly breakers?: { name: string }[];
          readonly modules?: { name: string }[];
        };
        names[part.case] = [
          ...(names[part.case] ?? []),
          ...[...flags, ...breakers, ...modules].map(({ name }) => name),
        ];
      }
      if (resumeToken !== "") tokens[part.case] = resumeToken;
      return true;
    });
  }
  return { names, tokens };
}

const put = (one: "flags" | "breakers") => (frame: WatchAllResponse) => {
  const { part } = frame;
  if (part.case !== one || part.value.frame.case !== "changes") return undefined;
  const [change] = part.value.frame.value.changes;
  return change?.change.case === "put" ? change.change.value.name : undefined;
};

describe("a watch of several parts", () => {
  it("shows the state of each part, and then each change with its part", async () => {
    await client.breakers.getOrCreateBreaker({ name: "valr_api" });
    const stream = watch({});
    const { names } = await snapshots(stream, ["flags", "breakers", "modules", "events"]);
    expect(names.flags).toContain("neural_network_v2");
    expect(names.breakers).toEqual(["valr_api"]);
    await client.flags.setPercentage({ name: "neural_network_v2", percentage: 50 });
    await client.breakers.openBreaker({ name: "valr_api" });
    const seen = new Set<string>();
    await find(stream, (frame) => {
      const { part } = frame;
      const name = put("flags")(frame) ?? put("breakers")(frame);
      if (name !== undefined) seen.add(name);
      if (part.case === "events" && part.value.frame.case === "events") {
        for (const { text } of part.value.frame.value.events) seen.add(text.split(":")[0] ?? "");
      }
      return seen.size === 4 ? true : undefined;
    });
    expect([...seen].sort()).toEqual(["breaker valr_api", "flag neural_network_v2", "neural_network_v2", "valr_api"]);
  });

  it("has only the parts and the names that were asked for", async () => {
    await client.breakers.getOrCreateBreaker({ name: "valr_api" });
    const request = { parts: [Part.FLAGS, Part.BREAKERS, Part.FLAGS], names: { flags: ["websocket_v2"] } };
    const { names } = await snapshots(watch(request), ["flags", "breakers"]);
    expect(names).toEqual({ flags: ["websocket_v2"], breakers: ["valr_api"] });
    expect([engine.flags.hub.watcherCount, engine.breakers.hub.watcherCount]).toEqual([1, 1]);
    expect([engine.modules.hub.watcherCount, engine.events.watcherCount]).toEqual([0, 0]);
  });

  it("resumes each part where it was", async () => {
    const first = watch({});
    const { tokens } = await snapshots(first, ["flags", "breakers", "modules", "events"]);
    await first.return?.();
    await client.breakers.getOrCreateBreaker({ name: "valr_api" });
    await client.flags.setPercentage({ name: "neural_network_v2", percentage: 50 });
    const seen = new Set<string>();
    await find(watch({ resumeTokens: tokens }), (frame) => {
      const { part } = frame;
      if (part.case !== undefined) expect(part.value.frame.case).not.toBe("snapshot");
      const name = put("flags")(frame) ?? put("breakers")(frame);
      if (name !== undefined) seen.add(name);
      return seen.size === 2 ? true : undefined;
    });
    expect([...seen].sort()).toEqual(["neural_network_v2", "valr_api"]);
  });

  it("is one client whose acknowledgement counts for all parts", async () => {
    const stream = watch({ parts: [Part.FLAGS, Part.BREAKERS], clientId: "trader-1" });
    await snapshots(stream, ["flags", "breakers"]);
    const { flag } = await client.flags.setPercentage({ name: "neural_network_v2", percentage: 50 });
    const revision = flag?.revision ?? 0n;
    const waiting = client.status.waitForRevision({ revision, all: true });
    const reached = new Set<string>();
    await find(stream, ({ part }) => {
      if (part.case !== undefined && part.value.revision >= revision) reached.add(part.case);
      return reached.size === 2 ? true : undefined;
    });
    expect(await client.status.ackRevision({ clientId: "trader-1", revision })).toMatchObject({ watches: 2 });
    expect(await waiting).toMatchObject({ reached: true, acknowledgedClients: 1 });
  });

  it("ends as a whole when one part cannot resume, and says which token that was", async () => {
    const request = { resumeTokens: { breakers: "of-another-store" }, onCompacted: OnCompacted.ERROR };
    const error = await find(watch(request), () => undefined).catch((thrown: unknown) => thrown);
    expect(errorInfo(error)).toMatchObject({ reason: "RESUME_TOKEN_INVALID" });
    const hubs = [engine.flags.hub, engine.breakers.hub, engine.modules.hub, engine.events];
    await until(() => hubs.every(({ watcherCount }) => watcherCount === 0));
  });

  it.each<[string, Request, string]>([
    ["an unknown part", { parts: [17 as Part] }, "parts[0]"],
    ["an empty name", { names: { modules: [""] } }, "names.modules[0]"],
    ["a token that is too long", { resumeTokens: { events: "x".repeat(257) } }, "resume_tokens.events"],
  ])("is refused with %s", async (_, request, field) => {
    const error = await watch(request)
      .next()
      .catch((thrown: unknown) => thrown);
    expect(errorInfo(error)).toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field } });
  });

  it("leaves nothing behind when its client leaves", async () => {
    const stream = watch({});
    await snapshots(stream, ["flags", "breakers", "modules", "events"]);
    await stream.return?.();
    client.close();
    const hubs = [engine.flags.hub, engine.breakers.hub, engine.modules.hub, engine.events];
    await until(() => hubs.every(({ watcherCount }) => watcherCount === 0));
  });

  it("works over REST, with the names as parameters", async () => {
    const left = new AbortController();
    const query = "parts=PART_FLAGS&parts=PART_BREAKERS&names.flags=websocket_v2";
    const answer = await fetch(`${server.url}/api/modularity/watch?${query}`, { signal: left.signal });
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (text.split("\n").length < 3) text += (await reader?.read())?.value ?? "";
    left.abort();
    const frames = text
      .split("\n")
      .slice(0, 2)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(frames.map((frame) => Object.keys(frame))).toEqual([["flags"], ["breakers"]]);
  });
});
