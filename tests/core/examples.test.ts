import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, type Engine, isReason } from "../../src/core/index.ts";
import { SOAK } from "../support/soak.ts";

let engine: Engine;

const MODULES: Record<string, { path: string; dependencies?: string[]; suite?: string }> = {
  market_simulator: { path: "src.trading.services.market_simulator" },
  feature_extractor: { path: "src.ml.inference.feature_extractor", suite: "data" },
  exchange_gateway: { path: "src.trading.services.exchange_gateway", dependencies: ["market_simulator"] },
  paper_trading_v2: {
    path: "src.trading.services.paper_trading_v2",
    dependencies: ["market_simulator"],
    suite: "trading",
  },
  paper_trading_v3: {
    path: "src.trading.services.paper_trading_v3",
    dependencies: ["market_simulator"],
    suite: "trading",
  },
  neural_predictor: { path: "src.ml.inference.neural_predictor", dependencies: ["feature_extractor"], suite: "ml" },
  neural_predictor_v2: {
    path: "src.ml.inference.neural_predictor_v2",
    dependencies: ["feature_extractor"],
    suite: "ml",
  },
};

beforeAll(async () => {
  engine = await createEngine({ modulesRoot: join(import.meta.dirname, "../../examples/modules") });
  for (const [name, { path, dependencies = [] }] of Object.entries(MODULES)) {
    await engine.modules.register(name, { modulePath: path, dependencies });
    await engine.modules.load(name);
  }
});

afterAll(() => engine.close());

async function call(name: string, method: string, input: unknown = null): Promise<Record<string, unknown>> {
  const { output } = await engine.modules.invoke(name, method, { json: input });
  return ("json" in output ? output.json : {}) as Record<string, unknown>;
}

/** Whether a call fails because of its caller's mistake, which the module's breaker does not count. */
async function isMistake(work: Promise<unknown>): Promise<boolean> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return isReason(error, "MODULE_METHOD_FAILED") && error.metadata.caller_fault === "true";
}

/** Fewer calls than by default. */
const FEW: Record<string, object> = {
  trading: { latency_orders: 50 },
  ml: { latency_predictions: 50, heap_warm_up_predictions: 100, heap_predictions: 100 },
};

const withSuite = Object.entries(MODULES).flatMap(([name, { suite }]) =>
  suite === undefined ? [] : [[name, suite] as const],
);

