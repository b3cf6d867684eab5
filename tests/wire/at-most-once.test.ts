import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  createHeliosClient,
  errorInfo,
  type HeliosClient,
  type HeliosClientOptions,
  type InvokeOptions,
  invoke,
} from "../../clients/typescript/src/index.ts";
import { Isolation } from "../../gen/helios/v1/module_pb.ts";
import { type OwnServer, startOwnServer } from "../../scripts/demo/server.ts";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { ORDERS_ROOT, ordersFields, ownLedger } from "../core/modules/orders-rig.ts";
import { describeInEach } from "../support/isolations.ts";
import { SOAK, soakUnless } from "../support/soak.ts";
import { until } from "../support/until.ts";

/** The outcome of a call: its output, or the reason of its failure. */
async function outcomeOf(call: Promise<{ readonly output: unknown }>): Promise<unknown> {
  return call.then(
    ({ output }) => output,
    (error: unknown) => errorInfo(error)?.reason ?? String(error),
  );
}

describeInEach("a call with a key to a module in a %s", (isolation) => {
  let engine: Engine;
  let server: Server;
  let client: HeliosClient;
  let names = 0;

  beforeAll(async () => {
    engine = await createEngine({ modulesRoot: ORDERS_ROOT });
    server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "1", log: () => {} });
    client = createHeliosClient({ baseUrl: server.url });
  });
  afterAll(async () => {
    client.close();
    await server.drain();
    await engine.close();
  });

  async function orders() {
    const { file, read } = await ownLedger();
    names += 1;
    const name = `orders${names}`;
    const gate = `${file}.gate`;
    const grants = { fsWrite: [file], fsRead: [gate] };
    await engine.modules.register(name, { modulePath: "orders", isolation, ...ordersFields(file), grants });
    await engine.modules.load(name);
    const released = async (id: string): Promise<void> => {
      await until(async () => ((await invoke(client, name, "held")).output as string[]).length !== 0);
      await invoke(client, name, "release", id);
    };
    return { name, gate, ledger: read, released };
  }

  it("a call with a deadline of 200 ms for a method of 600 ms places its order once, however often it is sent", async () => {
    const { name, gate, ledger } = await orders();
    const send = (options: InvokeOptions) =>
      outcomeOf(invoke(client, name, "place_when", { id: "a", gate }, { idempotencyKey: "k", ...options }));
    const began = performance.now();
    expect(await send({ timeoutMs: 200 })).not.toBe("a");
    expect(await send({ timeoutMs: 20 })).not.toBe("a");
    const patient = Promise.all([send({}), send({ timeoutMs: 60_000 })]);
    // The method ends by this file, so that no deadline before expires too late on a busy machine.
    await until(() => performance.now() - began >= 600);
    await writeFile(gate, "");
    expect(await patient).toEqual(["a", "a"]);
    expect(await send({})).toBe("a");
    expect(await ledger()).toEqual(["a"]);
  });

  const clients: Record<string, Omit<HeliosClientOptions, "baseUrl">> = {
    gRPC: { protocol: "grpc" },
    "gRPC-Web over HTTP/1.1": { protocol: "grpc-web", httpVersion: "1.1" },
    Connect: { protocol: "connect" },
    "Connect over HTTP/1.1": { protocol: "connect", httpVersion: "1.1" },
  };
  for (const [kind, over] of Object.entries(clients)) {
    const options = soakUnless(kind === "gRPC");
    it(`continues when its caller gives up over ${kind}, by its deadline or by leaving`, options, async () => {
      const { name, ledger, released } = await orders();
      const own = createHeliosClient({ baseUrl: server.url, ...over });
      const leave = new AbortController();
      for (const [id, patience] of [
        ["a", { timeoutMs: 300 }],
        ["b", { signal: leave.signal }],
      ] as const) {
        const order = { id, ending: "hold" };
        const left = outcomeOf(invoke(own, name, "place", order, { idempotencyKey: id, ...patience }));
        if (id === "b") {
          await until(async () => (await ledger()).includes("b"));
          leave.abort();
        }
        expect(await left).not.toMatchObject({ placed: id });
        const again = outcomeOf(invoke(client, name, "place", order, { idempotencyKey: id }));
        await released(id);
        expect(await again).toMatchObject({ placed: id });
      }
      own.close();
      expect(await ledger()).toEqual(["a", "b"]);
    });
  }

  it("continues when its caller's connection breaks over REST", async () => {
    const { name, ledger, released } = await orders();
    const order = { id: "a", ending: "hold" };
    const body = JSON.stringify({ json: order, idempotency_key: "k" });
    const url = `${server.url}/api/modularity/modules/${name}/invoke/place`;
    const left = httpRequest(url, { method: "POST", headers: { "content-type": "application/json" } });
    left.on("error", () => {}).end(body);
    await until(async () => (await ledger()).length !== 0);
    left.destroy();
    const again = fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
    await released("a");
    expect(await (await again).json()).toMatchObject({ json: { placed: "a" } });
    expect(await ledger()).toEqual(["a"]);
  });

  it("repeats the error of its method", async () => {
    const { name, ledger } = await orders();
    const place = () => invoke(client, name, "place", { id: "a", ending: "throw" }, { idempotencyKey: "k" });
    const errors = [await place().catch(errorInfo), await place().catch(errorInfo)];
    expect(errors[0]).toMatchObject({ reason: "MODULE_METHOD_FAILED", metadata: { error: "the exchange refused a" } });
    expect(errors[1]).toEqual(errors[0]);
    expect(await ledger()).toEqual(["a"]);
  });
});

