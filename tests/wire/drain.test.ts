import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { createHeliosClient, errorInfo, type HeliosClient, invoke } from "../../clients/typescript/src/index.ts";
import { type OwnServer, startOwnServer } from "../../scripts/demo/server.ts";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { soakUnless } from "../support/soak.ts";
import { until } from "../support/until.ts";

const ROOT = join(import.meta.dirname, "../fixtures/modules");

describe("a server that shuts down", () => {
  let engine: Engine;
  let server: Server;
  let client: HeliosClient;

  async function startWithGate(graceMs: number): Promise<void> {
    engine = await createEngine({ modulesRoot: ROOT });
    await engine.modules.register("gated", { modulePath: "gated" });
    await engine.modules.load("gated");
    server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "test", log: () => {}, graceMs });
    client = createHeliosClient({ baseUrl: server.url });
  }

  /** A call that is running in the module. */
  async function callUnderWay(): Promise<{ readonly outcome: Promise<unknown> }> {
    const outcome = invoke(client, "gated", "wait").then(
      ({ output }) => output,
      (error: unknown) => errorInfo(error)?.reason,
    );
    await until(() => engine.modules.inFlight("gated") !== 0);
    return { outcome };
  }

  afterEach(async () => {
    client.close();
    await engine.close();
  });

  it("lets calls under way finish, and accepts no new connection", async () => {
    await startWithGate(10_000);
    const { outcome } = await callUnderWay();
    const drained = server.drain();
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
    await engine.modules.invoke("gated", "open", { json: null });
    expect(await outcome).toBe("opened");
    await drained;
  });

  it("does not wait for a connection that has not shown its protocol", async () => {
    await startWithGate(600_000);
    const sockets = ["", "PRI * HTTP"].map((start) => {
      const socket = connect(server.port, "127.0.0.1", () => socket.write(start));
      return socket.on("error", () => {});
    });
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    // The answer over another connection shows that the server has accepted the earlier ones.
    await client.status.getStatus({});
    await server.drain();
    await Promise.all(sockets.map((socket) => socket.closed || once(socket, "close")));
  });

  it("ends calls that outlast the grace period with SERVER_DRAINING", async () => {
    await startWithGate(50);
    const { outcome } = await callUnderWay();
    await server.drain();
    expect(await outcome).toBe("SERVER_DRAINING");
  });

  it("closes an HTTP/1.1 connection as soon as its call has ended, and an idle one at once", async () => {
    await startWithGate(600_000);
    const agent = new Agent({ keepAlive: true });
    const call = (method: string): Promise<IncomingMessage> => {
      const path = `/api/modularity/modules/gated/invoke/${method}`;
      const sent = request({ agent, port: server.port, path, method: "POST" });
      sent.end("{}");
      return once(sent, "response").then(([response]) => response as IncomingMessage);
    };
    const idle = await call("open").then((response) => response.resume());
    await once(idle, "end");
    await engine.modules.unload("gated");
    await engine.modules.load("gated");
    const waiting = call("wait");
    const stream = await fetch(`${server.url}/api/modularity/feature-flags/watch`);
    await until(() => engine.modules.inFlight("gated") !== 0);
    const drained = server.drain();
    expect(await stream.text()).toContain("SERVER_DRAINING");
    await engine.modules.invoke("gated", "open", { json: null });
    expect((await waiting).headers.connection).toBe("close");
    await drained;
    agent.destroy();
  });

  it.each(["grpc", "grpc-web", "connect"] as const)(
    "refuses calls on open connections with a reason that clients retry: %s",
    async (protocol) => {
      await startWithGate(600_000);
      const { outcome } = await callUnderWay();
      const other = createHeliosClient({ baseUrl: server.url, protocol });
      await other.flags.listFlags({});
      const calls = 20;
      const refusals: unknown[] = [];
      const refuse = (): Promise<void> =>
        other.flags.listFlags({}).then(
          () => {},
          (error: unknown) => void refusals.push(error),
        );
      const drained = server.drain();
      await Promise.all(Array.from({ length: calls }, refuse));
      expect(refusals).toHaveLength(calls);
      expect(refusals.map((error) => Code[ConnectError.from(error).code])).toEqual(Array(calls).fill("Unavailable"));
      expect(errorInfo(refusals[0])).toMatchObject({ reason: "SERVER_DRAINING", retryAfterMs: 1000 });
      await engine.modules.invoke("gated", "open", { json: null });
      expect(await outcome).toBe("opened");
      await drained;
      other.close();
    },
  );

  it("refuses a REST call with 503 and a Retry-After header, and closes its connection", async () => {
    await startWithGate(600_000);
    const { outcome } = await callUnderWay();
    const socket = connect(server.port, "127.0.0.1").setEncoding("utf8");
    const ask = "GET /api/modularity/feature-flags HTTP/1.1\r\nhost: a\r\n";
    // The request has begun, and ends while the server drains.
    socket.write(ask);
    await client.status.getStatus({});
    const drained = server.drain();
    socket.write("\r\n");
    const chunks = await socket.toArray();
    expect(chunks.join("")).toMatch(/^HTTP\/1\.1 503 [\s\S]*connection: close[\s\S]*SERVER_DRAINING/i);
    expect(chunks.join("")).toMatch(/retry-after: 1/i);
    await engine.modules.invoke("gated", "open", { json: null });
    await outcome;
    await drained;
  });
});

