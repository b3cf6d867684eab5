import { once } from "node:events";
import { createServer, type Server as HttpServer, request as httpRequest } from "node:http";
import { connect, type IncomingHttpHeaders } from "node:http2";
import { connect as tcp } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, type Engine, type ERRORS } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { ROOT } from "../core/modules/rig.ts";

const API = "/api/modularity";
const RPC = "/helios.v1.FlagService";

let engine: Engine;
let server: Server;

beforeAll(async () => {
  engine = await createEngine({ modulesRoot: ROOT });
  server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "1.2.3", log: () => {} });
  await engine.flags.create("off", {}, {}, {});
});
afterAll(async () => {
  await server.drain();
  await engine.close();
});

interface Sent {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

function send({ method = "GET", path, headers = {}, body }: Sent, port = server.port): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ host: "127.0.0.1", port, method, path, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const json = { "content-type": "application/json" };
const post = (path: string, body: string | Buffer, headers: Record<string, string> = {}): Sent => ({
  method: "POST",
  path,
  body,
  headers,
});
const rpc = (method: string, body: string | Buffer, headers: Record<string, string> = {}): Sent =>
  post(`${RPC}/${method}`, body, { ...json, ...headers });
const gradual = (time: string) => `{"name": "f", "targetPercentage": 1, "endTime": "${time}"}`;
const asked = (message: string) =>
  `${RPC}/ListFlagHistory?connect=v1&encoding=json&message=${encodeURIComponent(message)}`;

/** Values that JSON can write, and that other protocols cannot carry unchanged. */
const ALTERED = [
  ["a number of 22 digits", "1000000000000000000001"],
  ["a negative number", "-99999999999999999999999"],
  ["half a surrogate pair", '"\\ud83d"'],
  ["the other half of a surrogate pair", '"x\\uDE00y"'],
] as const;
const created = (value: string) => `{"name": "altered", "metadata": {"a": [0, {"b": ${value}}]}}`;
const whom = (value: string) => encodeURIComponent(`{"attributes": {"a": [${value}]}}`);

const REFUSALS: readonly (readonly [what: string, sent: Sent, status: number, reason: keyof typeof ERRORS])[] = [
  ["an unknown path", { path: "/nothing" }, 404, "HTTP_PATH_UNKNOWN"],
  ["an inherited name for a path", { path: "/constructor" }, 404, "HTTP_PATH_UNKNOWN"],
  ["an unknown path of REST", { path: `${API}/nothing` }, 404, "HTTP_PATH_UNKNOWN"],
  ["an unknown service", rpc("../helios.v9.No/No", "{}"), 404, "HTTP_PATH_UNKNOWN"],
  ["an unknown method", rpc("NoSuchMethod", "{}"), 404, "HTTP_PATH_UNKNOWN"],
  ["a badly encoded path", { path: `${API}/modules/%zz/status` }, 404, "HTTP_PATH_UNKNOWN"],
  ["a badly encoded query", { path: `${API}/feature-flags?page_token=%zz` }, 400, "ARGUMENT_INVALID"],
  ["a query that is not UTF-8", { path: `${API}/feature-flags?page_token=%ff` }, 400, "ARGUMENT_INVALID"],
  ["an unknown parameter", { path: `${API}/feature-flags?nothing=1` }, 400, "ARGUMENT_INVALID"],
  ["a duplicate parameter", { path: `${API}/feature-flags?page_size=1&page_size=1` }, 400, "ARGUMENT_INVALID"],
  ["a method of REST", { method: "DELETE", path: `${API}/status` }, 405, "HTTP_METHOD_NOT_ALLOWED"],
  ["an unknown HTTP method", { method: "PROPFIND", path: `${API}/status` }, 405, "HTTP_METHOD_NOT_ALLOWED"],
  ["a method of a page", post("/docs", ""), 405, "HTTP_METHOD_NOT_ALLOWED"],
  ["a method of the probes", { method: "PUT", path: "/healthz" }, 405, "HTTP_METHOD_NOT_ALLOWED"],
  ["GET of an RPC that changes something", { path: `${RPC}/DisableFlag` }, 405, "HTTP_METHOD_NOT_ALLOWED"],
  ["PUT of an RPC", { method: "PUT", path: `${RPC}/DisableFlag` }, 405, "HTTP_METHOD_NOT_ALLOWED"],
  [
    "an unknown content type",
    post(`${RPC}/DisableFlag`, "<a/>", { "content-type": "text/xml" }),
    415,
    "HTTP_MEDIA_TYPE_UNSUPPORTED",
  ],
  ["no content type", post(`${RPC}/DisableFlag`, "{}"), 415, "HTTP_MEDIA_TYPE_UNSUPPORTED"],
  [
    "a compressed body of REST",
    post(`${API}/feature-flags/disable`, gzipSync("{}"), { "content-encoding": "gzip" }),
    415,
    "HTTP_MEDIA_TYPE_UNSUPPORTED",
  ],
  ["an unknown compression", rpc("DisableFlag", "{}", { "content-encoding": "lzma" }), 501, "REQUEST_UNSUPPORTED"],
  ["a body that is not JSON", post(`${API}/feature-flags/disable`, "{"), 400, "ARGUMENT_INVALID"],
  ["a body that is a list", post(`${API}/feature-flags/disable`, "[]"), 400, "ARGUMENT_INVALID"],
  [
    "a body that is not UTF-8",
    post(`${API}/feature-flags/disable`, Buffer.from([0x22, 0xff, 0x22])),
    400,
    "ARGUMENT_INVALID",
  ],
  [
    "a body for an RPC without one",
    { method: "GET", path: `${API}/status`, body: "{}", headers: { "content-length": "2" } },
    400,
    "ARGUMENT_INVALID",
  ],
  ["a duplicate member", post(`${API}/feature-flags/disable`, '{"name": "f", "name": "g"}'), 400, "ARGUMENT_INVALID"],
  ["a duplicate member, to Connect", rpc("DisableFlag", '{"name": "f", "name": "g"}'), 400, "REQUEST_MALFORMED"],
  ["a body that is too large", post(`${API}/feature-flags/disable`, "x".repeat(5_000_000)), 413, "HTTP_BODY_TOO_LARGE"],
  ["a message that is too large", rpc("DisableFlag", `{"name":"${"x".repeat(5_000_000)}"}`), 429, "MESSAGE_TOO_LARGE"],
  [
    "an invalid deadline",
    { path: `${API}/status`, headers: { "connect-timeout-ms": "soon" } },
    400,
    "HTTP_HEADER_INVALID",
  ],
  ["an empty deadline", { path: `${API}/status`, headers: { "connect-timeout-ms": "" } }, 400, "HTTP_HEADER_INVALID"],
  [
    "a deadline with too many digits",
    { path: `${API}/status`, headers: { "connect-timeout-ms": "1".repeat(11) } },
    400,
    "HTTP_HEADER_INVALID",
  ],
  [
    "an invalid deadline, to Connect",
    rpc("DisableFlag", "{}", { "connect-timeout-ms": "-1" }),
    400,
    "REQUEST_MALFORMED",
  ],
  [
    "a deadline that has passed",
    { path: `${API}/revisions/1/wait?min_clients=9`, headers: { "connect-timeout-ms": "1" } },
    504,
    "CALL_DEADLINE_EXCEEDED",
  ],
  [
    "a time that does not exist, to Connect",
    rpc("SetGradual", gradual("2026-02-30T00:00:00Z")),
    400,
    "ARGUMENT_INVALID",
  ],
  ["a leap second, to Connect", rpc("SetGradual", gradual("2016-12-31T23:59:60Z")), 400, "ARGUMENT_INVALID"],
  [
    "24:00, to Connect, compressed",
    rpc("SetGradual", gzipSync(gradual("2026-01-01T24:00:00Z")), { "content-encoding": "gzip" }),
    400,
    "ARGUMENT_INVALID",
  ],
  [
    "a number that JSON changes, to Connect",
    rpc("RevertFlag", '{"name": "f", "toRevision": 9007199254740993}'),
    400,
    "ARGUMENT_INVALID",
  ],
  [
    "the same by GET",
    {
      path: `${RPC}/EvaluateFlag?connect=v1&encoding=json&message=${encodeURIComponent('{"name":"off","asOfRevision":9007199254740993}')}`,
    },
    400,
    "ARGUMENT_INVALID",
  ],
  ...ALTERED.flatMap(([what, value]): (typeof REFUSALS)[number][] => [
    [what, post(`${API}/feature-flags`, created(value)), 400, "ARGUMENT_INVALID"],
    [`${what}, in a query`, { path: `${API}/feature-flags/off?context=${whom(value)}` }, 400, "ARGUMENT_INVALID"],
    [`${what}, to Connect`, rpc("CreateFlag", `{"flag": ${created(value)}}`), 400, "ARGUMENT_INVALID"],
    [
      `${what}, to Connect by GET`,
      {
        path: `${RPC}/EvaluateFlag?connect=v1&encoding=json&message=${encodeURIComponent('{"name":"off","context":')}${whom(value)}%7D`,
      },
      400,
      "ARGUMENT_INVALID",
    ],
  ]),
  [
    "a body that is not UTF-8, to Connect",
    rpc("DisableFlag", Buffer.from('{"name": "\xff"}', "latin1")),
    400,
    "ARGUMENT_INVALID",
  ],
  [
    "text that would be read as another value, after a byte order mark, to Connect",
    rpc("SetPercentage", '\ufeff{"name": "off", "percentage": 1, "reason": "\\ud800"}'),
    400,
    "ARGUMENT_INVALID",
  ],
  ["text that is not JSON, by GET", { path: asked("{") }, 400, "REQUEST_MALFORMED"],
  ["an unknown field of Connect", rpc("DisableFlag", '{"nothing": 1}'), 400, "REQUEST_MALFORMED"],
  ["a wrong expectation", { path: `${API}/status`, headers: { expect: "wat" } }, 400, "HTTP_HEADER_INVALID"],
  ["a wrong expectation, to Connect", rpc("DisableFlag", "{}", { expect: "wat" }), 400, "HTTP_HEADER_INVALID"],
  ["a missing flag", { path: `${API}/feature-flags/nobody` }, 404, "FLAG_NOT_FOUND"],
];

/** The reason of an error in REST's or Connect's form. */
function reasonOf(text: string): { readonly reason: string | undefined; readonly message: string } {
  const body = JSON.parse(text) as {
    error?: { reason: string; message: string };
    message?: string;
    details?: { debug?: { reason?: string } }[];
  };
  const detail = body.details?.map(({ debug }) => debug?.reason).find((one) => one !== undefined);
  return { reason: body.error?.reason ?? detail, message: body.error?.message ?? body.message ?? "" };
}

describe("every refusal", () => {
  it.each(REFUSALS)("a refusal of %s has its status and its reason", async (_, sent, status, reason) => {
    const answered = await send(sent);
    expect([answered.status, reasonOf(answered.text).reason]).toEqual([status, reason]);
    expect(reasonOf(answered.text).message).not.toBe("");
    // On the path of an RPC, a client of Connect would look for Connect's own error in application/json.
    const isProblem = sent.path.startsWith(RPC) && (status === 405 || status === 415);
    expect(answered.headers["content-type"]).toBe(isProblem ? "application/problem+json" : "application/json");
    if (status === 405) expect(String(answered.headers.allow)).toMatch(/GET|POST/);
  });

  it("of a compressed message without the name of a compression is INTERNAL, as the protocols require", async () => {
    const compressed = Buffer.from([1, 0, 0, 0, 2, ...Buffer.from("{}")]);
    const answered = await send(post(`${RPC}/WatchFlags`, compressed, { "content-type": "application/connect+json" }));
    const { error } = JSON.parse(answered.text.slice(answered.text.indexOf("{"))) as { error: { code: string } };
    expect(error.code).toBe("internal");
    expect(reasonOf(JSON.stringify(error)).reason).toBe("REQUEST_MALFORMED");
  });

  it("because of a time or number that Connect's JSON would change names the place", async () => {
    const flag = '{"flag": {"name": "f", "gradual": {"endTime": "2025-02-29T00:00:00Z"}}}';
    expect(reasonOf((await send(rpc("CreateFlag", flag))).text).message).toMatch(/^flag\.gradual\.end_time: /);
    const revert = '{"name": "f", "to_revision": 1e16}';
    expect(reasonOf((await send(rpc("RevertFlag", revert))).text).message).toMatch(/^to_revision: /);
  });
});

describe("HEAD", () => {
  it.each([
    "/",
    "/docs",
    "/openapi.json",
    "/healthz",
    `${API}/status`,
    `${API}/feature-flags`,
    `${API}/feature-flags/off`,
    `${API}/feature-flags/watch`,
    `${API}/circuit-breakers/watch`,
    `${API}/modules/watch`,
    `${API}/events`,
  ])("HEAD of %s ends, and has only headers", async (path) => {
    const { status, headers, text } = await send({ method: "HEAD", path });
    expect([status, text]).toEqual([200, ""]);
    expect(headers["content-type"]).toBeDefined();
  });

  it("HEAD of an unknown path is an error without a body", async () => {
    expect(await send({ method: "HEAD", path: `${API}/feature-flags/nobody` })).toMatchObject({
      status: 404,
      text: "",
    });
    expect(await send({ method: "HEAD", path: "/nothing" })).toMatchObject({ status: 404, text: "" });
  });
});

describe("an answer in JSON", () => {
  it("contains values that are false, 0 or empty, over Connect as over REST", async () => {
    const connect = JSON.parse((await send(rpc("EvaluateFlag", '{"name": "off"}'))).text) as object;
    expect(connect).toMatchObject({ evaluation: { enabled: false, killed: false, value: false } });
    const rest = JSON.parse((await send({ path: `${API}/feature-flags/off` })).text) as object;
    expect(rest).toMatchObject({ evaluation: { enabled: false, killed: false, value: false } });
  });
});

describe("a stream over REST", () => {
  /** The headers of a stream, which does not end. */
  const head = (accept: string): Promise<Answered["headers"]> =>
    new Promise((resolve, reject) => {
      const path = `${API}/feature-flags/watch`;
      const sent = httpRequest({ host: "127.0.0.1", port: server.port, path, headers: { accept } }, (response) => {
        resolve(response.headers);
        sent.destroy();
      });
      sent.on("error", reject);
      sent.end();
    });

  it.each(["text/event-stream", "*/*"])("a stream of %s is not buffered by a proxy", async (accept) => {
    expect(await head(accept)).toMatchObject({
      "x-accel-buffering": "no",
      "cache-control": expect.stringContaining("no-cache"),
    });
  });
});

describe("the index of the API", () => {
  it("is served at the root, to programs and to people", async () => {
    const { headers, text } = await send({ path: "/" });
    expect(headers["content-type"]).toBe("application/json");
    const { name, version, ...places } = JSON.parse(text) as Record<string, string>;
    expect([name, version]).toEqual(["helios", "1.2.3"]);
    for (const place of ["docs", "openapi", "status", "health", "readiness"]) {
      expect([place, (await send({ path: `/${places[place]}` })).status]).toEqual([place, 200]);
    }
    const page = await send({ path: "/", headers: { accept: "text/html,*/*;q=0.8" } });
    expect(page.headers["content-type"]).toContain("text/html");
    const links = [...page.text.matchAll(/href="([^"]+)"/g)].map(([, link]) => link);
    expect(links).toEqual(["docs", "openapi.json", "api/modularity/status", "healthz", "readyz"]);
  });
});

describe("behind a proxy that removes a path prefix and sends its own host", () => {
  let proxy: HttpServer;
  let port: number;
  const HOST = "ops.example.com";

  beforeAll(async () => {
    proxy = createServer((request, response) => {
      const { method, url = "", headers } = request;
      if (!url.startsWith("/helios/")) {
        response.writeHead(404).end();
        return;
      }
      // As nginx does with `location /helios/ { proxy_pass http://localhost:8000/; }`.
      const upstream = { host: "127.0.0.1", port: server.port, method, path: url.slice("/helios".length) };
      const sent = httpRequest(
        { ...upstream, headers: { ...headers, host: `localhost:${server.port}` } },
        (answered) => {
          response.writeHead(answered.statusCode ?? 502, answered.headers);
          answered.pipe(response);
        },
      );
      request.pipe(sent);
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const address = proxy.address();
    port = typeof address === "object" && address !== null ? address.port : 0;
  });
  afterAll(() => new Promise((resolve) => proxy.close(resolve)));

  const page = { host: HOST, "sec-fetch-site": "same-origin", "accept-language": "en" };
  const get = (path: string) => send({ path, headers: page }, port);

  it.each(["/helios/docs", "/helios/docs/"])("the docs at %s load completely", async (start) => {
    let at = start;
    let read = await get(at);
    while (read.status === 308) {
      at = new URL(String(read.headers.location), `https://${HOST}${at}`).pathname;
      read = await get(at);
    }
    const links = [...read.text.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, link = ""]) => link);
    expect(links.length).toBeGreaterThan(3);
    for (const link of links) {
      const path = new URL(link, `https://${HOST}${at}`).pathname;
      expect([path, (await get(path)).status]).toEqual([path, 200]);
    }
    const script = await get("/helios/docs/start.js");
    const [, document = ""] = /url: "([^"]+)"/.exec(script.text) ?? [];
    const found = new URL(document, `https://${HOST}${at}`);
    const { servers } = JSON.parse((await get(found.pathname)).text) as { servers: { url: string }[] };
    // Like Swagger UI: the server next to the document, without the trailing slash.
    const base = new URL(servers[0]?.url ?? "", found).pathname.replace(/\/$/, "");
    expect((await get(`${base}${API}/status`)).status).toBe(200);
  });

