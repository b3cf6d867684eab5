import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, type Engine, isReason } from "../../src/core/index.ts";

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

async function call(name: string, method: string, input: unknown = null): Promise<Record<string, never>> {
  const { output } = await engine.modules.invoke(name, method, { json: input });
  return ("json" in output ? output.json : {}) as Record<string, never>;
}

const withSuite = Object.entries(MODULES).flatMap(([name, { suite }]) =>
  suite === undefined ? [] : [[name, suite] as const],
);

describe("the example", () => {
  it.each(withSuite)("%s passes the suite %s", async (name, suite) => {
    const { record } = await engine.testing.run(name, suite);
    expect(record.tests.filter(({ outcome }) => outcome !== "PASSED")).toEqual([]);
    expect(record.passed).toBe(true);
  });

  it("paper trading keeps cash and positions as its fills say", async () => {
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

  it("paper trading lets a limit order rest until the price is reached, and cancels it", async () => {
    const order = { client_order_id: "l-1", symbol: "BTCZAR", side: "buy", type: "limit", quantity: 1, limit_price: 1 };
    expect(await call("paper_trading_v2", "place_order", order)).toMatchObject({ status: "open", filled_price: null });
    expect(await call("paper_trading_v2", "match_orders")).toEqual({ filled: [] });
    expect(await call("paper_trading_v2", "cancel_order", order)).toMatchObject({ status: "cancelled" });
    const generous = { ...order, client_order_id: "l-2", limit_price: 1e9 };
    expect(await call("paper_trading_v2", "place_order", generous)).toMatchObject({ status: "filled" });
  });

  it("paper trading 3 takes over the book of 2, and adds fees and profit", async () => {
    const order = { client_order_id: "s-1", symbol: "XRPZAR", side: "buy", type: "market", quantity: 100 };
    const placed = await call("paper_trading_v2", "place_order", order);
    const { swapped } = await engine.modules.swap("paper_trading_v2", {
      newVersionPath: "src.trading.services.paper_trading_v3",
    });
    expect(swapped).toBe(true);
    expect(await call("paper_trading_v2", "get_order", { client_order_id: "s-1" })).toEqual(placed);
    const sold = await call("paper_trading_v2", "place_order", { ...order, client_order_id: "s-2", side: "sell" });
    const value = 100 * Number(sold.filled_price);
    const { realised_pnl, fees } = await call("paper_trading_v2", "get_pnl");
    expect(Number(fees)).toBeCloseTo(value * 0.001, 6);
    expect(Number(realised_pnl)).toBeLessThanOrEqual(value);
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

  it("the simulator gives the same prices for the same seed, and tells which symbols it knows", async () => {
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
    const error = await call("market_simulator", "get_price", { symbol: "DOGE" }).catch((thrown: unknown) => thrown);
    expect(isReason(error, "MODULE_METHOD_FAILED") && error.metadata.caller_fault).toBe("true");
  });
});
