import { expect, it } from "vitest";
import type { RegistrationFields } from "../../../../src/core/modules/record/record.ts";
import { createManualClock } from "../../../../src/kernel/clock.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEach, describeInEither } from "../../../support/isolations.ts";
import { turn } from "../../../support/turns.ts";
import { ownRoot, type Rig, rig } from "../rig.ts";

const nothing = { json: null };

/** Makes calls that are given up after 30 ms. */
async function impatient({ modules }: Rig, name: string, times: number, input: unknown = null): Promise<void> {
  for (let call = 0; call < times; call += 1) {
    const error = await errorOf(modules.invoke(name, "hold", { json: input }, { timeoutMs: 30 }));
    expect(error.reason).toBe("MODULE_DEADLINE_EXCEEDED");
  }
}

describeInEach("a caller of a module in a %s that waits for less than call_timeout", (isolation) => {
  const fields: Partial<RegistrationFields> = {
    isolation,
    breaker: { failureThreshold: 2, failureRate: 0.1, minimumCalls: 2 },
  };

  it("does not open the breaker for others, however often it gives up", async () => {
    const engine = await rig();
    await engine.load("echo_v1", fields);
    await impatient(engine, "echo_v1", 5);
    expect(engine.breakers.get("module:echo_v1")).toMatchObject({
      state: "CLOSED",
      counts: { failures: 0, ignored: 5 },
    });
    expect(await engine.call("echo_v1", "echo", 1)).toBe(1);
  });

  it("does not count against a version on trial", async () => {
    const clock = createManualClock();
    const engine = await rig({ clock });
    await engine.load("echo_v1", fields, "echo");
    const trial = Promise.withResolvers<void>();
    const options = { newVersionPath: "echo_v2", bakeMs: 60_000, bakeMinCalls: 1, bakeMaxErrorRate: 0 };
    const swapped = engine.modules.swap("echo", options, {}, (event) => {
      if (event.type === "started" && event.name === "bake") trial.resolve();
    });
    await trial.promise;
    await impatient(engine, "echo", 5);
    clock.advance(60_000);
    expect(await swapped).toMatchObject({ swapped: true });
  });

  it("does not count as a failure of a module in between, whose own call ended with it", async () => {
    const { path } = await ownRoot({
      "base.js": `export default class Base { hold() { return new Promise(() => {}); } }`,
      // Both deadlines pass in the same moment. This module notices first, and throws.
      "between.js": `export default class Between {
        start(ctx) { this.ctx = ctx; }
        hold() { return this.ctx.call("base", "hold"); }
      }`,
    });
    const engine = await rig({ root: path });
    await engine.load("base", fields);
    await engine.load("between", { ...fields, dependencies: ["base"] });
    for (let call = 0; call < 5; call += 1) {
      await errorOf(engine.modules.invoke("between", "hold", nothing, { timeoutMs: 30 }));
    }
    for (const name of ["base", "between"]) {
      expect(engine.breakers.get(`module:${name}`)).toMatchObject({ state: "CLOSED", counts: { failures: 0 } });
    }
  });
});

describeInEither("a probe of an open breaker whose caller gives up early", () => {
  it("frees its slot, and counts neither as a success nor as a failure", async () => {
    const clock = createManualClock();
    const engine = await rig({ clock });
    const { breakers, load, call } = engine;
    await load("echo_v1", {
      breaker: { failureThreshold: 1, timeoutMs: 1000, successThreshold: 1, probeConcurrency: 1 },
    });
    await errorOf(call("echo_v1", "fail", { message: "no" }));
    clock.advance(1000);
    await impatient(engine, "echo_v1", 3);
    expect(breakers.get("module:echo_v1")).toMatchObject({ state: "HALF_OPEN", probes: 0 });
    expect(await call("echo_v1", "echo", 1)).toBe(1);
    expect(breakers.get("module:echo_v1").state).toBe("CLOSED");
  });
});

describeInEither("a call that waits its turn", () => {
  it("counts as a failure of the module if it waited for call_timeout, and not if its caller left earlier", async () => {
    const clock = createManualClock();
    const { modules, breakers, load, call } = await rig({ clock });
    await load("echo_v1", { concurrency: 1, callTimeoutMs: 1000 });
    const { instance } = modules.activeInstance("echo_v1");
    const held = call("echo_v1", "hold");
    const early = errorOf(modules.invoke("echo_v1", "echo", nothing, { timeoutMs: 999 }));
    const patient = errorOf(modules.invoke("echo_v1", "echo", nothing, { timeoutMs: 5000 }));
    await turn();
    clock.advance(1000);
    for (const one of [early, patient]) expect(await one).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED" });
    expect(breakers.get("module:echo_v1").counts).toMatchObject({ failures: 1, ignored: 1 });
    await instance.invoke("release", nothing, { timeoutMs: 5000 });
    await held;
  });
});

describeInEach("a method in a %s whose callers all leave early", (isolation) => {
  it("counts as a failure of the module if it runs for call_timeout, and not if it ends earlier", async () => {
    const clock = createManualClock();
    const engine = await rig({ clock });
    const { breakers, modules, load, call } = engine;
    await load("echo_v1", { isolation, callTimeoutMs: 1000 });
    const callers = new AbortController();
    const options = { signal: callers.signal };
    // "hold" ends when its caller leaves, and "hold_on" does not.
    const methods = ["hold", "hold", "hold_on"];
    const left = methods.map((method) => modules.invoke("echo_v1", method, nothing, options).catch(() => {}));
    // Its answer shows that they have begun.
    await call("echo_v1", "echo");
    callers.abort();
    await Promise.all(left);
    // The second answer shows that those which react to the abort have ended.
    for (const _ of [1, 2]) await call("echo_v1", "echo");
    expect(breakers.get("module:echo_v1").counts).toMatchObject({ failures: 0, ignored: 3 });
    clock.advance(1000);
    await turn();
    expect(breakers.get("module:echo_v1").counts).toMatchObject({ failures: 1, ignored: 3 });
  });
});
