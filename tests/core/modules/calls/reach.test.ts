import { expect, it } from "vitest";
import type { Log } from "../../../../src/core/log.ts";
import { BARE_TEST } from "../../../../src/core/modules/calls/generation/trial.ts";
import type { RegistrationFields } from "../../../../src/core/modules/record/record.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEach } from "../../../support/isolations.ts";
import { until } from "../../../support/until.ts";
import { ownRoot, rig } from "../rig.ts";

/** Remembers all orders that have reached it. */
const GATEWAY = `export default class Gateway {
  static pureMethods = ["get_quote"];
  #orders = [];
  placeOrder(order) { this.#orders.push(order.from); return { id: this.#orders.length }; }
  getQuote() { return { bid: 7 }; }
  orders() { return this.#orders; }
}`;

/** Tries to place an order whenever its code runs, and records the reason of each refusal. */
const trader = (version: number, state = ""): string => `export default class Trader {
  static version = "${version}";
  #ctx;
  async start(ctx) {
    this.#ctx = ctx;
    await this.order("start");
    const tick = async () => {
      await this.order("timer");
      if (!ctx.signal.aborted) setTimeout(tick, 1);
    };
    setTimeout(tick, 1);
  }
  async order(why) {
    const from = why + " ${version}";
    await this.#ctx.call("gateway", "place_order", { from }).catch(({ code }) => this.#ctx.log.info("refused", { from, code }));
  }
  health() { return this.order("health"); }
  warm() { return this.order("warm_up"); }
  async price() {
    await this.order("mirrored");
    return (await this.#ctx.call("gateway", "get_quote")).bid;
  }
  buy() { return this.#ctx.call("gateway", "place_order", { from: "caller ${version}" }); }
  ${state}
}`;

const STATE = "exportState() { return {}; } importState() { return this.order('import'); }";

async function desk(isolation: "PROCESS" | "THREAD", state = "", fields: Partial<RegistrationFields> = {}) {
  const refused = new Map<string, Set<unknown>>();
  const log: Log = (_area, _level, message, fields) => {
    if (message !== "refused") return;
    const from = String(fields?.from);
    refused.set(from, (refused.get(from) ?? new Set()).add(fields?.code));
  };
  const { path } = await ownRoot({
    "gateway.js": GATEWAY,
    "trader1.js": trader(1, state),
    "trader2.js": trader(2, state),
  });
  const engine = await rig({ root: path, log });
  await engine.load("gateway", { isolation: "THREAD" });
  await engine.load("trader1", { dependencies: ["gateway"], isolation, pureMethods: ["price"], ...fields }, "trader");
  const orders = async (): Promise<string[]> => (await engine.call("gateway", "orders")) as string[];
  const ordered = (holds: (orders: string[]) => boolean): Promise<void> => until(async () => holds(await orders()));
  return { ...engine, refused, orders, ordered };
}

describeInEach("a module in a %s", (isolation) => {
  it("may call others from its start on, if it is loaded to serve", async () => {
    const { ordered } = await desk(isolation);
    await ordered((orders) => ["start 1", "health 1", "timer 1"].every((from) => orders.includes(from)));
  });

  it("reaches no one before the switch, if it is to replace another, and calls others from then on", async () => {
    const hooks = [{ method: "warm", input: null }];
    const { modules, call, refused, orders, ordered } = await desk(isolation, STATE, { reloadHooks: hooks });
    modules.addReloadHook("trader", async (instance) => void (await instance.invoke("warm")));
    let over = false;
    const callers = (async () => {
      while (!over) expect(await call("trader", "price")).toBe(7);
    })();
    const swapped = await modules.swap("trader", { newVersionPath: "trader2", shadow: { minCalls: 3 } });
    over = true;
    await callers;
    expect(swapped).toMatchObject({ swapped: true, shadow: { different: 0, failed: 0 } });
    await ordered((seen) => seen.includes("timer 2"));
    const early = (await orders()).filter((from) => from.endsWith("2") && from !== "timer 2" && from !== "mirrored 2");
    expect(early).toEqual([]);
    for (const why of ["start", "timer", "health", "import", "warm_up", "mirrored"]) {
      expect([why, [...(refused.get(`${why} 2`) ?? [])]]).toEqual([why, ["MODULE_FENCED"]]);
    }
  });

  it("has reached no one, if it fails its tests", async () => {
    const { modules, orders, refused } = await desk(isolation);
    modules.useGate(async (_request, subject) => {
      const { instance } = await subject.start(() => BARE_TEST);
      const error = await errorOf(instance.invoke("buy", { json: null }, { timeoutMs: 5000 }));
      while ((refused.get("timer 2")?.size ?? 0) < 2)
        await instance.invoke("price", { json: null }, { timeoutMs: 5000 });
      return { passed: false, detail: error.message };
    });
    const { swapped, failure } = await modules.swap("trader", { newVersionPath: "trader2", testSuite: "any" });
    expect(swapped).toBe(false);
    expect(failure).toContain("called place_order of gateway, which is neither stubbed nor allowed");
    expect([...(refused.get("timer 2") ?? [])].sort()).toEqual(["DEPENDENCY_NOT_STUBBED", "MODULE_FENCED"]);
    expect((await orders()).filter((from) => from.endsWith("2"))).toEqual([]);
  });

  it("calls others only for the callers that it answers, while it is a canary", async () => {
    const { modules, orders, refused } = await desk(isolation);
    const swapped = modules.swap("trader", {
      newVersionPath: "trader2",
      canary: { percentage: 50, minCalls: 10, durationMs: 60_000 },
    });
    let during: string[] = [];
    for (let key = 0; !during.includes("caller 2") || !refused.has("timer 2"); key += 1) {
      await modules.invoke("trader", "buy", { json: null }, { routingKey: `caller ${key}` });
      during = await orders();
    }
    await modules.cancelSwap("trader");
    expect(await swapped).toMatchObject({ swapped: false, failedStep: "canary" });
    expect((await orders()).filter((from) => from.endsWith("2") && from !== "caller 2")).toEqual([]);
  });

  it("may call others once it is activated, if it was loaded without traffic", async () => {
    const { modules, register, orders, refused, ordered } = await desk(isolation);
    const fields = { dependencies: ["gateway"], isolation };
    await register("trader2", fields, "idle");
    await modules.load("idle", { activate: false });
    await until(() => refused.has("timer 2"));
    expect((await orders()).filter((from) => from.endsWith("2"))).toEqual([]);
    await modules.load("idle");
    await ordered((seen) => seen.includes("timer 2"));
    expect(await orders()).not.toContain("start 2");
  });
});
