import { describe, expect, it } from "vitest";
import { invoke } from "../../clients/typescript/src/index.ts";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { HealthState } from "../../gen/helios/v1/module_pb.ts";
import { heldStart } from "../core/modules/held-start.ts";
import { until } from "../support/until.ts";
import { failure, type ModuleClient, serve } from "./module-rig.ts";

const call = (client: ModuleClient, name: string, method: string, input: Parameters<typeof invoke>[3] = null) =>
  invoke({ modules: client } as never, name, method, input);

describe("the health of a module", () => {
  it("is part of GetModule, and of a watch when it changes", async () => {
    const { client } = await serve();
    await client.registerModule({ name: "m", modulePath: "moody", healthInterval: { nanos: 100_000_000 } });
    expect((await client.getModule({ name: "m" })).module?.health).toBeUndefined();
    const { module } = await client.loadModule({ name: "m" });
    expect(module).toMatchObject({
      healthInterval: { nanos: 100_000_000 },
      health: { state: HealthState.HEALTHY, message: "" },
    });
    const stop = new AbortController();
    const frames = client.watchModules({ names: ["m"] }, { signal: stop.signal })[Symbol.asyncIterator]();
    /** The health in the next change. */
    const nextChange = async () => {
      for (;;) {
        const { value } = await frames.next();
        if (value?.frame.case !== "changes") continue;
        const [{ change, cause } = {}] = value.frame.value.changes;
        return { action: cause?.action, health: change?.case === "put" ? change.value.health : undefined };
      }
    };
    await call(client, "m", "fall", { ill: "no feed" });
    expect(await nextChange()).toMatchObject({
      action: "Unhealthy",
      health: { state: HealthState.UNHEALTHY, message: "no feed" },
    });
    const { health } = (await client.getModule({ name: "m" })).module ?? {};
    expect(health?.checkTime?.seconds).toBeGreaterThanOrEqual(health?.since?.seconds ?? 0n);
    await call(client, "m", "fall", { ill: "" });
    expect(await nextChange()).toMatchObject({
      action: "Healthy",
      health: { state: HealthState.HEALTHY, message: "" },
    });
    stop.abort();
  });

  it("is UNKNOWN for a module without a health method, and is checked at most every 100 ms", async () => {
    const { client } = await serve();
    await client.registerModule({ name: "m", modulePath: "echo_v1" });
    const { module } = await client.loadModule({ name: "m" });
    expect(module?.health?.state).toBe(HealthState.UNKNOWN);
    expect([module?.health?.since, module?.health?.checkTime]).toEqual([undefined, undefined]);
    const often = { name: "n", modulePath: "echo_v1", healthInterval: { nanos: 99_000_000 } };
    expect(await failure(client.registerModule(often))).toMatchObject({
      reason: "ARGUMENT_INVALID",
      metadata: { field: "health_interval" },
    });
    const { module: off } = await client.registerModule({ ...often, healthInterval: {} });
    expect(off?.healthInterval).toMatchObject({ seconds: 0n, nanos: 0 });
  });
});

describe("calls to a module that has crashed", () => {
  it("are UNAVAILABLE with a retry time until it serves again", async () => {
    const { root, fields, hold, release } = await heldStart();
    const { client } = await serve(undefined, root);
    await client.registerModule({ name: "m", modulePath: "held", ...fields });
    release();
    await client.loadModule({ name: "m" });
    hold();
    const failures = [await failure(call(client, "m", "exit")), await failure(call(client, "m", "echo"))];
    release();
    const isUp = (): Promise<boolean> =>
      call(client, "m", "echo").then(
        () => true,
        async (error: unknown) => {
          failures.push(await failure(Promise.reject(error)));
          return false;
        },
      );
    await until(isUp);
    for (const { code, reason, metadata, error } of failures) {
      expect({ code, reason }).toEqual({ code: "Unavailable", reason: "MODULE_CRASHED" });
      expect(metadata.retry_after).toMatch(/^\d+(\.\d+)? s$/);
      expect(error.findDetails(RetryInfoSchema)).toHaveLength(1);
    }
  });
});
