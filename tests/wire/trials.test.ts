import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHeliosClient, errorInfo, type HeliosClient } from "../../clients/typescript/src/index.ts";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { childrenOf } from "../core/modules/processes.ts";
import { ROOT } from "../core/modules/rig.ts";
import { until } from "../support/until.ts";

let engine: Engine;
let server: Server;
let client: HeliosClient;

beforeEach(async () => {
  engine = await createEngine({ modulesRoot: ROOT });
  await engine.modules.register("echo", { modulePath: "echo_v1" });
  server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "1", log: () => {}, graceMs: 50 });
  client = createHeliosClient({ baseUrl: server.url });
});
afterEach(async () => {
  client.close();
  await server.drain();
  await engine.close();
});

async function ask(method: string, path: string, body?: unknown) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(`${server.url}/api/modularity/${path}`, { method, ...sent });
  return { status: response.status, body: (await response.json()) as never };
}

async function open(request: unknown): Promise<{ readonly id: string; readonly artifact: string }> {
  const { status, body } = await ask("POST", "trials", request);
  expect(status).toBe(200);
  return (body as { trial: { id: string; artifact: string } }).trial;
}

/** The reason with which a call that never ends by itself is answered. */
const held = (trial: string): Promise<string | undefined> =>
  client.modules.invokeModule({ trial, method: "hold" }).then(
    () => "answered",
    (error: unknown) => errorInfo(error)?.reason,
  );

describe("a trial over REST", () => {
  it("is opened, called with and without its module's name, reported and closed", async () => {
    const { id, artifact } = await open({ name: "echo", ttl: "60s" });
    const answer = { json: { x: 1 }, version: "1.0.0", generation: 0, answered_by: "echo" };
    const call = { json: { x: 1 } };
    expect((await ask("POST", `trials/${id}/invoke/echo`, call)).body).toMatchObject(answer);
    expect((await ask("POST", "modules/echo/invoke/echo", { ...call, trial: id })).body).toMatchObject(answer);
    expect(await ask("POST", "modules/other/invoke/echo", { ...call, trial: id })).toMatchObject({
      status: 400,
      body: { error: { reason: "ARGUMENT_INVALID", metadata: { field: "name" } } },
    });
    const tests = [{ name: "answers", outcome: "passed", required: true, duration: "0.002s", output: { x: 1 } }];
    const report = await ask("POST", `trials/${id}/test-runs`, { tests, actor: "ana" });
    const run = { module: "echo", artifact, passed: true, trial: id, reported_by: "ana", tests: [{ reported: true }] };
    expect(report).toMatchObject({ status: 200, body: { run } });
    expect((await ask("GET", "modules/echo/test-history")).body).toMatchObject({ runs: [run] });
    expect((await ask("DELETE", `trials/${id}`)).body).toMatchObject({ trial: { id, name: "echo" } });
    const gone = { status: 404, body: { error: { reason: "TRIAL_NOT_FOUND" } } };
    expect(await ask("DELETE", `trials/${id}`)).toMatchObject(gone);
    expect(await ask("POST", `trials/${id}/invoke/echo`, call)).toMatchObject(gone);
  });

  it("is refused with what no trial can have", async () => {
    const refused = (reason: string) => ({ body: { error: { reason } } });
    expect(await ask("POST", "trials", {})).toMatchObject(refused("ARGUMENT_INVALID"));
    expect(await ask("POST", "trials", { name: "echo", ttl: "-1s" })).toMatchObject(refused("ARGUMENT_INVALID"));
    const stubs = { gateway: { order: "x".repeat(10_000_000) } };
    expect(await ask("POST", "trials", { name: "echo", stubs })).toMatchObject(refused("HTTP_BODY_TOO_LARGE"));
    expect(await ask("POST", "trials", { module_path: "../../../etc/passwd" })).toMatchObject(
      refused("MODULE_PATH_OUTSIDE_ROOT"),
    );
  });
});

describe("a trial", () => {
  it("is not opened for a caller who has left", async () => {
    // From the first instance on, a process looks after all of them.
    const { id } = await open({ name: "echo" });
    const before = childrenOf(process.pid);
    const caller = new AbortController();
    const opening = client.tests.openTrial({ modulePath: "hangs_on_start" }, { signal: caller.signal });
    await until(() => childrenOf(process.pid).length > before.length);
    caller.abort();
    await expect(opening).rejects.toThrow();
    await until(() => childrenOf(process.pid).every((pid) => before.includes(pid)));
    await client.modules.invokeModule({ trial: id, method: "echo" });
  });

  it("ends when the service shuts down, after its calls have had their time", async () => {
    // From the first instance on, a process looks after all of them, also after those of other tests.
    await open({ name: "echo" });
    const before = childrenOf(process.pid);
    const { id } = await open({ name: "echo" });
    const its = childrenOf(process.pid).filter((pid) => !before.includes(pid));
    expect(its).toHaveLength(1);
    const calling = held(id);
    // The next answer of the instance comes after it has received the call that it holds.
    await client.modules.invokeModule({ trial: id, method: "aborted" });
    await server.drain();
    expect(await calling).toBe("SERVER_DRAINING");
    await engine.close();
    await until(() => !childrenOf(process.pid).some((pid) => its.includes(pid)));
  });

  it("may be closed by another caller while a call is in progress", async () => {
    const { id } = await open({ name: "echo" });
    const calling = held(id);
    await client.modules.invokeModule({ trial: id, method: "aborted" });
    await client.tests.closeTrial({ id });
    expect(await calling).toBe("MODULE_CRASHED");
  });
});
