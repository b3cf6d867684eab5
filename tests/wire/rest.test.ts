import { request as httpRequest } from "node:http";
import { connect } from "node:http2";
import { connect as tcp } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { ROOT } from "../core/modules/rig.ts";
import { until } from "../support/until.ts";

const API = "/api/modularity";
const OPS = "https://ops.example.com";

let engine: Engine;
let server: Server;

beforeAll(async () => {
  engine = await createEngine({ modulesRoot: ROOT });
  const allowedOrigins = [OPS];
  server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "1", log: () => {}, allowedOrigins });
});
afterAll(async () => {
  await server.drain();
  await engine.close();
});

const at = (path: string): string => `${server.url}${path}`;

/** Uses Node's own client, which allows headers that fetch sets itself. */
function send(
  path: string,
  {
    method = "GET",
    headers = {},
    body = "",
  }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<{ status: number | undefined; headers: Record<string, unknown>; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(at(path), { method, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const reasonOf = (text: string): unknown => (JSON.parse(text) as { error?: { reason?: unknown } }).error?.reason;

/** The first events of a stream. */
async function events(path: string, count: number, headers: Record<string, string> = {}) {
  const enough = new AbortController();
  const response = await fetch(at(path), {
    headers: { accept: "text/event-stream", ...headers },
    signal: enough.signal,
  });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const seen: { id?: string; data: { snapshot?: unknown; changes?: unknown; revision: number } }[] = [];
  let rest = "";
  for await (const chunk of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const lines = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s)));
      seen.push({ id: lines.id, data: JSON.parse(lines.data) });
    }
    if (seen.length >= count) break;
  }
  enough.abort();
  return seen;
}

describe("a stream over REST", () => {
  it("is server-sent events on request, and resumes after the last event that was received", async () => {
    await engine.flags.create("sse", {}, {}, {});
    const [snapshot] = await events(`${API}/feature-flags/watch?names=sse`, 1);
    expect(snapshot?.data.snapshot).toMatchObject({ flags: [{ name: "sse" }], complete: true });
    await engine.flags.setPercentage("sse", 10, {}, {});
    const again = await events(`${API}/feature-flags/watch?names=sse`, 1, { "last-event-id": snapshot?.id ?? "" });
    expect(again[0]?.data.changes).toMatchObject({ changes: [{ put: { name: "sse", percentage: 10 } }] });
  });

  it("is refused as a plain error with its status", async () => {
    const refused = await send(`${API}/feature-flags/watch?resume_token=x`);
    expect([refused.status, reasonOf(refused.text)]).toEqual([400, "RESUME_TOKEN_INVALID"]);
  });

  it("sends an error last if it ends with one", async () => {
    const { status, text } = await send(`${API}/feature-flags/watch?names=none`, {
      headers: { "connect-timeout-ms": "200" },
    });
    const lines = text.trim().split("\n");
    expect(status).toBe(200);
    expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ error: { status: "DEADLINE_EXCEEDED" } });
  });

  it("ends when its reader leaves", async () => {
    const before = engine.flags.hub.watcherCount;
    await events(`${API}/feature-flags/watch`, 1);
    await until(() => engine.flags.hub.watcherCount <= before);
  });
});

describe("REST", () => {
  it("answers HEAD like GET, without the body", async () => {
    const head = await send(`${API}/status`, { method: "HEAD" });
    expect([head.status, head.headers["content-type"], head.text]).toEqual([200, "application/json", ""]);
  });

  it("reads JSON with any content type, and an empty body as no body", async () => {
    for (const type of ["application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8"]) {
      const body = JSON.stringify({ name: "typed", percentage: 5 });
      const { status } = await send(`${API}/feature-flags/percentage`, {
        method: "POST",
        headers: { "content-type": type },
        body,
      });
      expect(status).toBe(200);
    }
    expect((await send(`${API}/circuit-breakers/reset-all`, { method: "POST" })).status).toBe(200);
  });

  it("refuses bodies that are too large, and invalid requests", async () => {
    const large = await send(`${API}/feature-flags/percentage`, { method: "POST", body: "x".repeat(5_000_000) });
    expect([large.status, reasonOf(large.text)]).toEqual([413, "HTTP_BODY_TOO_LARGE"]);
    const long = await send(`${API}/feature-flags?page_token=${"x".repeat(300_000)}`).catch((error: Error) => error);
    if (!(long instanceof Error)) expect(long.status).toBe(431);
    const answer = await new Promise<string>((resolve) => {
      const socket = tcp(server.port, "127.0.0.1", () => socket.write("GET / HTTP/9.9\r\n\r\n"));
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk;
      });
      socket.on("close", () => resolve(text));
    });
    expect(answer).toMatch(
      /^HTTP\/1\.1 400 Bad Request\r\n.*"reason":"REQUEST_MALFORMED".*this is not an HTTP request"/s,
    );
  });

  it("lists the verbs of a path, and refuses unknown paths", async () => {
    const wrong = await send(`${API}/status`, { method: "DELETE" });
    expect([wrong.status, wrong.headers.allow, reasonOf(wrong.text)]).toEqual([405, "GET", "HTTP_METHOD_NOT_ALLOWED"]);
    for (const path of [`${API}/nothing`, "/api/", `${API}/modules/%ff/status`]) {
      const unknown = await send(path);
      expect([unknown.status, reasonOf(unknown.text)]).toEqual([404, "HTTP_PATH_UNKNOWN"]);
    }
  });

  it("lists all rules that a request breaks", async () => {
    const { text } = await send(`${API}/feature-flags/percentage`, {
      method: "POST",
      body: JSON.stringify({ name: "no spaces", percentage: 101 }),
    });
    const { violations } = (JSON.parse(text) as { error: { violations: { field: string }[] } }).error;
    expect(violations.map(({ field }) => field).sort()).toEqual(["name", "percentage"]);
  });

  it("says when a retry may succeed", async () => {
    await engine.breakers.getOrCreate("retry", { failureThreshold: 1 });
    await engine.breakers.open("retry");
    const { text } = await send(`${API}/circuit-breakers/retry/acquire`, { method: "POST" });
    expect(JSON.parse(text)).toMatchObject({ allowed: false, state: "open" });
  });
});