  it("the page can change a flag", async () => {
    const change = { ...post(`/helios${API}/feature-flags/percentage`, '{"name": "proxied", "percentage": 5}') };
    const fetched = { ...page, origin: `https://${HOST}` };
    expect((await send({ ...change, headers: fetched }, port)).status).toBe(200);
    // Over plain HTTP a browser sends fewer headers, so the proxy must send one.
    const { "sec-fetch-site": _, ...plain } = fetched;
    expect((await send({ ...change, headers: plain }, port)).status).toBe(403);
    expect((await send({ ...change, headers: { ...plain, "x-forwarded-host": HOST } }, port)).status).toBe(200);
  });
});

describe("bytes that are not a valid request", () => {
  it.each([
    ["GET / HTTP/9.9\r\n\r\n", 400, "REQUEST_MALFORMED"],
    ["\r\n\x00\x01\x02\r\n\r\n", 400, "REQUEST_MALFORMED"],
    ["GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n", 400, "REQUEST_MALFORMED"],
    ["CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n\r\n", 405, "HTTP_METHOD_NOT_ALLOWED"],
  ])("are answered with a reason: %j", async (bytes, status, reason) => {
    const text = await new Promise<string>((resolve) => {
      const socket = tcp(server.port, "127.0.0.1", () => socket.write(bytes));
      let got = "";
      socket.on("data", (chunk) => {
        got += chunk;
      });
      socket.on("close", () => resolve(got));
    });
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} .*"reason":"${reason}"`, "s"));
  });
});

describe("a call to an unknown service, or with an expired deadline", () => {
  it.each(["application/grpc", "application/grpc+proto", "application/grpc-web+proto"])(
    "gets an answer of trailers only over %s",
    async (type) => {
      const session = connect(server.url);
      const stream = session.request({
        ":method": "POST",
        ":path": "/prefix/helios.v1.FlagService/ListFlags",
        "content-type": type,
      });
      const [headers] = (await once(stream.end(Buffer.alloc(5)), "response")) as [IncomingHttpHeaders];
      expect(headers).toMatchObject({ ":status": 200, "content-type": type, "grpc-status": "12" });
      expect(decodeURIComponent(String(headers["grpc-message"]))).toBe(
        "no resource exists at the path /prefix/helios.v1.FlagService/ListFlags",
      );
      expect(String(headers["grpc-status-details-bin"])).not.toBe("");
      stream.resume();
      await once(stream, "close");
      session.destroy();
    },
  );

  it.each([
    ["grpc-timeout", "0S"],
    ["connect-timeout-ms", "0"],
  ])("does nothing if its time is up (%s: %s)", async (name, value) => {
    const isGrpc = name.startsWith("grpc");
    const session = connect(server.url);
    const stream = session.request({
      ":method": "POST",
      ":path": `${RPC}/CreateFlag`,
      "content-type": isGrpc ? "application/grpc+json" : "application/json",
      te: "trailers",
      [name]: value,
    });
    const json = Buffer.from('{"flag": {"name": "too_late"}}');
    const head = Buffer.from([0, 0, 0, 0, json.length]);
    let text = "";
    stream.on("data", (chunk: Buffer) => {
      text += chunk;
    });
    for (const event of ["response", "trailers"] as const) {
      stream.on(event, (headers: IncomingHttpHeaders) => {
        text += JSON.stringify(headers);
      });
    }
    stream.end(isGrpc ? Buffer.concat([head, json]) : json);
    await once(stream, "close");
    expect(text).toMatch(isGrpc ? /"grpc-status":"4"/ : /CALL_DEADLINE_EXCEEDED/);
    expect(engine.flags.list().map((flag) => flag.name)).not.toContain("too_late");
    session.destroy();
  });
});
