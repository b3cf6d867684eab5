import { once } from "node:events";
import {
  createServer as createHttp2Server,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { createHeliosClient } from "../../../clients/typescript/src/client.ts";
import { Connection } from "../../../clients/typescript/src/connection/connection.ts";
import { type Network, startProxy } from "../../wire/proxy.ts";

// An error without a listener would end the test run.

let servers: (Server | Http2Server)[] = [];
const sockets = new Set<Socket>();
let connections: Connection[] = [];
let networks: Network[] = [];

afterEach(async () => {
  for (const connection of connections) connection.abort();
  for (const network of networks) await network.close();
  networks = [];
  for (const socket of sockets) socket.destroy();
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  servers = [];
  connections = [];
});

async function listen(server: Server | Http2Server): Promise<string> {
  servers.push(server);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function networkTo(url: string): Promise<Network> {
  const network = await startProxy(() => Number(new URL(url).port));
  networks.push(network);
  return network;
}

function connectionTo(url: string, options: ConstructorParameters<typeof Connection>[1] = {}): Connection {
  const connection = new Connection(url, options);
  connections.push(connection);
  return connection;
}

/** A server that answers each call, and the sessions that it has. */
async function answering(): Promise<{ url: string; sessions: ServerHttp2Session[] }> {
  const sessions: ServerHttp2Session[] = [];
  const server = createHttp2Server();
  server.on("session", (session) => {
    sessions.push(session);
    session.on("error", () => {});
  });
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => {});
    stream.respond({ ":status": 200 });
    stream.end("x");
  });
  return { url: await listen(server), sessions };
}

async function call(connection: Connection): Promise<string> {
  const stream = await connection.request("POST", "/", {});
  stream.end();
  let body = "";
  for await (const chunk of stream) body += String(chunk);
  return body;
}

/** Resolves when all its sockets are closed. */
const ended = (connection: Connection): Promise<void> =>
  expect.poll(() => connection.sessions, { timeout: 5000 }).toBe(0);

/** The error of the call. */
const failed = async (promise: Promise<unknown>): Promise<ConnectError> =>
  promise.then(
    () => Promise.reject(new Error("it succeeded")),
    (error: unknown) => ConnectError.from(error),
  );

describe("a connection", () => {
  it.each([0, 2, 11])(
    "opens another session when the server sends GOAWAY to an idle one, with code %i",
    async (code) => {
      const { url, sessions } = await answering();
      const connection = connectionTo(url);
      for (let turn = 0; turn < 5; turn += 1) {
        expect(await call(connection)).toBe("x");
        sessions.at(-1)?.goaway(code, turn % 2 === 0 ? 0 : undefined, Buffer.from("x".repeat(turn)));
        // The GOAWAY arrives while the client retries at once.
        for (let again = 0; again < 20; again += 1) await call(connection).catch(() => {});
      }
      expect(await call(connection)).toBe("x");
      connection.abort();
      await ended(connection);
    },
  );

  it("has one session, however many calls begin at once", async () => {
    const { url, sessions } = await answering();
    const connection = connectionTo(url);
    await Promise.all(Array.from({ length: 50 }, () => call(connection)));
    expect(sessions).toHaveLength(1);
    expect(connection.sessions).toBe(1);
  });

  it("gives up a server that accepts and never speaks, so that calls fail instead of waiting", async () => {
    const url = await listen(createServer((socket) => socket.on("error", () => {}).resume()));
    const connection = connectionTo(url, { pingTimeoutMs: 50 });
    const error = await failed(call(connection));
    expect(error.code).toBe(Code.Unavailable);
    await ended(connection);
  });

  it("gives up a server that stops answering, with its calls; the next call opens another session", async () => {
    const network = await networkTo((await answering()).url);
    const connection = connectionTo(network.baseUrl, { pingIntervalMs: 100, pingTimeoutMs: 300 });
    expect(await call(connection)).toBe("x");
    network.silence();
    const error = await failed(call(connection));
    expect(error.code).toBe(Code.Unavailable);
    expect(await call(connection)).toBe("x");
  });

  it("pings a session that was idle for long, and opens another one if there is no answer", async () => {
    const { url, sessions } = await answering();
    const network = await networkTo(url);
    const connection = connectionTo(network.baseUrl, { pingIntervalMs: 100, pingTimeoutMs: 300 });
    expect(await call(connection)).toBe("x");
    network.silence();
    await new Promise((resolve) => setTimeout(resolve, 110));
    // No call fails because a connection died while it was idle.
    expect(await Promise.all([call(connection), call(connection)])).toEqual(["x", "x"]);
    expect(sessions).toHaveLength(2);
  });

  it("fails with UNAVAILABLE while nothing listens, and connects once a server does", async () => {
    const { url } = await answering();
    const [server] = servers;
    await new Promise((resolve) => server?.close(resolve));
    const connection = connectionTo(url);
    for (let turn = 0; turn < 3; turn += 1) expect((await failed(call(connection))).code).toBe(Code.Unavailable);
    server?.listen(Number(new URL(url).port), "127.0.0.1");
    await expect.poll(() => call(connection).catch(() => "")).toBe("x");
  });

  it("ends calls that are about to connect when it is closed, and accepts later ones", async () => {
    const { url } = await answering();
    const connection = connectionTo(url);
    const early = failed(call(connection));
    connection.abort();
    expect((await early).code).toBe(Code.Canceled);
    expect(await call(connection)).toBe("x");
  });

  it("closes a session that has had no call for long", async () => {
    const { url } = await answering();
    const connection = connectionTo(url, { idleTimeoutMs: 20 });
    expect(await call(connection)).toBe("x");
    await ended(connection);
    expect(await call(connection)).toBe("x");
  });
});

describe("a client", () => {
  it.each(["127.0.0.1:8000", "ftp://127.0.0.1", "", "localhost:8000"])("refuses the address %j", (baseUrl) => {
    expect(() => createHeliosClient({ baseUrl })).toThrow(/^baseUrl: /);
  });

  it.each([
    "\x16\x03\x01",
    "HTTP/9.9 200 OK\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
    "HTTP/1.1 200 O",
  ])("reports a server that does not speak HTTP/1.1 as UNAVAILABLE: %j", async (answer) => {
    const baseUrl = await listen(createServer((socket) => socket.once("data", () => socket.end(answer, "latin1"))));
    const client = createHeliosClient({ baseUrl, protocol: "connect", httpVersion: "1.1" });
    const calls = [client.flags.listFlags({}), client.flags.watchFlags({})[Symbol.asyncIterator]().next()];
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: Code.Unavailable });
    client.close();
  });

  it("reports a lost connection as UNAVAILABLE, for calls and for streams", async () => {
    const server = createHttp2Server();
    server.on("session", (session) => session.on("error", () => {}));
    server.on("stream", (stream: ServerHttp2Stream) => {
      stream.on("error", () => {});
      stream.respond({ ":status": 200, "content-type": "application/grpc+proto" });
      for (const socket of sockets) setImmediate(() => socket.resetAndDestroy());
    });
    const client = createHeliosClient({ baseUrl: await listen(server) });
    for (let turn = 0; turn < 5; turn += 1) {
      expect((await failed(client.status.getStatus({}))).code).toBe(Code.Unavailable);
      const read = async (): Promise<void> => {
        for await (const _ of client.flags.watchFlags({}));
      };
      expect((await failed(read())).code).toBe(Code.Unavailable);
    }
    client.close();
  });
});
