import { once } from "node:events";
import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http";
import { type ClientHttp2Stream, connect, type IncomingHttpHeaders } from "node:http2";
import { describe, expect, it } from "vitest";
import { createEngine } from "../../src/core/index.ts";
import { startServer } from "../../src/server/server.ts";
import { MAX_REFUSED_REQUEST_MS } from "../../src/server/transport/limits.ts";
import { watchedClock } from "../support/clocks.ts";
import { until } from "../support/until.ts";

it("a connection that continues after a refused stream is not cut later, in the middle of another call", async () => {
  const { clock, timers } = watchedClock();
  const engine = await createEngine({ modulesRoot: `${import.meta.dirname}/../fixtures/modules` });
  const server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "", log() {}, clock });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const localPorts = new Set<number | undefined>();
  /** Begins a request for a watch. */
  const begin = (type: string): { readonly sent: ClientRequest; answered(): Promise<IncomingMessage> } => {
    const path = "/helios.v1.FlagService/WatchFlags";
    const sent = request({ agent, port: server.port, path, method: "POST", headers: { "content-type": type } });
    sent.write(Buffer.concat([Buffer.from([0, 0, 0, 0, 2]), Buffer.from("{}")]));
    const answered = async (): Promise<IncomingMessage> => {
      const [answer] = (await once(sent, "response")) as [IncomingMessage];
      localPorts.add(answer.socket.localPort);
      return answer;
    };
    return { sent, answered };
  };

  const refused = begin("text/plain");
  const refusal = await refused.answered();
  expect(refusal.statusCode).toBe(415);
  expect(Buffer.concat(await refusal.toArray()).toString()).toContain("HTTP_MEDIA_TYPE_UNSUPPORTED");
  // The service reads the rest of a refused request for a limited time. The end of the request ends that.
  const waiting = timers();
  refused.sent.end();
  await until(() => timers() === waiting - 1);

  const watch = begin("application/connect+json");
  watch.sent.end();
  const answer = await watch.answered();
  await once(answer, "data");
  expect(localPorts.size).toBe(1);
  // All timers that the earlier call has left are due now.
  const cut = once(answer, "close").then(
    () => "cut",
    () => "cut",
  );
  clock.advance(10_000);
  const open = once(answer, "data").then(() => "open");
  await engine.flags.create("later", {});
  expect(await Promise.race([cut, open])).toBe("open");
  agent.destroy();
  await server.drain();
  await engine.close();
});

describe("a refused request over HTTP/2", () => {
  /** More than a message may have, and more than a client may send before the server has read some of it. */
  const TOO_LARGE = 8 * 1024 * 1024;

  /** Begins a call whose message is too large, and resolves when the server has refused it. */
  async function refused(): Promise<{
    readonly stream: ClientHttp2Stream;
    readonly written: Promise<unknown>;
    readonly trailers: IncomingHttpHeaders;
    advance(ms: number): void;
    [Symbol.asyncDispose](): Promise<void>;
  }> {
    const { clock } = watchedClock();
    const engine = await createEngine({ modulesRoot: `${import.meta.dirname}/../fixtures/modules` });
    const server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "", log() {}, clock });
    const session = connect(server.url);
    const path = "/helios.v1.FlagService/WatchFlags";
    const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc" });
    const head = Buffer.alloc(5);
    head.writeUInt32BE(TOO_LARGE, 1);
    const written = new Promise((resolve) => stream.write(Buffer.concat([head, Buffer.alloc(TOO_LARGE)]), resolve));
    const [trailers] = (await once(stream.resume(), "trailers")) as [IncomingHttpHeaders];
    return {
      stream,
      written,
      trailers,
      advance: (ms) => clock.advance(ms),
      async [Symbol.asyncDispose]() {
        session.destroy();
        await server.drain();
        await engine.close();
      },
    };
  }

  it("is read to its end, because some clients read the refusal only when they have sent everything", async () => {
    await using call = await refused();
    expect(call.trailers["grpc-status"]).toBe("8");
    await call.written;
    const closed = once(call.stream, "close");
    call.stream.end();
    await closed;
    expect(call.stream.rstCode).toBe(0);
  });

  it("is cut without an error if it does not end in time", async () => {
    await using call = await refused();
    await call.written;
    const closed = once(call.stream, "close");
    call.advance(MAX_REFUSED_REQUEST_MS);
    await closed;
    expect(call.stream.rstCode).toBe(0);
  });
});
