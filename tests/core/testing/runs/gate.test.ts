import { expect, it } from "vitest";
import { describeInEach } from "../../../support/isolations.ts";
import { SOAK } from "../../../support/soak.ts";
import { sharedEngine } from "../engine-rig.ts";

const { engine, write } = sharedEngine();

/** Remembers all orders that have reached it. */
const GATEWAY = `export default class Gateway {
  #orders = [];
  place_order({ from }) { this.#orders.push(from); return { id: this.#orders.length }; }
  orders() { return this.#orders; }
}`;

/**
 * Has a position, and places an order at each tick. It tries to place each requested order until that is accepted: at once
 * and unawaited, from a timer, from its queue at the ticks, and when it begins to serve.
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

/** Answers with its version, and counts its calls. */
const quotes = (version: number): string => `export default class Quotes {
  static version = "${version}";
  #asked = 0;
  end() { process.exit(3); }
  quote() { this.#asked += 1; return { version: "${version}", asked: this.#asked }; }
}`;

/** Answers with the answers of its dependencies. */
const caller = (...dependencies: readonly string[]): string => `export default class Caller {
  #ctx;
  constructor(ctx) { this.#ctx = ctx; }
  async ask() {
    const answers = {};
    for (const name of ${JSON.stringify(dependencies)}) {
      answers[name] = await this.#ctx.call(name, name === "gateway" ? "place_order" : "ask", { from: "test" });
    }
    return answers;
  }
}`;

const DESK = `export default class Desk {
  #ctx;
  constructor(ctx) { this.#ctx = ctx; }
  price() { return this.#ctx.call("quotes", "quote"); }
  end() { return this.#ctx.call("quotes", "end"); }
}`;

/** Passes if the new version answers, and nobody has called it before. */
const first = (method: string): string => `export default [{ name: "asks", run: async (module) => {
  const { version, asked } = await module.call("${method}");
  if (version !== "2" || asked !== 1) throw new Error("version " + version + ", asked " + asked);
} }];`;

describeInEach("the gate of a swap of a module in a %s", (isolation) => {
  const changesNothing = async (kind: string): Promise<void> => {
    write({
      "gateway.js": GATEWAY,
      "trader1.js": trader(1),
      "trader2.js": trader(2),
      "suite.js": SUITE,
    });
    const { modules, testing } = engine();
    await modules.register("gateway", { modulePath: "gateway", isolation });
    await modules.load("gateway");
    await modules.register("trader", { modulePath: "trader1", isolation, dependencies: ["gateway"] });
    await modules.load("trader");
    const stubs = { gateway: { place_order: { id: 0 } } };
    const test = { name: "buys", method: "buy", input: { from: "test" } };
    await testing.createSuite("buying", { tests: [test], stubs });
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
    // The old version acts until the switch, and the new one from then on.
    expect(orders.lastIndexOf("tick 1")).toBeLessThan(orders.indexOf("tick 2"));
  };

  it("has a suite in a file change nothing in the serving modules", () => changesNothing("a suite in a file"));

  it("has a suite that was created change nothing in the serving modules", SOAK, () =>
    changesNothing("a suite that was created"),
  );

  it("lets tests call the new versions of the group, and leaves no trace in these", async () => {
    const suites = { "prices.js": first("price"), "quotes.js": first("quote") };
    write({ "quotes1.js": quotes(1), "quotes2.js": quotes(2), "desk.js": DESK, ...suites });
    const { modules } = engine();
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

  it("limits each tested module of a group to its own stubs and allowed calls", SOAK, async () => {
    write({
      "gateway.js": GATEWAY,
      "a.js": caller("b"),
      "b.js": caller("c", "gateway"),
      "c.js": caller("gateway"),
      "suite.js": `export default [{ name: "asks", run: (module) => module.call("ask") }];`,
    });
    const { modules, testing } = engine();
    await modules.register("gateway", { modulePath: "gateway", isolation });
    const testStubs = { gateway: { place_order: "stubbed for b" } };
    await modules.register("c", {
      modulePath: "c",
      isolation,
      dependencies: ["gateway"],
      testAllowDependencies: ["gateway"],
    });
    await modules.register("b", { modulePath: "b", isolation, dependencies: ["c", "gateway"], testStubs });
    await modules.register("a", { modulePath: "a", isolation, dependencies: ["b"] });
    await modules.load("a", { loadDependencies: true });
    const group = [{ name: "a", testSuite: "suite.js" }, { name: "b" }, { name: "c" }];
    const { swapped } = await modules.swapAll(group, { force: true });
    expect(swapped).toBe(true);
    const [run] = testing.listRuns("a");
    expect(run?.record.tests[0]?.output).toEqual({ b: { c: { gateway: { id: 1 } }, gateway: "stubbed for b" } });
  });

  it("fails if another tested module of the group ends, whatever serves in its place", async () => {
    write({
      "quotes1.js": quotes(1),
      "quotes2.js": quotes(2),
      "desk.js": DESK,
      "suite.js": `export default [
        { name: "ends", required: false, run: (module) => module.call("end") },
        { name: "asks", run: (module) => module.call("price") },
      ];`,
    });
    const { modules } = engine();
    await modules.register("quotes", { modulePath: "quotes1", isolation, pureMethods: ["quote"] });
    await modules.register("desk", { modulePath: "desk", isolation, dependencies: ["quotes"] });
    await modules.load("desk", { loadDependencies: true });
    const { swapped, results } = await modules.swapAll(
      [
        { name: "desk", testSuite: "suite.js" },
        { name: "quotes", newVersionPath: "quotes2" },
      ],
      { force: true },
    );
    expect(swapped).toBe(false);
    expect(results[0]?.failure).toContain("module quotes ended while it was needed");
  });

  it("calls the new version of a member of the group even if a module outside the group lies between", async () => {
    write({
      "top.js": caller("middle"),
      "middle.js": caller("low"),
      "low1.js": `export default class Low { place_order() { return "1"; } ask() { return "1"; } }`,
      "low2.js": `export default class Low { place_order() { return "2"; } ask() { return "2"; } }`,
      "suite.js": `export default [{ name: "asks", run: (module) => module.call("ask") }];`,
    });
    const { modules, testing } = engine();
    await modules.register("low", { modulePath: "low1", isolation });
    await modules.register("middle", { modulePath: "middle", isolation, dependencies: ["low"] });
    const testAllowDependencies = ["middle"];
    await modules.register("top", { modulePath: "top", isolation, dependencies: ["middle"], testAllowDependencies });
    await modules.load("top", { loadDependencies: true });
    const group = [
      { name: "top", testSuite: "suite.js" },
      { name: "low", newVersionPath: "low2" },
    ];
    expect(await modules.swapAll(group, { force: true })).toMatchObject({ swapped: true });
    expect(testing.listRuns("top")[0]?.record.tests[0]?.output).toEqual({ middle: { low: "2" } });
  });
});