describe("the process of the service", () => {
  let own: OwnServer | undefined;
  afterEach(() => own?.stop());

  it("exits with 0 on SIGTERM while a watch is open and a module runs, and restores the module at the next start", async () => {
    const directory = mkdtempSync(join(tmpdir(), "helios-term-"));
    const flags = ["--modules-root", ROOT, "--data-dir", directory, "--log-level", "silent"];
    own = await startOwnServer(flags);
    const client = createHeliosClient({ baseUrl: own.baseUrl });
    await client.modules.registerModule({ name: "echo", modulePath: "echo" });
    await client.modules.loadModule({ name: "echo" });
    const watch = client.modules.watchModules({})[Symbol.asyncIterator]();
    await watch.next();
    own.process.kill("SIGTERM");
    const [code] = await once(own.process, "exit");
    expect(code).toBe(0);
    expect(errorInfo(await watch.next().catch((error: unknown) => error))?.reason).toBe("SERVER_DRAINING");
    client.close();

    own = await startOwnServer(flags);
    const again = createHeliosClient({ baseUrl: own.baseUrl });
    expect((await invoke(again, "echo", "echo", 42)).output).toBe(42);
    again.close();
    rmSync(directory, { recursive: true, force: true });
  });

  for (const flag of ["--flags-file", "--modules-file"]) {
    it(`does not start if ${flag} names a missing file`, soakUnless(flag === "--flags-file"), async () => {
      const starting = startOwnServer([flag, join(tmpdir(), "helios-no-such-file.json"), "--modules-root", ROOT]);
      await expect(starting).rejects.toThrow("exit code 2");
    });
  }

  for (const [kind, text, flag] of [
    ["flags", '{"a": {"enabled": "yes"}}', "--flags-file"],
    ["modules", '{"a": {"module_pth": "x"}}', "--modules-file"],
  ] as const) {
    it(`does not start with a broken ${kind} file, and names the place`, soakUnless(kind === "modules"), async () => {
      const directory = mkdtempSync(join(tmpdir(), "helios-broken-"));
      const file = join(directory, `${kind}.json`);
      writeFileSync(file, text);
      const starting = startOwnServer([flag, file, "--modules-root", ROOT]);
      await expect(starting).rejects.toThrow("exit code 1");
      rmSync(directory, { recursive: true, force: true });
    });
  }
});