describe("the example", () => {
  const passes = async (name: string, suite: string, config: object): Promise<void> => {
    const { record } = await engine.testing.run(name, suite, { config: { ...config } });
    expect(record.tests.filter(({ outcome }) => outcome !== "PASSED")).toEqual([]);
    expect(record.passed).toBe(true);
  };

  it.each(withSuite)("%s passes the suite %s", (name, suite) => passes(name, suite, FEW[suite] ?? {}));

  it.each(withSuite)("%s passes the suite %s with its default settings", SOAK, (name, suite) =>
    passes(name, suite, {}),
  );

  it.each(["neural_predictor", "neural_predictor_v2"])("%s passes the suite that was written for it", async (name) => {
    const { record } = await engine.testing.run(name, "suites/neural_predictor.ts");
    expect(record.tests.map(({ outcome, message }) => [outcome, message])).toEqual(Array(3).fill(["PASSED", ""]));
  });

  it("paper trading keeps cash and positions in line with its fills", async () => {
    const before = await call("paper_trading_v2", "get_positions");
    const order = { client_order_id: "a-1", symbol: "ETHZAR", side: "buy", type: "market", quantity: 2 };
    const bought = await call("paper_trading_v2", "place_order", order);
    const sold = await call("paper_trading_v2", "place_order", {
      ...order,
      client_order_id: "a-2",
      side: "sell",
      quantity: 0.5,
    });
    const after = await call("paper_trading_v2", "get_positions");
    expect(after.positions).toMatchObject({ ETHZAR: 1.5 });
    const spent = 2 * Number(bought.filled_price) - 0.5 * Number(sold.filled_price);
    expect(Number(before.cash) - Number(after.cash)).toBeCloseTo(spent, 6);
  });

  it("paper trading keeps a limit order open until the price is reached, and cancels it on request", async () => {
    const order = { client_order_id: "l-1", symbol: "BTCZAR", side: "buy", type: "limit", quantity: 1, limit_price: 1 };
    expect(await call("paper_trading_v2", "place_order", order)).toMatchObject({ status: "open", filled_price: null });
    expect(await call("paper_trading_v2", "match_orders")).toEqual({ filled: [] });
    expect(await call("paper_trading_v2", "cancel_order", order)).toMatchObject({ status: "cancelled" });
    const generous = { ...order, client_order_id: "l-2", limit_price: 1e9 };
    expect(await call("paper_trading_v2", "place_order", generous)).toMatchObject({ status: "filled" });
  });

  it("paper trading fills an open limit order when the price is reached, also after a swap", async () => {
    const until = { client_order_id: "r-1", symbol: "SOLZAR", side: "buy", type: "limit", quantity: 1, limit_price: 0 };
    await engine.modules.register("resting", {
      modulePath: "src.trading.services.paper_trading_v2",
      dependencies: ["market_simulator"],
    });
    await engine.modules.load("resting");
    const { price } = await call("market_simulator", "get_price", { symbol: "SOLZAR" });
    const limit_price = Number(price) * 0.995;
    expect(await call("resting", "place_order", { ...until, limit_price })).toMatchObject({ status: "open" });
    expect(await call("resting", "get_positions")).toMatchObject({ positions: {} });
    await engine.modules.swap("resting", { newVersionPath: "src.trading.services.paper_trading_v3" });
    let order = await call("resting", "get_order", until);
    for (let tick = 0; tick < 5000 && order.status !== "filled"; tick += 1) {
      await call("market_simulator", "next_tick");
      order = await call("resting", "get_order", until);
    }
    expect(order).toMatchObject({ status: "filled", order_id: "order-1" });
    expect(order.filled_price).toBeLessThanOrEqual(limit_price);
    expect(await call("resting", "get_positions")).toMatchObject({ positions: { SOLZAR: 1 } });
  });

  it.each([
    ["a quantity that no account can hold", { quantity: 1e305 }],
    ["a quantity too small to be kept", { quantity: 1e-12 }],
    ["a symbol that is not traded", { symbol: "DOGEZAR" }],
    ["the name of a property of every object as a symbol", { symbol: "constructor" }],
    ["an unknown side", { side: "hold" }],
    ["a limit order without a limit", { type: "limit" }],
    ["no client_order_id", { client_order_id: null }],
  ])("paper trading refuses %s as the caller's mistake, and loses nothing", async (_, mistake) => {
    const before = await call("paper_trading_v2", "get_positions");
    const order = { client_order_id: "m-1", symbol: "BTCZAR", side: "buy", type: "market", quantity: 1, ...mistake };
    for (let count = 0; count < 12; count += 1) {
      expect(await isMistake(call("paper_trading_v2", "place_order", order))).toBe(true);
    }
    expect(await call("paper_trading_v2", "get_positions")).toEqual(before);
    expect(await isMistake(call("paper_trading_v2", "get_order", { client_order_id: "m-1" }))).toBe(true);
  });

  it.each(["constructor", "__proto__", "toString"])(
    "paper trading accepts %s as an order id",
    async (client_order_id) => {
      const order = { client_order_id, symbol: "XRPZAR", side: "buy", type: "market", quantity: 1 };
      const unknown = call("paper_trading_v2", "get_order", { client_order_id });
      await expect(unknown).rejects.toThrow(`there is no order "${client_order_id}"`);
      const placed = await call("paper_trading_v2", "place_order", order);
      expect(placed).toMatchObject({ status: "filled", client_order_id });
      expect(await call("paper_trading_v2", "place_order", order)).toEqual(placed);
      const { orders } = await call("paper_trading_v2", "list_orders");
      expect(
        (orders as { client_order_id: string }[]).filter((each) => each.client_order_id === client_order_id),
      ).toEqual([placed]);
    },
  );

  it("paper trading still answers for its orders while there are no prices", async () => {
    await engine.modules.register("lonely", {
      modulePath: "src.trading.services.paper_trading_v2",
      dependencies: ["market_simulator"],
    });
    await engine.modules.load("lonely");
    const order = { client_order_id: "o-1", symbol: "BTCZAR", side: "buy", type: "limit", quantity: 1, limit_price: 1 };
    const placed = await call("lonely", "place_order", order);
    await engine.breakers.open("module:market_simulator");
    try {
      expect(await call("lonely", "list_orders")).toEqual({ orders: [placed] });
      const matching = call("lonely", "match_orders");
      await expect(matching).rejects.toThrow("breaker module:market_simulator is open");
      expect(await isMistake(matching)).toBe(false);
    } finally {
      await engine.breakers.reset("module:market_simulator");
    }
  });

  it("paper trading 3 takes over the book of version 2, and adds fees and profit", async () => {
    const order = { client_order_id: "s-1", symbol: "XRPZAR", side: "buy", type: "market", quantity: 100 };
    const placed = await call("paper_trading_v2", "place_order", order);
    const { swapped } = await engine.modules.swap("paper_trading_v2", {
      newVersionPath: "src.trading.services.paper_trading_v3",
    });
    expect(swapped).toBe(true);
    expect(await call("paper_trading_v2", "get_order", { client_order_id: "s-1" })).toEqual(placed);
    const sold = await call("paper_trading_v2", "place_order", { ...order, client_order_id: "s-2", side: "sell" });
    const fee = 0.001 * 100 * Number(sold.filled_price);
    const before = await call("paper_trading_v2", "get_pnl");
    expect(Number(before.fees)).toBeCloseTo(fee, 6);
    // A purchase and a sale at a price that is higher by one: no profit, and two fees.
    const again = { ...order, symbol: "SOLZAR", quantity: 3 };
    const opened = await call("paper_trading_v2", "place_order", { ...again, client_order_id: "s-3" });
    const held = await call("paper_trading_v2", "get_pnl");
    expect(held.average_prices).toMatchObject({ SOLZAR: expect.closeTo(Number(opened.filled_price), 6) });
    const closed = await call("paper_trading_v2", "place_order", { ...again, client_order_id: "s-4", side: "sell" });
    const after = await call("paper_trading_v2", "get_pnl");
    const [bought, gone] = [Number(opened.filled_price) * 3, Number(closed.filled_price) * 3];
    expect(Number(after.realised_pnl) - Number(before.realised_pnl)).toBeCloseTo(
      gone - bought - (gone + bought) / 1000,
      5,
    );
    expect(after.average_prices).not.toHaveProperty("SOLZAR");
  });

  it("predictors follow a trend, and the versions differ", async () => {
    const rising = { prices: Array.from({ length: 30 }, (_, index) => 100 + index) };
    const falling = { prices: [...rising.prices].reverse() };
    for (const name of ["neural_predictor", "neural_predictor_v2"]) {
      expect(await call(name, "predict", rising)).toMatchObject({ prediction: "up" });
      expect(await call(name, "predict", falling)).toMatchObject({ prediction: "down" });
    }
    const mild = { features: [0.0002, 0.0001, 0.002, 0.001, 0.5] };
    const [one, two] = [
      await call("neural_predictor", "predict", mild),
      await call("neural_predictor_v2", "predict", mild),
    ];
    expect(one.probabilities).not.toEqual(two.probabilities);
  });

  it("predictors take a whole batch of prices, and let other calls run between", async () => {
    const inputs = Array.from({ length: 1000 }, (_, index) => ({ prices: [1, 2, 3, 4, 5 + index] }));
    const { predictions } = await call("neural_predictor", "predict_batch", { inputs });
    expect(predictions).toHaveLength(1000);
    const more = call("neural_predictor", "predict_batch", { inputs: [...inputs, ...inputs] });
    await expect(more).rejects.toThrow("inputs must be a list of at most 1000");
  });

  it("predictors report wrong prices as the caller's mistake", async () => {
    for (const input of [{ prices: [1, 2, 3] }, { prices: [1, 2, 3, null, 5] }, { features: [1, 2] }, null]) {
      expect(await isMistake(call("neural_predictor", "predict", input))).toBe(true);
    }
  });

  it("the simulator's history ends with the current price, and its quotes and depth are around that price", async () => {
    await call("market_simulator", "next_tick", { count: 5000 });
    const symbol = "ETHZAR";
    const [before, history, quote, depth, after] = [
      await call("market_simulator", "get_price", { symbol }),
      await call("market_simulator", "get_history", { symbol, count: 1000 }),
      await call("market_simulator", "get_quote", { symbol }),
      await call("market_simulator", "get_depth", { symbol, levels: 3 }),
      await call("market_simulator", "get_price", { symbol }),
    ];
    expect(Number(before.tick)).toBeGreaterThanOrEqual(5000);
    expect(history.prices).toHaveLength(1000);
    // The price may change during the test.
    expect([before.price, after.price]).toContain((history.prices as number[]).at(-1));
    const { bids, asks } = depth as Record<"bids" | "asks", { price: number }[]>;
    const prices = [...bids.map(({ price }) => price).reverse(), ...asks.map(({ price }) => price)];
    expect(prices).toEqual([...prices].sort((a, b) => a - b));
    expect(prices).toHaveLength(6);
    expect(Number(quote.bid)).toBeLessThan(Number(quote.ask));
  });

  it.each([
    ["get_price", null],
    ["get_price", { symbol: "__proto__" }],
    ["get_history", { symbol: "BTCZAR", count: 1001 }],
    ["get_history", null],
    ["get_quote", { symbol: 7 }],
    ["get_depth", { symbol: "BTCZAR", levels: 0 }],
    ["next_tick", { count: -1 }],
  ])("the simulator reports %s(%j) as the caller's mistake", async (method, input) => {
    expect(await isMistake(call("market_simulator", method, input))).toBe(true);
  });

  it("the gateway quotes around the price, fails at the configured rate, and reports the caller's mistakes as such", async () => {
    const { bid, ask } = await call("exchange_gateway", "get_ticker", { symbol: "BTCZAR" });
    expect(Number(bid)).toBeLessThan(Number(ask));
    await call("exchange_gateway", "inject_fault", { calls: 1 });
    await expect(call("exchange_gateway", "get_ticker", { symbol: "BTCZAR" })).rejects.toThrow("503");
    await call("exchange_gateway", "get_ticker", { symbol: "BTCZAR" });
    expect(await isMistake(call("exchange_gateway", "get_ticker", { symbol: "DOGE" }))).toBe(true);
    expect(await isMistake(call("exchange_gateway", "inject_fault"))).toBe(true);
  });

  it("the simulator gives the same prices for the same seed, and lists the symbols that it knows", async () => {
    const history = async (): Promise<number[]> => {
      const { instance } = await engine.modules.startFresh("market_simulator");
      const input = { json: { symbol: "BTCZAR", count: 100 } };
      const output = await instance.invoke("get_history", input, { timeoutMs: 5000 });
      await instance.stop(1000);
      return (output as { json: { prices: number[] } }).json.prices;
    };
    const [first, second] = [await history(), await history()];
    expect(new Set(first).size).toBeGreaterThan(90);
    expect(second).toEqual(first);
    expect(await isMistake(call("market_simulator", "get_price", { symbol: "DOGE" }))).toBe(true);
  });
});
