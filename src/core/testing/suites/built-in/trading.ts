import { canonicalJson } from "../../../json/canonical.ts";
import { type BuiltInSuite, formatValue, type Test, type TestInstance, valuesOf } from "../suite.ts";
import { expect, expectCleanError, expectLatency, LIFE_TESTS, LONG_TIMEOUT_MS, testsOf } from "./checks.ts";
import { createDesk, type Desk, TRADING_SETTINGS, type TradingConfig } from "./trading-desk.ts";

/** Tests for trading services. */
export const tradingSuite: BuiltInSuite = {
  name: "trading",
  description: "Trading services: orders are accepted, refused, filled and counted correctly.",
  settings: TRADING_SETTINGS,
  tests: (config, idPrefix) => {
    const values = valuesOf(TRADING_SETTINGS, config);
    return [...LIFE_TESTS, ...orderTests(values, createDesk(values, idPrefix))];
  },
};

function orderTests(config: TradingConfig, desk: Desk): Test[] {
  const { place_order, cancel_order, get_positions, quantity_field, symbol_field, side_field } = config;
  const test = testsOf(place_order);
  /** Fails unless a refused request leaves positions and orders unchanged, and an earlier order known. */
  const refused = (call: (instance: TestInstance) => Promise<string>) => async (instance: TestInstance) => {
    const kept = await desk.place(instance);
    const before = await desk.state(instance);
    const answer = await call(instance);
    const after = await desk.state(instance);
    expect(
      canonicalJson(after) === canonicalJson(before),
      `the state was ${formatValue(before)}, and is now ${formatValue(after)}`,
    );
    const again = await desk.place(instance, {}, kept.client_order_id);
    expect(again.order_id === kept.order_id, `an order from before got a second id, ${formatValue(again.order_id)}`);
    await desk.place(instance);
    return answer;
  };
  const refusedOrder = (changes: object) =>
    refused((instance) => expectCleanError(instance, place_order, desk.order(changes)));
  const { buy, sell } = config;
  const [one, opposite] = [desk.quantity, config.order[side_field] === sell ? buy : sell];

  return [
    test("accepts_valid_order", "A valid order is accepted: `order` gets an accepted status and an id.", (instance) =>
      desk.place(instance).then(({ answer }) => answer),
    ),
    test(
      "rejects_negative_quantity",
      "An order with a negative quantity is refused without loss of state: positions and orders are unchanged, an earlier order is still known, and the next one is accepted.",
      refusedOrder({ [quantity_field]: -one }),
    ),
    test(
      "rejects_unknown_symbol",
      "An order for an unknown symbol is refused without loss of state: positions and orders are unchanged, an earlier order is still known, and the next one is accepted.",
      refusedOrder({ [symbol_field]: config.unknown_symbol }),
    ),
    test(
      "same_client_order_id_is_one_order",
      "An order that is sent twice is one order: one id, one fill, one entry in the list of orders.",
      async (instance) => {
        const before = await desk.position(instance);
        const first = await desk.place(instance);
        const second = await desk.place(instance, {}, first.client_order_id);
        const ids = [first.order_id, second.order_id];
        expect(first.order_id === second.order_id, `the order got the ids ${formatValue(ids)}`);
        await desk.expectPosition(instance, before + desk.signed(1));
        await desk.expectListed(instance, [first.client_order_id]);
        return second.answer;
      },
    ),
    test(
      "cancel_of_unknown_order_is_clean_error",
      "Canceling an unknown order is a clean error, and changes nothing.",
      refused((instance) => expectCleanError(instance, cancel_order, desk.reference())),
      { method: cancel_order, methodOptional: true },
    ),
    test(
      "positions_add_up",
      "After fills, the position is their sum: two orders with different quantities, then one on the other side.",
      async (instance) => {
        const before = await desk.position(instance);
        await desk.place(instance);
        await desk.place(instance, { [quantity_field]: 2 * one });
        await desk.expectPosition(instance, before + desk.signed(3));
        await desk.place(instance, { [side_field]: opposite });
        await desk.expectPosition(instance, before + desk.signed(2));
      },
      { method: get_positions, methodOptional: true },
    ),
    test(
      "p99_latency",
      "99 % of `latency_orders`, sent one after the other, take at most `p99_budget_ms`.",
      (instance) => expectLatency(instance, config.latency_orders, config.p99_budget_ms, () => desk.place(instance)),
      { timeoutMs: LONG_TIMEOUT_MS },
    ),
    test(
      "concurrent_orders_lose_none",
      "None of `concurrent_orders`, sent at once, is lost: each has its own id, each is filled and listed once, and each is still known when it is sent again.",
      async (instance) => {
        const before = await desk.position(instance);
        const count = config.concurrent_orders;
        const placed = await Promise.all(Array.from({ length: count }, () => desk.place(instance)));
        const ids = new Set(placed.map(({ order_id }) => order_id));
        expect(ids.size === count, `${count} orders got ${ids.size} different ids`);
        await desk.expectPosition(instance, before + desk.signed(count));
        await desk.expectListed(
          instance,
          placed.map(({ client_order_id }) => client_order_id),
        );
        const again = await Promise.all(placed.map(({ client_order_id }) => desk.place(instance, {}, client_order_id)));
        const lost = again.filter(({ order_id }, index) => order_id !== placed[index]?.order_id);
        expect(lost.length === 0, `${lost.length} of ${count} orders were not known when they were sent again`);
      },
      { timeoutMs: LONG_TIMEOUT_MS },
    ),
  ];
}
