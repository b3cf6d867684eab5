import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { ModuleService } from "../../gen/helios/v1/module_service_pb.ts";
import { systemClock } from "../../src/core/index.ts";
import { createModuleService } from "../../src/server/services/module.ts";
import { rig } from "../core/modules/rig.ts";

/** A caller of a swap that stays in its warm-up until the test releases it. */
async function swapping() {
  const engine = await rig();
  await engine.load("echo_v1", {}, "echo");
  const warming = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  let warmed = 0;
  engine.modules.addReloadHook("echo", () => {
    warmed += 1;
    warming.resolve();
    return release.promise;
  });
  const service = createModuleService({
    modules: engine.modules,
    trials: engine.testing,
    clock: systemClock,
    newId: () => crypto.randomUUID(),
  });
  const transport = createRouterTransport((router) => router.service(ModuleService, service));
  const caller = new AbortController();
  return {
    ...engine,
    client: createClient(ModuleService, transport),
    caller,
    warming: warming.promise,
    release,
    warmed: () => warmed,
  };
}

const request = { name: "echo", newVersionPath: "echo_v2", swapId: "deploy" };

describe("a swap continues when its caller leaves", () => {
  it("if the caller waited for the outcome", async () => {
    const { client, caller, warming, release, warmed, modules } = await swapping();
    const swapped = client.swapModule(request, { signal: caller.signal }).catch(ConnectError.from);
    await warming;
    caller.abort();
    expect(await swapped).toMatchObject({ code: Code.Canceled });
    release.resolve();
    expect(await client.swapModule(request)).toMatchObject({ swapped: true, swapId: "deploy" });
    expect([warmed(), modules.get("echo").record.generation]).toEqual([1, 2]);
  });

  it("if the caller followed its steps", async () => {
    const { client, caller, warming, release, warmed, modules } = await swapping();
    const follow = async (): Promise<void> => {
      for await (const _ of client.swapModuleStream(request, { signal: caller.signal }));
    };
    const followed = follow().catch(ConnectError.from);
    await warming;
    caller.abort();
    expect(await followed).toMatchObject({ code: Code.Canceled });
    release.resolve();
    const again: unknown[] = [];
    for await (const { event } of client.swapModuleStream(request)) again.push(event);
    expect(again.at(-1)).toMatchObject({ case: "result", value: { swapped: true, swapId: "deploy" } });
    expect([warmed(), modules.get("echo").record.generation]).toEqual([1, 2]);
  });
});
