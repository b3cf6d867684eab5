import { request } from "node:http";
import { connect } from "node:http2";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";

const LIST = "/helios.v1.FlagService/ListFlags";
const EMPTY_MESSAGE = Buffer.alloc(5);

let engine: Engine;
let server: Server;
beforeAll(async () => {
  engine = await createEngine({ modulesRoot: `${import.meta.dirname}/../fixtures/modules` });
  server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "1", log: () => {} });
});
afterAll(async () => {
  await server.drain();
  await engine.close();
});

/** The names of the headers of an answer over HTTP/2. */
async function overHttp2(type: string, body: Buffer): Promise<readonly string[]> {
  const session = connect(server.url);
  const stream = session.request({ ":method": "POST", ":path": LIST, "content-type": type });
  stream.end(body);
  try {
    return await new Promise((resolve, reject) => {
      stream.on("error", reject);
      stream.on("response", (headers) => resolve(Object.keys(headers)));
    });
  } finally {
    session.destroy();
  }
}

/** The same over HTTP/1.1. */
function overHttp1(type: string, body: string): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": type, "accept-encoding": "gzip" };
    const sent = request(`${server.url}${LIST}`, { method: "POST", headers }, (response) => {
      response.resume();
      resolve(Object.keys(response.headers));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

// The other path does neither (tests/wire/parity.test.ts): node:http2 sends the date, and Connect packs what the client can unpack.
it.each([
  ["gRPC", "application/grpc", EMPTY_MESSAGE],
  ["unary Connect", "application/json", Buffer.from("{}")],
])("%s goes through Connect over HTTP/2", async (_, type, body) => {
  expect(await overHttp2(type, body)).toContain("date");
});

it("unary Connect goes through Connect over HTTP/1.1", async () => {
  expect(await overHttp1("application/json", "{}")).toContain("content-encoding");
});
