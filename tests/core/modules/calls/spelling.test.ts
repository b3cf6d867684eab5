import { expect, it } from "vitest";
import { runTests } from "../../../../src/core/testing/runs/runner.ts";
import { systemClock } from "../../../../src/kernel/clock.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEach, describeInEither } from "../../../support/isolations.ts";
import { hostRig } from "../host-rig.ts";
import { rig } from "../rig.ts";

describeInEach("a method of a module in a %s", (isolation) => {
  it("is called in both spellings, whichever its class uses", async () => {
    const { load, call } = await rig();
    await load("spelled", { isolation });
    for (const method of ["predict_batch", "predictBatch"]) expect(await call("spelled", method)).toBe("predict_batch");
    for (const method of ["place_order", "placeOrder"]) expect(await call("spelled", method)).toBe("placeOrder");
    const refused = await errorOf(call("spelled", "PlaceOrder"));
    expect(refused).toMatchObject({
      reason: "MODULE_METHOD_NOT_FOUND",
      metadata: { methods: "called, placeOrder, predict_batch" },
    });
  });

  it("is found by a reload hook in either spelling", async () => {
    const { modules, load, call } = await rig();
    const reloadHooks = ["predictBatch", "place_order"].map((method) => ({ method, input: null }));
    await load("spelled", { isolation, reloadHooks });
    expect(await modules.swap("spelled", { force: true })).toMatchObject({ swapped: true });
    expect(await call("spelled", "called")).toEqual(["predict_batch", "placeOrder"]);
  });

  it("is found by a test in either spelling", async () => {
    const instance = await hostRig().start(isolation, "registry/spelled");
    const tests = ["predictBatch", "predict_batch", "placeOrder", "place_order", "PlaceOrder"].map((method) => ({
      name: method,
      description: "",
      required: true,
      timeoutMs: 10_000,
      method,
      run: () => Promise.resolve(null),
    }));
    const results = await runTests({ instance }, tests, systemClock, new AbortController().signal);
    expect(results.map(({ outcome }) => outcome)).toEqual(["PASSED", "PASSED", "PASSED", "PASSED", "FAILED"]);
  });
});

describeInEither("a pure method", () => {
  it.each([
    ["predict_batch", "predictBatch"],
    ["predictBatch", "predict_batch"],
    ["place_order", "placeOrder"],
  ])("registered as %s is mirrored when it is called as %s", async (registered, called) => {
    const { modules, load, call } = await rig();
    await load("spelled", { pureMethods: [registered] });
    const begun = Promise.withResolvers<void>();
    const swapped = modules.swap("spelled", { force: true, shadow: { minCalls: 1 } }, {}, (event) => {
      if (event.type === "started" && event.name === "shadow") begun.resolve();
    });
    await begun.promise;
    await call("spelled", called);
    expect(await swapped).toMatchObject({ swapped: true, shadow: { mirrored: 1, equal: 1 } });
  });
});
