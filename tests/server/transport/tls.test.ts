import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2, constants } from "node:http2";
import { Agent, request } from "node:https";
import { connect as connectTcp, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { type ConnectionOptions, connect, TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { CONTROL_FRAMES_BURST } from "../../../src/server/transport/limits.ts";
import { peerOf, socketOf } from "../../../src/server/transport/peer.ts";
import { createPort, type Port } from "../../../src/server/transport/port.ts";
import type { RequestHandler } from "../../../src/server/transport/request-handler.ts";
import type { TlsOptions } from "../../../src/server/transport/tls.ts";
import { createAuthority } from "../../support/certificates.ts";
import { watchedClock } from "../../support/clocks.ts";
import { until } from "../../support/until.ts";

const authority = createAuthority("authority");
const other = createAuthority("another authority");
const own = authority.issue("server");
const client = authority.issue("client");

/** What an HTTP/2 client sends first: the preface, and empty SETTINGS. */
const PREFACE = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from("000000040000000000", "hex"),
]);
const FIRST_BYTE_MS = 7000;
const PING_INTERVAL_MS = 20_000;
const PING_TIMEOUT_MS = 3000;

let port: Port;
let number: number;
let watched = watchedClock();

/** Answers with the version of HTTP, whether the connection is encrypted, and who asks. `/slow` waits for `release`. */
const released: (() => void)[] = [];
const handler: RequestHandler = (asked, response) => {
  const socket = socketOf(asked) ?? asked.socket;
  const answer = { version: asked.httpVersion, isEncrypted: socket instanceof TLSSocket, peer: peerOf(socket) };
  const end = (): void => void response.end(JSON.stringify(answer));
  if (asked.url === "/slow") released.push(end);
  else end();
};

async function start(tls: Partial<TlsOptions> = {}): Promise<void> {
  watched = watchedClock();
  port = createPort({
    handler,
    clock: watched.clock,
    firstByteTimeoutMs: FIRST_BYTE_MS,
    pingIntervalMs: PING_INTERVAL_MS,
    pingTimeoutMs: PING_TIMEOUT_MS,
    tls: { ...own, ...tls },
  });
  number = await port.listen("127.0.0.1", 0);
}

afterEach(async () => {
  const closed = port.close();
  port.destroy();
  await closed;
});

function options(given: ConnectionOptions = {}) {
  return { ca: authority.cert, host: "127.0.0.1", port: number, ...given };
}

async function handshake(given: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect(options(given));
  await once(socket, "secureConnect");
  socket.on("error", () => {});
  return socket;
}

async function session(given: ConnectionOptions = {}): Promise<ClientHttp2Session> {
  const made = connectHttp2(`https://127.0.0.1:${number}`, options(given));
  made.on("error", () => {});
  await once(made, "remoteSettings");
  return made;
}

async function overHttp2(given: ConnectionOptions = {}): Promise<unknown> {
  const made = await session(given);
  const answered = JSON.parse(await text(made.request({ ":path": "/" })));
  made.destroy();
  return answered;
}

async function overHttp1(given: ConnectionOptions = {}): Promise<unknown> {
  const asked = request({ ...options(given), agent: new Agent() }).end();
  const [response] = await once(asked, "response");
  return JSON.parse(await text(response));
}

/** Resolves to what the client notices when it cannot use the connection: an error, or that it was closed. */
async function failure(given: ConnectionOptions): Promise<string> {
  const socket = connect(options(given));
  return new Promise((resolve) => {
    socket.on("error", ({ message }) => resolve(message));
    socket.on("close", () => resolve("closed"));
    // With TLS 1.3, the client's handshake is over before the server has seen its certificate.
    socket.write("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    socket.once("data", () => resolve("served"));
  });
}

async function tcp(): Promise<Socket> {
  const socket = connectTcp(number, "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** The first bytes that a client sends. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({ read() {}, write: (chunk: Buffer) => resolve(chunk) });
    connect({ socket: wire, ALPNProtocols: ["h2"] }).on("error", () => {});
  });
}

