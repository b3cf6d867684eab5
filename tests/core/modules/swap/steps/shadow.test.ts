import { expect, it } from "vitest";
import type { ShadowOptions } from "../../../../../src/core/modules/swap/state/swap-options.ts";
import { createManualClock } from "../../../../../src/kernel/clock.ts";
import { describeInEither } from "../../../../support/isolations.ts";
import { SOAK } from "../../../../support/soak.ts";
import { turn } from "../../../../support/turns.ts";
import { ownRoot, rig } from "../../rig.ts";

const source = (version: number, price: string): string => `export default class A {
  static version = "${version}";
  #calls = 0;
  price({ of }) { this.#calls += 1; return ${price}; }
  order() { this.#calls += 1; return "done"; }
  calls() { return this.#calls; }
}`;

async function priced(candidate: string, clock = createManualClock()) {
  const { path } = await ownRoot({ "v1.js": source(1, "{ price: of * 100 }"), "v2.js": source(2, candidate) });
  const engine = await rig({ root: path, clock });
  await engine.load("v1", { pureMethods: ["price"] }, "a");
  const begun = Promise.withResolvers<void>();
  const swap = (shadow: ShadowOptions) =>
    engine.modules.swap("a", { newVersionPath: "v2", shadow }, {}, (event) => {
      if (event.type === "started" && event.name === "shadow") begun.resolve();
    });
  return { ...engine, clock, swap, begun: begun.promise };
}

/** Makes calls one after the other, so that each mirrored one can be compared. */
async function callMany(
  { call, clock }: Awaited<ReturnType<typeof priced>>,
  method: string,
  count: number,
): Promise<void> {
  for (let of = 1; of <= count; of += 1) {
    expect(await call("a", method, { of })).toEqual(method === "price" ? { price: of * 100 } : "done");
    clock.advance(0);
  }
  await turn();
}

describeInEither("a shadow", () => {
  it("lets the swap continue if its answers are equal, and callers get only the current version's answers", async () => {
    const engine = await priced("{ price: of * 100 }");
    const swapped = engine.swap({ minCalls: 5 });
    await engine.begun;
    await callMany(engine, "price", 5);
    expect(await swapped).toMatchObject({
      swapped: true,
      shadow: { mirrored: 5, equal: 5, different: 0, failed: 0, differences: [] },
    });
    expect(await engine.call("a", "calls")).toBe(5);
  });

  it("ends the swap if its answers differ, and the result says where", async () => {
    const engine = await priced("{ price: of * 101 }");
    const swapped = engine.swap({ minCalls: 5 });
    await engine.begun;
    await callMany(engine, "price", 1);
    const result = await swapped;
    expect(result).toMatchObject({
      swapped: false,
      failedStep: "shadow",
      shadow: {
        different: 1,
        differences: [{ method: "price", path: "output.price", current: "100", candidate: "101" }],
      },
    });
    expect(result.failure).toBe("1 of 1 answers differ; price output.price: 100, now 101");
    expect(await engine.call("a", "price", { of: 2 })).toEqual({ price: 200 });
  });

  it("may differ by the tolerance", SOAK, async () => {
    const engine = await priced("{ price: of * 101 }");
    const swapped = engine.swap({ minCalls: 3, relativeTolerance: 0.011 });
    await engine.begun;
    await callMany(engine, "price", 3);
    expect(await swapped).toMatchObject({ swapped: true, shadow: { equal: 3 } });
  });

  it("may differ, or fail, in the allowed number of answers", async () => {
    const engine = await priced("of % 5 === 0 ? [].no.such : { price: of * 100 }");
    const swapped = engine.swap({ minCalls: 10, maxDifferenceRate: 0.2 });
    await engine.begun;
    await callMany(engine, "price", 10);
    expect(await swapped).toMatchObject({ swapped: true, shadow: { equal: 8, failed: 2 } });
  });

  it("gets a share of the calls of pure methods, and no other calls", async () => {
    const engine = await priced("{ price: of * 100 }");
    const swapped = engine.swap({ minCalls: 5, percentage: 50 });
    await engine.begun;
    await callMany(engine, "order", 20);
    await callMany(engine, "price", 10);
    expect(await swapped).toMatchObject({ swapped: true, shadow: { mirrored: 5 } });
  });

  it("ends the swap if it sees too few calls within its time", async () => {
    const engine = await priced("{ price: of * 100 }");
    const swapped = engine.swap({ minCalls: 5, durationMs: 1000 });
    await engine.begun;
    await callMany(engine, "price", 4);
    engine.clock.advance(1000);
    expect(await swapped).toMatchObject({
      swapped: false,
      failure: expect.stringMatching(/^\d of 5 calls of pure methods were compared within 1 s$/),
    });
  });

  it("delays no caller if it hangs, and drops calls that it has no time for", async () => {
    const engine = await priced("new Promise(() => {})");
    const swapped = engine.swap({ minCalls: 100 });
    await engine.begun;
    await callMany(engine, "price", 40);
    engine.clock.advance(30_000);
    const result = await swapped;
    expect(result).toMatchObject({ swapped: false, failedStep: "shadow" });
    expect(result.shadow).toMatchObject({ mirrored: 16, dropped: 24 });
    expect(engine.modules.inFlight("a")).toBe(0);
  });
});

describeInEither("a pure method", () => {
  it("is called once more if the version that runs it ends", async () => {
    const source = `export default class A {
      hold(_, { signal }) { return new Promise((resolve) => { signal.addEventListener("abort", resolve); }); }
      release() { process.exit(3); }
      which() { return 1; }
    }`;
    const next = "export default class A { hold() { return 2; } which() { return 2; } }";
    const { path } = await ownRoot({ "v1.js": source, "v2.js": next });
    const { modules, load, call } = await rig({ root: path });
    await load("v1", { pureMethods: ["hold"] }, "a");
    const held = call("a", "hold");
    const old = modules.activeInstance("a").instance;
    const swapped = modules.swap("a", { newVersionPath: "v2" });
    while (modules.get("a").record.generation === 1) await modules.hub.feed.reached(modules.hub.feed.revision + 1);
    old.kill();
    expect(await held).toBe(2);
    expect(await swapped).toMatchObject({ swapped: true });
  });
});
