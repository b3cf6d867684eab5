/** What a client asks for. */
export interface OrderRequest {
  /** The client's own: the same id is the same order. */
  readonly client_order_id: string;
  readonly symbol: string;
  readonly side: "buy" | "sell";
  readonly type: "market" | "limit";
  readonly quantity: number;
  /** Of a limit order: the worst price that is acceptable. */
  readonly limit_price?: number | null;
}

export interface Order extends OrderRequest {
  readonly order_id: string;
  readonly status: "open" | "filled" | "cancelled";
  readonly filled_price: number | null;
}

/** Everything that a paper trading service knows: plain data, so that the next version can take it over. */
export interface Book {
  last_id: number;
  /** By the client's order id. */
  orders: Record<string, Order>;
  /** By symbol; negative where more was sold than bought. */
  positions: Record<string, number>;
  /** What a unit of each position cost on average. */
  average_prices: Record<string, number>;
  cash: number;
  fees: number;
  realised_pnl: number;
}

export interface Fill {
  readonly order: Order;
  readonly price: number;
  readonly fee: number;
}

const STARTING_CASH = 1_000_000;

export function emptyBook(): Book {
  return {
    last_id: 0,
    orders: {},
    positions: {},
    average_prices: {},
    cash: STARTING_CASH,
    fees: 0,
    realised_pnl: 0,
  };
}

/** An order as it was sent, checked. */
export function readOrder(input: OrderRequest): OrderRequest {
  if (typeof input !== "object" || input === null) throw wrong("an order must be an object");
  const { client_order_id, symbol, side, type = "market", quantity, limit_price = null } = input;
  if (typeof client_order_id !== "string" || client_order_id === "") throw wrong("client_order_id must be a text");
  if (typeof symbol !== "string" || symbol === "") throw wrong("symbol must be a text");
  if (side !== "buy" && side !== "sell") throw wrong(`side must be buy or sell, not ${JSON.stringify(side)}`);
  if (type !== "market" && type !== "limit") throw wrong(`type must be market or limit, not ${JSON.stringify(type)}`);
  if (!isPositive(quantity)) throw wrong(`quantity must be above 0, not ${JSON.stringify(quantity)}`);
  if (type === "limit" && !isPositive(limit_price)) throw wrong("a limit order needs a limit_price above 0");
  return { client_order_id, symbol, side, type, quantity, limit_price: type === "limit" ? limit_price : null };
}

const isPositive = (value: unknown): boolean => typeof value === "number" && Number.isFinite(value) && value > 0;

/** The book after an order was filled: the order, the position and its average price, the cash, the profit. */
export function fill(book: Book, { order, price, fee }: Fill): Book {
  const { symbol, quantity } = order;
  const signed = order.side === "buy" ? quantity : -quantity;
  const held = book.positions[symbol] ?? 0;
  const average = book.average_prices[symbol] ?? 0;
  const position = rounded(held + signed);
  // What goes against the position held realises its profit; what is left over begins or adds to a position.
  const closed = Math.sign(held) === -Math.sign(signed) ? Math.min(Math.abs(held), quantity) : 0;
  const opened = quantity - closed;
  const profit = closed * (price - average) * Math.sign(held);
  const basis = closed === Math.abs(held) ? 0 : Math.abs(held) - closed;
  const averageNow = basis + opened === 0 ? 0 : (average * basis + price * opened) / (basis + opened);
  return {
    ...book,
    orders: { ...book.orders, [order.client_order_id]: { ...order, status: "filled", filled_price: price } },
    positions: { ...book.positions, [symbol]: position },
    average_prices: { ...book.average_prices, [symbol]: averageNow },
    cash: rounded(book.cash - signed * price - fee),
    fees: rounded(book.fees + fee),
    realised_pnl: rounded(book.realised_pnl + profit - fee),
  };
}

/** Keeps sums of decimal quantities free of binary dust. */
const rounded = (value: number): number => Math.round(value * 1e8) / 1e8;

/** An error that says that the caller was wrong, not the service. */
export function wrong(message: string): Error {
  return Object.assign(new Error(message), { callerFault: true });
}
