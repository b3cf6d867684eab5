import { describe, expect, it, onTestFinished } from "vitest";
import { createEngine } from "../../../src/core/index.ts";
import { ownRoot } from "../modules/rig.ts";

/** Knows all orders that reached it. */
const GATEWAY = `export default class Gateway {
  #orders = [];
  place_order({ from }) { this.#orders.push(from); return { id: this.#orders.length }; }
  orders() { return this.#orders; }
}`;

/**
 * Has a position, and an order of its own at each tick. What it is asked to buy it tries to order until that is taken: at once
 * and unawaited, from a timer, from an own queue at the ticks, and when it is told that it serves.
 */
const trader = (version: number): string => `export default class Trader {
  static version = "${version}";
  #ctx;
  #position = 0;
  #queue = [];
  #ticks = 0;
  start(ctx) {
    this.#ctx = ctx;
    ctx.onServe(() => this.#flush());
    const tick = async () => {
      await this.#order("tick ${version}").catch(() => {});
      this.#ticks += 1;
      this.#flush();
      if (!ctx.signal.aborted) setTimeout(tick, 1);
    };
    setTimeout(tick, 1);
  }
  buy({ from }) {
    this.#position += 1;
    this.#queue.push(from + " queued");
    const retry = () => this.#order(from + " again").catch(() => setTimeout(retry, 1));
    setTimeout(retry, 1);
    this.#order(from + " unawaited").catch(() => this.#queue.push(from + " late"));
    return { position: this.#position };
  }
  position() { return this.#position; }
  ticks() { return this.#ticks; }
  #flush() {
    for (const from of this.#queue.splice(0)) this.#order(from).catch(() => this.#queue.push(from));
  }
  #order(from) { return this.#ctx.call("gateway", "place_order", { from }); }
}`;

const SUITE = `export const stubs = { gateway: { place_order: { id: 0 } } };
export default [{ name: "buys", run: async (module) => {
  const { position } = await module.call("buy", { from: "test" });
  if (position !== 1) throw new Error("position " + position);
} }];`;

/** Answers with its version, and counts how often it was asked. */
const quotes = (version: number): string => `export default class Quotes {
  static version = "${version}";
  #asked = 0;
  quote() { this.#asked += 1; return { version: "${version}", asked: this.#asked }; }
}`;

const DESK = `export default class Desk {
  #ctx;
  constructor(ctx) { this.#ctx = ctx; }
  price() { return this.#ctx.call("quotes", "quote"); }
}`;

/** Passes where the new version answers, and nobody has asked it before. */
const first = (method: string): string => `export default [{ name: "asks", run: async (module) => {
  const { version, asked } = await module.call("${method}");
  if (version !== "2" || asked !== 1) throw new Error("version " + version + ", asked " + asked);
} }];`;

describe.each(["PROCESS", "THREAD"] as const)("the gate of a swap of a module in a %s", (isolation) => {
  it.each(["a suite in a file", "a suite that was created"])(
    "has %s leave nothing behind in what serves",
    async (kind) => {
      const { path } = await ownRoot({
        "gateway.js": GATEWAY,
        "trader1.js": trader(1),
        "trader2.js": trader(2),
        "suite.js": SUITE,
      });
      const { modules, testing, close } = await createEngine({ modulesRoot: path });
      onTestFinished(() => close());
      await modules.register("gateway", { modulePath: "gateway", isolation });
      await modules.load("gateway");
      await modules.register("trader", { modulePath: "trader1", isolation, dependencies: ["gateway"] });
      await modules.load("trader");
      const stubs = { gateway: { place_order: { id: 0 } } };
      const test = { name: "buys", method: "buy", input: { from: "test" } };
      await testing.createSuite("buying", "", [test], {}, { stubs });
      const testSuite = kind === "a suite in a file" ? "suite.js" : "buying";
      const swapped = await modules.swap("trader", { newVersionPath: "trader2", testSuite });
      expect(swapped).toMatchObject({ swapped: true });
      const ask = async (name: string, method: string): Promise<unknown> => {
        const { output } = await modules.invoke(name, method, { json: null });
        return "json" in output && output.json;
      };
      expect(await ask("trader", "position")).toBe(0);
      const before = (await ask("trader", "ticks")) as number;
      while (((await ask("trader", "ticks")) as number) < before + 20);
      const orders = (await ask("gateway", "orders")) as string[];
      expect(new Set(orders)).toEqual(new Set(["tick 1", "tick 2"]));
      // The old version goes on until the switch, and the new one begins there.
      expect(orders.lastIndexOf("tick 1")).toBeLessThan(orders.indexOf("tick 2"));
    },
  );

  it("has tests call the new versions of what is replaced with it, and leaves no trace in these", async () => {
    const suites = { "prices.js": first("price"), "quotes.js": first("quote") };
    const { path } = await ownRoot({ "quotes1.js": quotes(1), "quotes2.js": quotes(2), "desk.js": DESK, ...suites });
    const { modules, close } = await createEngine({ modulesRoot: path });
    onTestFinished(() => close());
    await modules.register("quotes", { modulePath: "quotes1", isolation });
    await modules.register("desk", { modulePath: "desk", isolation, dependencies: ["quotes"] });
    await modules.load("desk", { loadDependencies: true });
    const { swapped, results } = await modules.swapAll(
      [
        { name: "desk", testSuite: "prices.js" },
        { name: "quotes", newVersionPath: "quotes2", testSuite: "quotes.js" },
      ],
      { force: true },
    );
    expect(results.map(({ failure }) => failure)).toEqual([undefined, undefined]);
    expect(swapped).toBe(true);
    const { output } = await modules.invoke("desk", "price", { json: null });
    expect(output).toEqual({ json: { version: "2", asked: 1 } });
  });
});