describe("a port with TLS", () => {
  it.each(["TLSv1.2", "TLSv1.3"] as const)("serves HTTP/2 and HTTP/1.1 over %s", async (version) => {
    await start();
    const only = { minVersion: version, maxVersion: version };
    expect(await overHttp2(only)).toMatchObject({ version: "2.0", isEncrypted: true });
    expect(await overHttp1(only)).toMatchObject({ version: "1.1", isEncrypted: true });
  });

  it("knows the address of the client over both versions of HTTP", async () => {
    await start();
    const made = await session();
    const { peer } = JSON.parse(await text(made.request({ ":path": "/" }))) as { peer: string };
    expect(peer).toBe(`127.0.0.1:${made.socket.localPort}`);
    made.destroy();
    expect(await overHttp1()).toMatchObject({ peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
  });

  it("refuses versions before TLS 1.2, and ciphers without authentication or forward secrecy", async () => {
    await start();
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    expect(await failure(old)).toContain("alert protocol version");
    for (const ciphers of ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256"]) {
      const problem = await failure({ maxVersion: "TLSv1.2", ciphers });
      expect([ciphers, problem]).toEqual([ciphers, expect.stringContaining("alert handshake failure")]);
    }
  });

  it("does not negotiate again on a connection", async () => {
    await start();
    const socket = await handshake({ maxVersion: "TLSv1.2" });
    const [error] = await new Promise<unknown[]>((resolve) => {
      socket.removeAllListeners("error");
      socket.on("error", (...args) => resolve(args));
      socket.renegotiate({}, (...args) => resolve(args));
    });
    expect(error).toMatchObject({ code: "ERR_SSL_NO_RENEGOTIATION" });
    socket.destroy();
  });

  it("uses the protocol that was agreed on, whatever the client sends", async () => {
    await start();
    const answerOf = async (protocols: string[], sent: string): Promise<string> => {
      const socket = await handshake({ ALPNProtocols: protocols });
      socket.write(sent);
      return text(socket);
    };
    const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    expect(await answerOf([], preface)).toContain("HTTP/1.1 400");
    expect(await answerOf(["http/1.1"], preface)).toContain("HTTP/1.1 400");
    expect(await answerOf(["h2"], "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")).not.toContain("HTTP/1.1");
    expect(await failure({ ALPNProtocols: ["spdy/3"] })).toContain("alert no application protocol");
  });

  it("closes a connection in plaintext, and serves the next", async () => {
    await start();
    for (const sent of [
      "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "\x16\x03\x01\xff",
    ]) {
      const socket = await tcp();
      socket.end(sent);
      expect(await text(socket)).not.toContain("HTTP");
    }
    expect(await overHttp2()).toMatchObject({ version: "2.0" });
  });

  it("limits frames, as in plaintext", async () => {
    await start();
    const socket = await handshake({ ALPNProtocols: ["h2"] });
    socket.write(PREFACE);
    await once(socket, "readable");
    // PRIORITY with five bytes, on stream 1.
    const priority = Buffer.from("0000050200000000010000000000", "hex");
    socket.write(Buffer.concat(Array<Buffer>(CONTROL_FRAMES_BURST).fill(priority)));
    // GOAWAY with eight bytes, on stream 0.
    const goaway = Buffer.from("0000080700000000000000000000000000", "hex");
    goaway[16] = constants.NGHTTP2_ENHANCE_YOUR_CALM;
    expect((await buffer(socket)).includes(goaway)).toBe(true);
  });
});

describe("the time until the first bytes", () => {
  const SILENT: readonly (readonly [string, () => Promise<Socket>])[] = [
    ["sends nothing", tcp],
    [
      "stops in the middle of the handshake",
      async () => {
        const socket = await tcp();
        const hello = await clientHello();
        socket.write(hello.subarray(0, hello.length / 2));
        return socket;
      },
    ],
    ["sends nothing after the handshake", () => handshake({ ALPNProtocols: ["h2"] })],
    [
      "sends half of the preface after the handshake",
      async () => {
        const socket = await handshake({ ALPNProtocols: ["h2"] });
        socket.write("PRI * HT");
        return socket;
      },
    ],
  ];

  it.each(SILENT)("is up for a client that %s", async (_, begin) => {
    await start();
    const socket = await begin();
    socket.resume();
    let isClosed = false;
    const closed = once(socket, "close").then(() => {
      isClosed = true;
    });
    await watched.isSet(FIRST_BYTE_MS);
    watched.clock.advance(FIRST_BYTE_MS - 1);
    expect(await overHttp1()).toMatchObject({ version: "1.1" });
    expect(isClosed).toBe(false);
    watched.clock.advance(1);
    await closed;
  });

  it("does not end a connection whose protocol is known", async () => {
    await start();
    const made = await session();
    watched.clock.advance(FIRST_BYTE_MS);
    expect(JSON.parse(await text(made.request({ ":path": "/" })))).toMatchObject({ version: "2.0" });
    made.destroy();
  });
});

describe("a port that asks for the certificates of clients", () => {
  const forged = other.issue("client");
  const expired = authority.issue("client", { isExpired: true });
  const clientCa = authority.cert;

  it.each(["TLSv1.2", "TLSv1.3"] as const)("serves only clients that have one, over %s", async (maxVersion) => {
    await start({ clientCa });
    expect(await failure({ ...client, maxVersion })).toBe("served");
    expect(await overHttp2({ ...client, maxVersion })).toMatchObject({ version: "2.0" });
    for (const refused of [{}, forged, expired]) expect(await failure({ ...refused, maxVersion })).not.toBe("served");
  });

  it("serves clients without one if it is optional, but none with one that is not valid", async () => {
    await start({ clientCa, clientAuth: "optional" });
    for (const served of [{}, client]) expect(await failure(served)).toBe("served");
    for (const refused of [forged, expired]) expect(await failure(refused)).not.toBe("served");
  });

  it("does not ask if no authority is given", async () => {
    await start();
    for (const served of [{}, client, forged]) expect(await failure(served)).toBe("served");
  });
});

describe("connections with TLS", () => {
  it("are pinged, and closed if the client does not answer", async () => {
    await start();
    const made = await session();
    let pings = 0;
    made.on("ping", () => {
      pings += 1;
    });
    const socket = await handshake({ ALPNProtocols: ["h2"] });
    // This client answers no ping.
    socket.write(PREFACE);
    await once(socket.resume(), "data");
    await watched.isSet(PING_INTERVAL_MS, 2);
    const closed = once(socket, "close");
    watched.clock.advance(PING_INTERVAL_MS);
    await until(() => pings === 1);
    watched.clock.advance(PING_TIMEOUT_MS);
    await closed;
    expect(JSON.parse(await text(made.request({ ":path": "/" })))).toMatchObject({ version: "2.0" });
    made.destroy();
  });

  it("finish their calls when the port closes, and are closed then", async () => {
    await start();
    const made = await session();
    const overHttp2 = text(made.request({ ":path": "/slow" }));
    const agent = new Agent({ keepAlive: true });
    const asked = request({ ...options(), agent, path: "/slow" }).end();
    await until(() => released.length === 2);
    const shaking = await tcp();
    const silent = await handshake({ ALPNProtocols: ["h2"] });
    await watched.isSet(FIRST_BYTE_MS, 4);
    const gone = Promise.all([shaking, silent].map((socket) => once(socket.resume(), "close")));
    const goaway = once(made, "goaway");
    const closed = port.close();
    await gone;
    await goaway;
    for (const release of released.splice(0)) release();
    const [response] = await once(asked, "response");
    expect(JSON.parse(await overHttp2)).toMatchObject({ version: "2.0" });
    expect(JSON.parse(await text(response))).toMatchObject({ version: "1.1" });
    expect(response.headers.connection).toBe("close");
    await closed;
  });

  it("are all closed at once when the port is destroyed", async () => {
    await start();
    const made = await session();
    const sockets = [await tcp(), await handshake({ ALPNProtocols: ["h2"] }), await handshake(), made.socket];
    await watched.isSet(FIRST_BYTE_MS, 4);
    const gone = Promise.all([
      ...sockets.slice(0, 3).map((socket) => once((socket as Socket).resume(), "close")),
      once(made, "close"),
    ]);
    port.destroy();
    await gone;
  });
});

describe("certificates that cannot be used", () => {
  it.each([
    ["a certificate that is not PEM", { cert: "no" }],
    ["a key that is not PEM", { key: "no" }],
    ["a key of another certificate", { key: client.key }],
    ["authorities that are not PEM", { clientCa: "no" }],
    ["client certificates without an authority", { clientAuth: "required" as const }],
  ])("are refused at once: %s", async (_, tls) => {
    await expect(start(tls)).rejects.toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field: "tls" } });
  });
});
