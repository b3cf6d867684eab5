import { formatValue, type Setting, type TestInstance, type Values } from "../suite.ts";
import { expect, member } from "./checks.ts";

export const TRADING_SETTINGS = {
  place_order: { standard: "place_order", about: "The method that places an order." },
  cancel_order: { standard: "cancel_order", about: "The method that cancels an order. Optional." },
  get_positions: { standard: "get_positions", about: "The method that returns the positions. Optional." },
  list_orders: { standard: "list_orders", about: "The method that lists all orders. Optional." },
  order: {
    standard: { symbol: "BTCZAR", side: "buy", type: "market", quantity: 0.01 } as Readonly<Record<string, unknown>>,
    about: "A valid order that fills at once, except for its client's id, which each test adds.",
  },
  client_order_id_field: { standard: "client_order_id", about: "The field of an order that has the client's id." },
  symbol_field: { standard: "symbol", about: "The field of an order that has its symbol." },
  side_field: { standard: "side", about: "The field of an order that has its side." },
  quantity_field: { standard: "quantity", about: "The field of an order that has its quantity, a number above 0." },
  buy: { standard: "buy", about: "The side that adds to a position." },
  sell: { standard: "sell", about: "The side that reduces a position." },
  order_id_field: { standard: "order_id", about: "The field of the answer to an order that has its id." },
  status_field: { standard: "status", about: "The field of the answer to an order that has its status." },
  accepted: {
    standard: ["filled", "open", "accepted"] as readonly unknown[],
    about: "The statuses of an accepted order.",
  },
  positions_field: {
    standard: "positions",
    about:
      "The field of the answer that has the positions: an object by symbol, with numbers or with objects that have a `quantity`.",
  },
  orders_field: { standard: "orders", about: "The field of the answer that has the list of orders." },
  unknown_symbol: { standard: "NOSUCHSYMBOL", about: "A symbol that is not traded." },
  concurrent_orders: { standard: 50, about: "The number of orders that are sent at once." },
  latency_orders: { standard: 500, about: "The number of orders that are measured." },
  p99_budget_ms: { standard: 500, about: "The maximum duration of 99 % of the orders, in ms." },
} satisfies Record<string, Setting>;

export type TradingConfig = Values<typeof TRADING_SETTINGS>;

/** An order that was accepted. */
export interface Placed {
  readonly client_order_id: string;
  readonly order_id: unknown;
  readonly answer: unknown;
}

/** Places orders on a trading service, and reads its positions and orders, by the suite's settings. */
export interface Desk {
  /** The quantity of the sample order. */
  readonly quantity: number;
  /** How much so many sample orders add to the position. */
  signed(orders: number): number;
  /** The sample order with a new client's id. */
  order(changes?: object, id?: string): Readonly<Record<string, unknown>>;
  /** A reference to an order that was never placed. */
  reference(): Readonly<Record<string, unknown>>;
  /** Places an order, which must be accepted. */
  place(instance: TestInstance, changes?: object, id?: string): Promise<Placed>;
  /** The position in the sample's symbol; 0 if the module has no method for positions. */
  position(instance: TestInstance): Promise<number>;
  expectPosition(instance: TestInstance, expected: number): Promise<void>;
  /** Fails unless each order is listed exactly once. Does nothing if the module has no method that lists orders. */
  expectListed(instance: TestInstance, clientOrderIds: readonly string[]): Promise<void>;
  /** The positions, and the clients' ids of all orders, as far as the module has methods for them. */
  state(instance: TestInstance): Promise<unknown>;
}

export function createDesk(config: TradingConfig, idPrefix: string): Desk {
  const { place_order, get_positions, list_orders, accepted, client_order_id_field } = config;
  const { positions_field, orders_field } = config;
  const symbol = String(config.order[config.symbol_field]);
  const quantity = Number(config.order[config.quantity_field]);
  const sign = config.order[config.side_field] === config.sell ? -1 : 1;
  let lastId = 0;
  const nextId = (): string => `helios-test-${idPrefix}-${++lastId}`;

  const positions = async (instance: TestInstance): Promise<object> => {
    const answer = await instance.call(get_positions);
    const held = member(answer, positions_field);
    expect(typeof held === "object" && held !== null, `${get_positions} answered ${formatValue(answer)}`);
    return held;
  };
  const listed = async (instance: TestInstance): Promise<unknown[]> => {
    const answer = await instance.call(list_orders);
    const orders = member(answer, orders_field);
    expect(Array.isArray(orders), `${list_orders} answered ${formatValue(answer)}`);
    return orders.map((order) => member(order, client_order_id_field));
  };

  const desk: Desk = {
    quantity,
    signed: (orders) => orders * quantity * sign,
    order: (changes = {}, id = nextId()) => ({ ...config.order, [client_order_id_field]: id, ...changes }),
    reference: () => ({ [client_order_id_field]: nextId() }),
    async place(instance, changes = {}, id = nextId()) {
      expect(
        quantity > 0,
        `${config.quantity_field} of the sample order is ${formatValue(quantity)}, not a number above 0`,
      );
      const answer = await instance.call(place_order, desk.order(changes, id));
      const isAccepted = accepted.includes(member(answer, config.status_field));
      expect(isAccepted, `a valid order was answered by ${formatValue(answer)}`);
      const order_id = member(answer, config.order_id_field);
      expect(
        order_id !== undefined && order_id !== null,
        `an order got no ${config.order_id_field}: ${formatValue(answer)}`,
      );
      return { client_order_id: id, order_id, answer };
    },
    async position(instance) {
      if (!instance.hasMethod(get_positions)) return 0;
      const held = member(await positions(instance), symbol);
      return Number(typeof held === "object" ? (member(held, "quantity") ?? 0) : (held ?? 0));
    },
    async expectPosition(instance, expected) {
      if (!instance.hasMethod(get_positions)) return;
      const now = await desk.position(instance);
      const close = Math.abs(now - expected) <= 1e-6 * Math.max(1, Math.abs(expected));
      expect(close, `the position is ${now}, not ${expected}`);
    },
    async expectListed(instance, clientOrderIds) {
      if (!instance.hasMethod(list_orders)) return;
      const orders = await listed(instance);
      const wrong = clientOrderIds.filter((id) => orders.filter((each) => each === id).length !== 1);
      const [first] = wrong;
      expect(
        first === undefined,
        `of ${clientOrderIds.length} orders ${wrong.length} are not listed once: ${first}, …`,
      );
    },
    async state(instance) {
      return {
        ...(instance.hasMethod(get_positions) ? { positions: await positions(instance) } : {}),
        ...(instance.hasMethod(list_orders) ? { orders: await listed(instance) } : {}),
      };
    },
  };
  return desk;
}
