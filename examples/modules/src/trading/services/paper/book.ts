/** An order as a client sends it. */
export interface OrderRequest {
  /** The client's own id. The same id is the same order. */
  readonly client_order_id: string;
  readonly symbol: string;
  readonly side: "buy" | "sell";
  readonly type: "market" | "limit";
  readonly quantity: number;
  /** For a limit order: the worst acceptable price. */
  readonly limit_price?: number | null;
}

export interface Order extends OrderRequest {
  readonly order_id: string;
  readonly status: "open" | "filled" | "cancelled";
  readonly filled_price: number | null;
}

export interface Position {
  /** Negative if more was sold than bought. */
  readonly quantity: number;
  /** The average price of a unit. */
  readonly average_price: number;
}

/** The whole state of a paper trading service. It is plain data, so that the next version can take it over. */
export interface Book {
  last_id: number;
  /** Orders by the client's order id. */
  readonly orders: Map<string, Order>;
  /** Positions by symbol. Closed positions are removed. */
  readonly positions: Map<string, Position>;
  /** Below zero if purchases exceeded the cash: margin is free in paper trading. */
  cash: number;
  fees: number;
  /** Profit or loss from closed positions, after fees. */
  realised_pnl: number;
}

export const STARTING_CASH = 1_000_000;

/** Quantities are rounded to eight decimals, as exchanges do. */
const PLACES = 1e8;
const MAX_QUANTITY = 1e9;
const MAX_PRICE = 1e12;
const MAX_ID = 128;

export function emptyBook(): Book {
  return { last_id: 0, orders: new Map(), positions: new Map(), cash: STARTING_CASH, fees: 0, realised_pnl: 0 };
}

/** A validated order. */
export function readOrder(input: OrderRequest): OrderRequest {
  if (typeof input !== "object" || input === null) throw wrong("an order must be an object");
  const { client_order_id, symbol, side, type = "market", quantity, limit_price = null } = input;
  if (typeof client_order_id !== "string" || client_order_id === "" || client_order_id.length > MAX_ID) {
    throw wrong(`client_order_id must be a text of at most ${MAX_ID} characters`);
  }
  if (typeof symbol !== "string" || symbol === "") throw wrong("symbol must be a text");
  if (side !== "buy" && side !== "sell") throw wrong(`side must be buy or sell, not ${JSON.stringify(side)}`);
  if (type !== "market" && type !== "limit") throw wrong(`type must be market or limit, not ${JSON.stringify(type)}`);
  if (!isBetween(quantity, 1 / PLACES, MAX_QUANTITY)) {
    throw wrong(`quantity must be from ${1 / PLACES} to ${MAX_QUANTITY}, not ${JSON.stringify(quantity)}`);
  }
  if (type === "limit" && !isBetween(limit_price, 1 / PLACES, MAX_PRICE)) {
    throw wrong(`a limit order needs a limit_price above 0, at most ${MAX_PRICE}`);
  }
  const price = type === "limit" ? limit_price : null;
  return { client_order_id, symbol, side, type, quantity: rounded(quantity), limit_price: price };
}

const isBetween = (value: unknown, least: number, most: number): boolean =>
  typeof value === "number" && value >= least && value <= most;

/** Whether an order can be filled at this price. */
export function crosses({ side, limit_price }: OrderRequest, price: number): boolean {
  const limit = limit_price ?? price;
  return side === "buy" ? price <= limit : price >= limit;
}

/** Fills an order. The order, its position, the cash and the profit change together. */
export function fill(book: Book, order: Order, price: number, fee: number): Order {
  const { symbol, quantity } = order;
  const signed = order.side === "buy" ? quantity : -quantity;
  const held = book.positions.get(symbol) ?? { quantity: 0, average_price: 0 };
  // The part that reduces the position realizes its profit. The rest opens or enlarges a position.
  const closed = Math.sign(held.quantity) === -Math.sign(signed) ? Math.min(Math.abs(held.quantity), quantity) : 0;
  const [kept, opened] = [Math.abs(held.quantity) - closed, quantity - closed];
  const position = rounded(held.quantity + signed);
  if (position === 0) book.positions.delete(symbol);
  else {
    const average_price = (held.average_price * kept + price * opened) / (kept + opened);
    book.positions.set(symbol, { quantity: position, average_price });
  }
  const profit = closed * (price - held.average_price) * Math.sign(held.quantity);
  book.cash = rounded(book.cash - signed * price - fee);
  book.fees = rounded(book.fees + fee);
  book.realised_pnl = rounded(book.realised_pnl + profit - fee);
  const filled: Order = { ...order, status: "filled", filled_price: price };
  book.orders.set(order.client_order_id, filled);
  return filled;
}

/** Removes the binary rounding error from sums of decimal quantities. */
const rounded = (value: number): number => Math.round(value * PLACES) / PLACES;

/** An error that blames the caller, not the service. */
export function wrong(message: string): Error {
  return Object.assign(new Error(message), { callerFault: true });
}
