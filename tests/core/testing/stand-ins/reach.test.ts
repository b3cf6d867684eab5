import { expect, it } from "vitest";
import type { Engine, Run } from "../../../../src/core/index.ts";
import { describeInEach } from "../../../support/isolations.ts";
import { sharedEngine } from "../engine-rig.ts";
import { GATEWAY } from "../gateway.ts";

const shared = sharedEngine();

/** Passes each order on, and places its own from a timer, from its start and from its health check. */
const TRADER = `export default class Trader {
  #ctx;
  #refused = [];
  async start(ctx) {
    this.#ctx = ctx;
    await this.#own("start");
    const tick = async () => {
      await this.#own("timer");
      if (!ctx.signal.aborted) setTimeout(tick, 1);
    };
    setTimeout(tick, 1);
  }
  health() { return this.#own("health"); }
  place_order(order) { return this.#ctx.call("gateway", "place_order", order); }
  quote() { return this.#ctx.call("gateway", "quote"); }
  async refused() {
    while (!this.#refused.some(({ from }) => from === "timer")) await new Promise((resolve) => setTimeout(resolve, 1));
    return this.#refused.filter(({ from }, index) => this.#refused.findIndex((one) => one.from === from) === index);
  }
  #own(from) {
    return this.#ctx.call("gateway", "place_order", { from }).catch(({ code }) => { this.#refused.push({ from, code }); });
  }
}`;

const NOT_STUBBED = "a test of module trader called place_order of gateway, which is neither stubbed nor allowed";

async function desk(isolation: "PROCESS" | "THREAD", files: Record<string, string> = {}): Promise<Engine> {
  shared.write({ "gateway.js": GATEWAY, "trader.js": TRADER, ...files });
  const engine = shared.engine();
  await engine.modules.register("gateway", { modulePath: "gateway", isolation });
  await engine.modules.register("trader", { modulePath: "trader", isolation, dependencies: ["gateway"] });
  await engine.modules.load("gateway");
  return engine;
}

const ordersOf = async ({ modules }: Engine): Promise<unknown> =>
  (await modules.invoke("gateway", "orders", { json: null })).output;

const received = ({ record }: Run): (readonly [string, string, string])[] =>
  record.tests.map(({ name, outcome, message }) => [name, outcome, message] as const);

describeInEach("a tested module in a %s", (isolation) => {
  it("sends nothing to serving modules: not from its tests, a timer, its start or its health check", async () => {
    const engine = await desk(isolation);
    const { record } = await engine.testing.run("trader", "trading");
    expect(record.passed).toBe(false);
    expect(record.tests.find(({ name }) => name === "accepts_valid_order")?.message).toContain(NOT_STUBBED);
    expect(await ordersOf(engine)).toEqual({ json: [] });
  });

  it("gets an error for each refused call, and may call pure methods", async () => {
    const engine = await desk(isolation);
    await engine.testing.createSuite("desk", {
      tests: [
        { name: "buys", method: "place_order", input: {}, required: false },
        { name: "quotes", method: "quote" },
        { name: "refused", method: "refused" },
      ],
    });
    const run = await engine.testing.run("trader", "desk");
    expect(received(run)).toEqual([
      ["buys", "FAILED", expect.stringContaining(NOT_STUBBED)],
      ["quotes", "PASSED", ""],
      ["refused", "PASSED", ""],
    ]);
    expect(run.record.tests[1]?.output).toEqual({ bid: 7 });
    expect(run.record.tests[2]?.output).toEqual(
      ["start", "timer"].map((from) => ({ from, code: "DEPENDENCY_NOT_STUBBED" })),
    );
    expect(await ordersOf(engine)).toEqual({ json: [] });
  });

  it("has no effect on the breakers of the modules that it calls", async () => {
    const broken = "static pureMethods = ['quote']; quote() { throw new Error('of the test'); }";
    const engine = await desk(isolation, { "gateway.js": `export default class Broken { ${broken} }` });
    const tests = Array.from({ length: 20 }, (_, count) => ({ name: `quotes ${count}`, method: "quote" }));
    await engine.testing.createSuite("quotes", { tests });
    const { record } = await engine.testing.run("trader", "quotes");
    expect(new Set(record.tests.map(({ outcome }) => outcome))).toEqual(new Set(["FAILED"]));
    expect(engine.breakers.get("module:gateway")).toMatchObject({ state: "CLOSED" });
  });
});
