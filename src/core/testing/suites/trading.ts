import {
  type BuiltInSuite,
  DEFAULT_TIMEOUT_MS,
  expect,
  expectCleanError,
  LIFE_TESTS,
  p99,
  type Test,
  type TestInstance,
  told,
} from "../suite.ts";

const DEFAULT_CONFIG = {
  /** Methods, by what they do. */
  place_order: "place_order",
  cancel_order: "cancel_order",
  get_positions: "get_positions",
  /** An order that is valid but for its client_order_id, which each test gives. */
  order: { symbol: "BTCZAR", side: "buy", type: "market", quantity: 0.01 },
  /** What an order answers when it was accepted. */
  accepted: ["filled", "open", "accepted"],
  unknown_symbol: "NOSUCHSYMBOL",
  concurrent_orders: 50,
  latency_orders: 100,
  p99_budget_ms: 500,
};

type Config = typeof DEFAULT_CONFIG;

interface OrderAnswer {
  readonly order_id?: unknown;
  readonly status?: unknown;
}

/** What a trading service must be able to do. */
export const tradingSuite: BuiltInSuite = {
  name: "trading",
  description: "Trading services: orders are accepted, refused, filled and counted as they should be.",
  defaultConfig: DEFAULT_CONFIG,
  tests: (config, idPrefix) => [...LIFE_TESTS, ...orderTests({ ...DEFAULT_CONFIG, ...config } as Config, idPrefix)],
};

function orderTests(config: Config, idPrefix: string): Test[] {
  const { place_order, cancel_order, get_positions, order, accepted } = config;
  const { symbol, quantity } = order;
  let lastId = 0;
  const nextId = (): string => `helios-test-${idPrefix}-${++lastId}`;
  const place = async (instance: TestInstance, changes: object = {}): Promise<OrderAnswer> => {
    const answer = (await instance.call(place_order, {
      ...order,
      client_order_id: nextId(),
      ...changes,
    })) as OrderAnswer;
    expect(accepted.includes(String(answer?.status)), `a valid order was answered by ${told(answer)}`);
    return answer;
  };
  const position = async (instance: TestInstance): Promise<number> => {
    if (!instance.hasMethod(get_positions)) return 0;
    const { positions = {} } = (await instance.call(get_positions)) as { positions?: Record<string, unknown> };
    const held = positions[symbol];
    return Number(typeof held === "object" && held !== null ? (held as { quantity?: unknown }).quantity : (held ?? 0));
  };
  const grown = async (instance: TestInstance, before: number, orders: number): Promise<void> => {
    if (!instance.hasMethod(get_positions)) return;
    const [now, expected] = [await position(instance), before + orders * quantity * (order.side === "buy" ? 1 : -1)];
    expect(Math.abs(now - expected) < 1e-6, `the position is ${now}, not ${expected}`);
  };
  const refused = (changes: object) => async (instance: TestInstance) => {
    const before = await position(instance);
    const answer = await expectCleanError(instance, place_order, { ...order, client_order_id: nextId(), ...changes });
    await grown(instance, before, 0);
    await place(instance);
    return answer;
  };
  const test = (name: string, description: string, run: Test["run"], more: Partial<Test> = {}): Test => ({
    name,
    description,
    required: true,
    timeoutMs: DEFAULT_TIMEOUT_MS,
    method: place_order,
    run,
    ...more,
  });

  return [
    test("accepts_valid_order", "A valid order is accepted.", (instance) => place(instance)),
    test(
      "rejects_negative_quantity",
      "An order of a negative quantity is refused, and nothing is lost.",
      refused({ quantity: -1 }),
    ),
    test(
      "rejects_unknown_symbol",
      "An order of an unknown symbol is refused, and nothing is lost.",
      refused({ symbol: config.unknown_symbol }),
    ),
    test("same_client_order_id_is_one_order", "An order that is sent twice is one order.", async (instance) => {
      const [before, client_order_id] = [await position(instance), nextId()];
      const first = await place(instance, { client_order_id });
      const second = await place(instance, { client_order_id });
      expect(first.order_id === second.order_id, `it was given the ids ${told([first.order_id, second.order_id])}`);
      await grown(instance, before, 1);
      return second;
    }),
    test(
      "cancel_of_unknown_order_is_clean_error",
      "To cancel an order that is not there is an error, and no more.",
      (instance) => expectCleanError(instance, cancel_order, { client_order_id: nextId() }),
      { method: cancel_order, methodOptional: true },
    ),
    test(
      "positions_add_up",
      "After fills the position is their sum.",
      async (instance) => {
        const before = await position(instance);
        for (let count = 0; count < 3; count += 1) await place(instance);
        await grown(instance, before, 3);
      },
      { method: get_positions, methodOptional: true },
    ),
    test(
      "p99_latency",
      "99 of 100 orders are answered within the budget.",
      async (instance) => {
        const durations: number[] = [];
        for (let count = 0; count < config.latency_orders; count += 1) {
          const start = instance.now();
          await place(instance);
          durations.push(instance.now() - start);
        }
        const slowest = p99(durations);
        expect(slowest <= config.p99_budget_ms, `p99 is ${slowest.toFixed(1)} ms, over ${config.p99_budget_ms} ms`);
        return { p99_ms: slowest };
      },
      { timeoutMs: 60_000 },
    ),
    test(
      "concurrent_orders_lose_none",
      "Orders at the same time are all kept, each once.",
      async (instance) => {
        const before = await position(instance);
        const count = config.concurrent_orders;
        const answers = await Promise.all(Array.from({ length: count }, () => place(instance)));
        const ids = new Set(answers.map(({ order_id }) => order_id));
        expect(ids.size === count, `${count} orders got ${ids.size} different ids`);
        await grown(instance, before, count);
      },
      { timeoutMs: 60_000 },
    ),
  ];
}
