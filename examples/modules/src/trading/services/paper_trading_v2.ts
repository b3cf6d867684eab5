import type { HeliosModule, ModuleContext } from "helios/module";
import {
  type Book,
  emptyBook,
  type Fill,
  fill,
  type Order,
  type OrderRequest,
  readOrder,
  wrong,
} from "./paper/book.ts";

/**
 * Trades on paper: market orders fill at once at the simulator's price, limit orders rest until the price crosses them.
 * An order is known by its client's id: sent twice, it is one order.
 */
export default class PaperTradingV2 implements HeliosModule {
  static readonly version: string = "2.0.0";
  #ctx: ModuleContext | undefined;
  protected book: Book = emptyBook();

  start(ctx: ModuleContext): void {
    this.#ctx = ctx;
  }

  /** Places an order; the answer's status is `filled` or `open`. */
  async placeOrder(input: OrderRequest): Promise<Order> {
    const request = readOrder(input);
    const known = this.book.orders[request.client_order_id];
    if (known !== undefined) return known;
    const price = await this.#priceOf(request.symbol);
    // Another call with the same id may have been faster while the price was asked for.
    const meanwhile = this.book.orders[request.client_order_id];
    if (meanwhile !== undefined) return meanwhile;
    const order: Order = { ...request, order_id: `order-${++this.book.last_id}`, status: "open", filled_price: null };
    this.book.orders[request.client_order_id] = order;
    return this.#tryToFill(order, price);
  }

  /** Takes an open order out of the market. */
  cancelOrder(input: { client_order_id: string }): Order {
    const order = this.getOrder(input);
    if (order.status === "filled") throw wrong(`order ${order.client_order_id} is filled already`);
    return this.#keep({ ...order, status: "cancelled" });
  }

  getOrder(input: { client_order_id: string }): Order {
    const order = this.book.orders[input?.client_order_id];
    if (order === undefined) throw wrong(`there is no order ${JSON.stringify(input?.client_order_id)}`);
    return order;
  }

  listOrders(): { orders: Order[] } {
    return { orders: Object.values(this.book.orders) };
  }

  /** What is held, by symbol, and the cash that is left. */
  getPositions(): { positions: Record<string, number>; cash: number } {
    return { positions: this.book.positions, cash: this.book.cash };
  }

  /** Fills the open orders that the price has crossed; the answer lists them. */
  async matchOrders(): Promise<{ filled: Order[] }> {
    const filled: Order[] = [];
    for (const { client_order_id, symbol } of this.listOrders().orders.filter(({ status }) => status === "open")) {
      const price = await this.#priceOf(symbol);
      const order = this.getOrder({ client_order_id });
      if (order.status === "open" && this.#tryToFill(order, price).status === "filled") {
        filled.push(this.getOrder({ client_order_id }));
      }
    }
    return { filled };
  }

  exportState(): Book {
    return this.book;
  }

  importState(state: Book): void {
    this.book = { ...emptyBook(), ...state };
  }

  /** What a fill costs beside its price. */
  protected _feeOf(_value: number): number {
    return 0;
  }

  #tryToFill(order: Order, price: number): Order {
    const crosses =
      order.side === "buy" ? price <= (order.limit_price ?? price) : price >= (order.limit_price ?? price);
    if (!crosses) return order;
    const filled: Fill = { order, price, fee: this._feeOf(price * order.quantity) };
    this.book = fill(this.book, filled);
    return this.getOrder(order);
  }

  #keep(order: Order): Order {
    this.book.orders[order.client_order_id] = order;
    return order;
  }

  async #priceOf(symbol: string): Promise<number> {
    const quote = (await this.#ctx?.call("market_simulator", "get_price", { symbol })) as { price: number };
    return quote.price;
  }
}
