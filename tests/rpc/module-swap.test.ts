import { describe, expect, it } from "vitest";
import { invoke } from "../../clients/typescript/src/index.ts";
import { CanaryVerdict, GenerationState, ModuleState } from "../../gen/helios/v1/module_pb.ts";
import { until } from "../support/until.ts";
import { failure, serve } from "./module-rig.ts";

const echo = { name: "echo", modulePath: "echo_v1" };

async function serving() {
  const { client, engine } = await serve();
  await client.registerModule({ ...echo, pureMethods: ["echo"] });
  await client.loadModule({ name: "echo" });
  return { client, engine };
}

describe("ModuleService", () => {
  it("streams a swap: its beginning, each step as it starts and ends, its outcome", async () => {
    const { client } = await serving();
    const events: string[] = [];
    let outcome: unknown;
    for await (const { event } of client.swapModuleStream({ name: "echo", newVersionPath: "echo_v2", swapId: "s" })) {
      if (event.case === "begun") events.push(`begun ${event.value.swapId}`);
      if (event.case === "stepStarted") events.push(`${event.value.name} ${event.value.deadline?.seconds ?? "-"}`);
      if (event.case === "stepEnded") events.push(`${event.value.name} ${event.value.outcome}`);
      if (event.case === "result") outcome = event.value;
    }
    expect(events).toEqual([
      "begun s",
      ...["verify 15", "verify done", "start 10", "start done", "health skipped", "gate skipped", "warm_up skipped"],
      ...["hand_over skipped", "commit -", "commit done", "drain 31", "drain done", "stop 5", "stop done"],
    ]);
    expect(outcome).toMatchObject({ swapped: true, swapId: "s", unchanged: false, module: { version: "2.0.0" } });
  });

  it("reports an error of a streamed swap like that of a plain one", async () => {
    const { client } = await serving();
    const read = async (request: object): Promise<void> => {
      for await (const _ of client.swapModuleStream({ name: "echo", ...request }));
    };
    expect(await failure(read({ newVersionPath: "nothing" }))).toMatchObject({
      code: "InvalidArgument",
      reason: "MODULE_FILE_NOT_FOUND",
    });
    expect(await failure(read({ expectedGeneration: 9 }))).toMatchObject({
      code: "Aborted",
      reason: "MODULE_GENERATION_MISMATCH",
      metadata: { name: "echo", expected: "9", actual: "1" },
    });
  });

  it("rolls back once for a request_id, even if the service ended before it had stored its answer", async () => {
    const { client, engine } = await serving();
    for (const depth of [1, 2]) await client.swapModule({ name: "echo", config: { depth } });
    const request = { name: "echo", requestId: "3F2B8C1E-0000-4000-8000-ABCDEFABCDEF" };
    const first = await client.rollbackModule(request);
    expect(first).toMatchObject({ swapped: true, module: { generation: 4, config: { depth: 1 } } });
    await engine.store.answers.forget(request.requestId.toLowerCase());
    const again = await client.rollbackModule({ ...request, requestId: request.requestId.toLowerCase() });
    expect(again).toMatchObject({
      swapped: true,
      swapId: first.swapId,
      module: { generation: 4, config: { depth: 1 } },
    });
  });

  it("swaps once, and repeats the outcome or says that there is nothing to do", async () => {
    const { client } = await serving();
    const request = { name: "echo", newVersionPath: "echo_v2", swapId: "deploy-1" };
    const first = await client.swapModule(request);
    const second = await client.swapModule(request);
    expect(second.steps).toEqual(first.steps);
    expect(second.module?.generation).toBe(2);
    expect(await client.swapModule({ name: "echo" })).toMatchObject({ swapped: true, unchanged: true });
    expect(await failure(client.swapModule({ ...request, force: true }))).toMatchObject({
      code: "InvalidArgument",
      reason: "SWAP_ID_REUSED",
    });
  });

  it("swaps with another configuration, rolls back, and lists the generations", async () => {
    const { client } = await serving();
    await client.swapModule({ name: "echo", newVersionPath: "echo_v2", config: { depth: 2 } });
    const back = await client.rollbackModule({ name: "echo", actor: "ana", reason: "odd prices" });
    expect(back).toMatchObject({ swapped: true, module: { version: "1.0.0", generation: 3, config: {} } });
    const { generations } = await client.listGenerations({ name: "echo", pageSize: 2 });
    expect(generations).toMatchObject([
      { number: 3, state: GenerationState.CURRENT, version: "1.0.0", configVersion: 1, modulePath: "echo_v1" },
      { number: 2, state: GenerationState.RETIRED, version: "2.0.0", configVersion: 2, end: "replaced" },
    ]);
    expect(generations[0]?.artifact).toMatch(/^[0-9a-f]{64}$/);
    const page = await client.listGenerations({ name: "echo", pageSize: 2 });
    const rest = await client.listGenerations({ name: "echo", pageSize: 2, pageToken: page.nextPageToken });
    expect(rest).toMatchObject({ generations: [{ number: 1, state: GenerationState.RETIRED }], nextPageToken: "" });
    expect(await failure(client.rollbackModule({ name: "echo", generation: 9 }))).toMatchObject({
      code: "NotFound",
      reason: "GENERATION_NOT_FOUND",
    });
  });

  it("swaps several modules, all or none", async () => {
    const { client } = await serving();
    await client.registerModule({ name: "caller", modulePath: "caller", dependencies: ["echo"] });
    await client.loadModule({ name: "caller" });
    const failed = await client.swapModules({
      modules: [
        { name: "echo", newVersionPath: "echo_v2" },
        { name: "caller", newVersionPath: "throws_on_start" },
      ],
    });
    expect(failed.swapped).toBe(false);
    expect(failed.results).toMatchObject([
      { module: { name: "echo", version: "1.0.0" }, swapped: false, failedStep: "start" },
      { module: { name: "caller", state: ModuleState.ACTIVE }, swapped: false, failedStep: "start" },
    ]);
    const done = await client.swapModules({
      modules: [
        { name: "echo", newVersionPath: "echo_v2" },
        { name: "caller", newVersionPath: "stateful_caller" },
      ],
      swapId: "both",
    });
    expect(done).toMatchObject({ swapped: true, swapId: "both", results: [{ swapped: true }, { swapped: true }] });
    expect(await failure(client.swapModules({ modules: [] }))).toMatchObject({ code: "InvalidArgument" });
  });

  it("shows a trial, which cannot be cancelled but can be rolled back", async () => {
    const { client } = await serving();
    const trial = client.swapModule({ name: "echo", newVersionPath: "echo_v2", bakeDuration: { seconds: 3600n } });
    const shown = async () => (await client.getModule({ name: "echo" })).module;
    await until(async () => (await shown())?.bakeUntil !== undefined);
    expect((await shown())?.swapId).not.toBe("");
    expect(await failure(client.cancelSwap({ name: "echo" }))).toMatchObject({
      code: "FailedPrecondition",
      reason: "SWAP_COMMITTED",
    });
    expect(await client.rollbackModule({ name: "echo" })).toMatchObject({ swapped: true, module: { generation: 1 } });
    expect(await trial).toMatchObject({ swapped: false, failedStep: "bake" });
    expect(await shown()).toMatchObject({ swapId: "", version: "1.0.0" });
    expect(await failure(client.cancelSwap({ name: "echo" }))).toMatchObject({
      code: "NotFound",
      reason: "SWAP_NOT_FOUND",
    });
  });

  it("cancels a swap that waits for calls to its shadow", async () => {
    const { client } = await serving();
    const swapped = client.swapModule({ name: "echo", newVersionPath: "echo_v2", shadow: { percentage: 10 } });
    await until(async () => (await client.getModule({ name: "echo" })).module?.swapId !== "");
    const { report, module } = await client.cancelSwap({ name: "echo", reason: "enough" });
    expect(report).toMatchObject({ swapped: false, failure: "it was cancelled: enough" });
    expect(module).toMatchObject({ version: "1.0.0", state: ModuleState.ACTIVE });
    expect(await swapped).toMatchObject({ swapped: false });
  });

  it("routes callers to a canary by their key, and reports the figures of both versions", async () => {
    const { client } = await serving();
    const swapped = client.swapModule({
      name: "echo",
      newVersionPath: "echo_v2",
      canary: { percentage: 50, minCalls: 10 },
    });
    const call = (routingKey: string) => client.invokeModule({ name: "echo", method: "echo", routingKey });
    const versions = new Set<string>();
    for (let key = 0; versions.size < 2; key += 1) versions.add((await call(`session-${key}`)).version);
    expect((await call("")).version).toBe("1.0.0");
    for (let key = 0; (await call("")).version !== "2.0.0"; key += 1) await call(`session-${key}`);
    const { canary, steps } = await swapped;
    expect(canary?.candidate?.calls).toBeGreaterThanOrEqual(10);
    expect(canary?.current?.calls).toBeGreaterThanOrEqual(1);
    expect(canary?.verdict).toBe(CanaryVerdict.PASSED);
    expect(steps.find(({ name }) => name === "canary")?.outcome).toBe("done");
    expect((await invoke({ modules: client } as never, "echo", "echo", 1, { routingKey: "x" })).version).toBe("2.0.0");
  });
});