describe("a page of another site", () => {
  const change = { method: "POST", body: JSON.stringify({ name: "csrf", percentage: 50 }) };

  it.each([
    ["with a form", { origin: "https://evil.example", "content-type": "text/plain" }],
    ["in a browser that sends its origin", { "sec-fetch-site": "cross-site" }],
    ["in a sandbox", { origin: "null" }],
  ])("changes nothing, %s", async (_, headers) => {
    const { status, text } = await send(`${API}/feature-flags/percentage`, { ...change, headers });
    expect([status, reasonOf(text)]).toEqual([403, "HTTP_ORIGIN_REFUSED"]);
    expect(engine.flags.list().map(({ name }) => name)).not.toContain("csrf");
  });

  it("changes nothing over Connect either", async () => {
    const { status } = await send("/helios.v1.FlagService/SetPercentage", {
      ...change,
      headers: { origin: "https://evil.example", "content-type": "application/json" },
    });
    expect(status).toBe(403);
  });

  it("reads nothing, unless its origin is allowed", async () => {
    const origin = (value: string) => send(`${API}/status`, { headers: { origin: value } });
    expect((await origin("https://evil.example")).headers["access-control-allow-origin"]).toBeUndefined();
    expect((await origin(OPS)).headers["access-control-allow-origin"]).toBe(OPS);
    const asked = { origin: OPS, "access-control-request-method": "POST", "access-control-request-headers": "x-a" };
    const preflight = await send(`${API}/feature-flags/percentage`, { method: "OPTIONS", headers: asked });
    expect([preflight.status, preflight.headers["access-control-allow-headers"]]).toEqual([204, "x-a"]);
    const allowed = await send(`${API}/feature-flags/percentage`, {
      method: "POST",
      body: JSON.stringify({ name: "cors", percentage: 5 }),
      headers: { origin: OPS },
    });
    expect([allowed.status, allowed.headers["access-control-allow-origin"]]).toEqual([200, OPS]);
  });
});

describe("the description of the API", () => {
  it("is served as a document, and as a page that loads nothing from elsewhere", async () => {
    const document = JSON.parse((await send("/openapi.json")).text) as { openapi: string; paths: object };
    expect(document.openapi).toBe("3.1.0");
    expect(Object.keys(document.paths)).toContain(`${API}/modules/{name}/load`);
    const page = await send("/docs");
    expect(page.headers["content-security-policy"]).toContain("default-src 'self'");
    const linked = [...page.text.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, path = ""]) => path);
    expect(linked.length).toBeGreaterThan(3);
    for (const path of linked) {
      const { status, text } = await send(`/${path}`);
      expect([path, status, text.length > 50]).toEqual([path, 200, true]);
    }
  });

  it("is served over HTTP/2 too", async () => {
    const session = connect(server.url);
    const stream = session.request({ ":path": `${API}/status` });
    const [status, text] = await new Promise<[unknown, string]>((resolve) => {
      let got = "";
      let code: unknown;
      stream.on("response", (headers) => {
        code = headers[":status"];
      });
      stream.setEncoding("utf8");
      stream.on("data", (chunk: string) => {
        got += chunk;
      });
      stream.on("end", () => resolve([code, got]));
    });
    session.close();
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ status: { ready: true } });
  });
});
