import { request as httpRequest } from "node:http";
import { connect } from "node:http2";
import { connect as tcp } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { ROOT } from "../core/modules/rig.ts";

let engine: Engine;
let server: Server;

beforeAll(async () => {
  engine = await createEngine({ modulesRoot: ROOT });
  const allowedHosts = ["helios.example"];
  server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "1", log: () => {}, allowedHosts });
});
afterAll(async () => {
  await server.drain();
  await engine.close();
});

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly type?: string;
  readonly body?: string;
}

const set = JSON.stringify({ name: "rebound", percentage: 50 });
/** One request in each protocol, and the other served paths. */
const WAYS: readonly Asked[] = [
  { method: "GET", path: "/api/modularity/status" },
  { method: "HEAD", path: "/api/modularity/status" },
  { method: "GET", path: "/api/modularity/feature-flags/watch" },
  { method: "POST", path: "/api/modularity/feature-flags/percentage", type: "text/plain", body: set },
  { method: "POST", path: "/helios.v1.FlagService/SetPercentage", type: "application/json", body: set },
  { method: "POST", path: "/helios.v1.FlagService/SetPercentage", type: "application/proto", body: "" },
  { method: "POST", path: "/helios.v1.FlagService/WatchFlags", type: "application/connect+json", body: "" },
  { method: "POST", path: "/helios.v1.FlagService/SetPercentage", type: "application/grpc-web", body: "" },
  { method: "POST", path: "/helios.v1.FlagService/SetPercentage", type: "application/grpc", body: "" },
  { method: "GET", path: "/helios.v1.FlagService/ListFlags?encoding=json&message=%7B%7D&connect=v1" },
  { method: "POST", path: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", type: "application/grpc" },
  { method: "OPTIONS", path: "/api/modularity/status" },
  ...["/", "/docs", "/docs/start.js", "/openapi.json", "/healthz", "/readyz", "/nothing"].map((path) => ({
    method: "GET",
    path,
  })),
];

interface Answered {
  readonly status: number;
  readonly text: string;
}

function over1({ method, path, type = "", body }: Asked, host: string, headers: object): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const all = { ...headers, host, ...(type === "" ? {} : { "content-type": type }) };
    const options = { host: "127.0.0.1", port: server.port, method, path, headers: all, agent: false };
    const sent = httpRequest(options, (response) => {
      const { statusCode: status = 0 } = response;
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        // A stream does not end by itself.
        if (status === 200) sent.destroy();
      });
      response.on("close", () => resolve({ status, text }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

function over2({ method, path, type = "", body }: Asked, host: string, headers: object): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const session = connect(server.url);
    session.on("error", reject);
    const stream = session.request({
      ":method": method,
      ":path": path,
      ":authority": host,
      ...(type === "" ? {} : { "content-type": type }),
      ...headers,
    });
    let status = 0;
    let text = "";
    stream.on("response", (got) => {
      status = Number(got[":status"]);
      if (status === 200) stream.close();
    });
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    stream.on("error", reject);
    stream.on("close", () => {
      session.close();
      resolve({ status, text });
    });
    stream.end(body);
  });
}

const OVER = { "HTTP/1.1": over1, "HTTP/2": over2 };
const CASES = WAYS.flatMap((way) => (["HTTP/1.1", "HTTP/2"] as const).map((version) => ({ ...way, version, way })));

describe("a browser", () => {
  it.each(CASES)("does not reach $method $path ($type) over $version by an unknown host name", async (one) => {
    for (const headers of [{ origin: "http://evil.example" }, { "sec-fetch-site": "same-origin" }]) {
      const { status, text } = await OVER[one.version](one.way, `evil.example:${server.port}`, headers);
      expect(status).toBe(403);
      if (one.method === "HEAD") continue;
      const { error } = JSON.parse(text) as { error: { reason: string; message: string } };
      expect(error.reason).toBe("HOST_NOT_ALLOWED");
      expect(error.message).toContain("HELIOS_ALLOWED_HOSTS");
    }
    expect(engine.flags.list().map(({ name }) => name)).not.toContain("rebound");
  });

  it.each(CASES)("reaches $method $path ($type) over $version from a page of the service", async (one) => {
    const read = one.method === "GET" && !one.path.includes("Service/");
    if (!read) return;
    for (const host of [`localhost:${server.port}`, "HELIOS.example."]) {
      const { status } = await OVER[one.version](one.way, host, { "sec-fetch-site": "same-origin" });
      expect([200, 404]).toContain(status);
    }
  });
});

describe("a client that is not a browser", () => {
  it.each(CASES)("reaches $method $path ($type) over $version by any name", async (one) => {
    const { status } = await OVER[one.version](one.way, "helios.prod.svc", {});
    expect(status).not.toBe(403);
  });

  it("may send the whole address as its target, but not two hosts", async () => {
    const ask = (head: string): Promise<string> =>
      new Promise((resolve) => {
        const socket = tcp(server.port, "127.0.0.1", () => socket.write(`${head}\r\nConnection: close\r\n\r\n`));
        let text = "";
        socket.on("data", (chunk) => {
          text += chunk;
        });
        socket.on("close", () => resolve(text));
      });
    expect(await ask("GET http://any.example/healthz HTTP/1.1\r\nHost: any.example")).toMatch(/^HTTP\/1\.1 200 /);
    const twice = await ask("GET /healthz HTTP/1.1\r\nHost: a.example\r\nHost: b.example");
    expect(twice).toMatch(/^HTTP\/1\.1 400 .*"reason":"REQUEST_MALFORMED"/s);
    const rebound = "GET http://localhost/healthz HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example";
    expect(await ask(rebound)).toMatch(/^HTTP\/1\.1 403 .*"reason":"HOST_NOT_ALLOWED"/s);
  });
});