const KINDS = { in_process: Isolation.PROCESS, in_thread: Isolation.THREAD } as const;
type Kind = keyof typeof KINDS;
const each = <T>(work: (name: Kind) => Promise<T>): Promise<T[]> =>
  Promise.all((Object.keys(KINDS) as Kind[]).map((name) => work(name)));

describe("a service that ends while modules place orders", { ...SOAK, timeout: 120_000 }, () => {
  async function serving() {
    const { file, read } = await ownLedger();
    const gate = `${file}.gate`;
    const directory = await mkdtemp(join(tmpdir(), "helios-once-"));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    let server: OwnServer | undefined;
    let client: HeliosClient;
    const start = async (): Promise<void> => {
      server = await startOwnServer(["--data-dir", directory, "--modules-root", ORDERS_ROOT, "--log-level", "silent"]);
      client = createHeliosClient({ baseUrl: server.baseUrl });
    };
    const end = async (signal: NodeJS.Signals): Promise<void> => {
      if (server === undefined) return;
      const exited = once(server.process, "exit");
      server.process.kill(signal);
      await exited;
      client.close();
      await server.stop();
      server = undefined;
    };
    onTestFinished(() => end("SIGKILL"));
    await start();
    const fields = { modulePath: "orders", config: { file }, grants: { fsWrite: [file], fsRead: [gate] } };
    await each(async (name) => {
      await client.modules.registerModule({ name, ...fields, isolation: KINDS[name] });
      await client.modules.loadModule({ name });
    });
    /** An order that the module places for itself, named after the first. */
    const place = (name: Kind, id: string, more: object, options: InvokeOptions = {}, method = "place") =>
      invoke(client, name, method, { id: `${name} ${id}`, ...more }, { idempotencyKey: id, ...options });
    const inFlight = async (name: Kind): Promise<number> =>
      (await client.modules.getModule({ name })).module?.inFlight ?? 0;
    const answers = (): Promise<unknown> => client.status.getStatus({}).catch(() => undefined);
    return { gate, ledger: async () => [...(await read())].sort(), start, end, place, inFlight, answers };
  }

  it("a service that ends by kill -9 answers retries as unknown if it had not answered, else with the earlier answer", async () => {
    const { ledger, start, end, place } = await serving();
    const done = await each((name) => place(name, "a", {}));
    const held = { ending: "hold" };
    const cut = each((name) => outcomeOf(place(name, "b", held)));
    const placed = ["in_process a", "in_process b", "in_thread a", "in_thread b"];
    await until(async () => (await ledger()).length >= placed.length);
    await end("SIGKILL");
    await cut;
    await start();
    expect(await each((name) => place(name, "a", {}))).toEqual(done);
    for (let retry = 0; retry < 3; retry += 1) {
      const answers = await each((name) => place(name, "b", held).catch(errorInfo));
      const when = expect.stringMatching(/^20\d\d-.*Z$/);
      expect(answers).toMatchObject(
        Object.keys(KINDS).map((name) => ({
          reason: "IDEMPOTENCY_OUTCOME_UNKNOWN",
          metadata: { name, method: "place", key: "b", when },
        })),
      );
    }
    expect(await ledger()).toEqual(placed);
  });

  it("a service that ends by SIGTERM waits for orders whose callers have left, and answers their retries after its restart", async () => {
    const { gate, ledger, start, end, place, inFlight, answers } = await serving();
    const leave = new AbortController();
    const { signal } = leave;
    const left = each((name) => outcomeOf(place(name, "a", { gate }, { signal }, "place_when")));
    await until(async () => (await each(inFlight)).every((count) => count === 1));
    leave.abort();
    await left;
    const ended = end("SIGTERM");
    await until(async () => !(await answers()));
    expect(await ledger()).toEqual([]);
    await writeFile(gate, "");
    await ended;
    const placed = ["in_process a", "in_thread a"];
    expect(await ledger()).toEqual(placed);
    await start();
    expect(await each((name) => outcomeOf(place(name, "a", { gate }, {}, "place_when")))).toEqual(placed);
    expect(await ledger()).toEqual(placed);
  });
});
