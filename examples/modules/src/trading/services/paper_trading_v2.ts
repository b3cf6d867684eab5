import type { HeliosModule, ModuleContext } from "helios/module";
import { type Book, crosses, emptyBook, fill, type Order, type OrderRequest, readOrder, wrong } from "./paper/book.ts";
import { priceOf } from "./paper/price.ts";

/**
 * Paper trading on margin. Market orders fill at once at the simulator's price. Limit orders wait, and fill when
 * somebody reads them or their positions after the price has crossed their limit. An order is identified by its
 * client's id: sending it twice is one order.
 */
export default class PaperTradingV2 implements HeliosModule {
  static readonly version: string = "2.0.0";
  #ctx: ModuleContext | undefined;
  protected book: Book = emptyBook();

  start(ctx: ModuleContext): void {
    this.#ctx = ctx;
  }

  /** Places an order. The status of the answer is `filled` or `open`. */
  async placeOrder(input: OrderRequest): Promise<Order> {
    const request = readOrder(input);
    const { client_order_id, symbol } = request;
    const known = this.book.orders.get(client_order_id);
    if (known !== undefined) return known;
    const price = await priceOf(this.#ctx, symbol);
    // Another call with the same id may have placed the order while this one awaited the price.
    const meanwhile = this.book.orders.get(client_order_id);
    if (meanwhile !== undefined) return meanwhile;
    this.book.last_id += 1;
    const order: Order = { ...request, order_id: `order-${this.book.last_id}`, status: "open", filled_price: null };
    this.book.orders.set(client_order_id, order);
    return this.#tryToFill(order, price);
  }

  /** Cancels an open order. */
  cancelOrder(input: { client_order_id: string }): Order {
    const order = this.#find(input);
    if (order.status === "filled") throw wrong(`order ${order.client_order_id} is filled already`);
    const cancelled: Order = { ...order, status: "cancelled" };
    this.book.orders.set(order.client_order_id, cancelled);
    return cancelled;
  }

  async getOrder(input: { client_order_id: string }): Promise<Order> {
    this.#find(input);
    await this.#refresh();
    return this.#find(input);
  }

  /** All orders, in the order in which they were placed. */
  async listOrders(): Promise<{ orders: Order[] }> {
    await this.#refresh();
    return { orders: [...this.book.orders.values()] };
  }

  /** The positions by symbol, and the remaining cash. */
  async getPositions(): Promise<{ positions: Record<string, number>; cash: number }> {
    await this.#refresh();
    const held = [...this.book.positions].map(([symbol, { quantity }]) => [symbol, quantity] as const);
    return { positions: Object.fromEntries(held), cash: this.book.cash };
  }

  /** Fills the open orders whose limit the price has crossed, and returns them. */
  async matchOrders(): Promise<{ filled: Order[] }> {
    const filled: Order[] = [];
    for (const symbol of new Set(this.#open().map((order) => order.symbol))) {
      const price = await priceOf(this.#ctx, symbol);
      for (const order of this.#open().filter((each) => each.symbol === symbol)) {
        const tried = this.#tryToFill(order, price);
        if (tried.status === "filled") filled.push(tried);
      }
    }
    return { filled };
  }

  exportState(): Book {
    return this.book;
  }

  importState(state: Book): void {
    if (!(state?.orders instanceof Map && state.positions instanceof Map)) throw new Error("the state has no orders");
    this.book = { ...emptyBook(), ...state };
  }

  /** The fee for a fill. */
  protected _feeOf(_value: number): number {
    return 0;
  }

  /** If the simulator gives no price, the caller still gets the last known state. */
  async #refresh(): Promise<void> {
    try {
      await this.matchOrders();
    } catch (error) {
      this.#ctx?.log.warn("open orders were not matched", { error: (error as Error).message });
    }
  }

  #open(): Order[] {
    return [...this.book.orders.values()].filter(({ status }) => status === "open");
  }

  #tryToFill(order: Order, price: number): Order {
    return crosses(order, price) ? fill(this.book, order, price, this._feeOf(price * order.quantity)) : order;
  }

  #find(input: { client_order_id: string }): Order {
    const order = this.book.orders.get(input?.client_order_id);
    if (order === undefined) throw wrong(`there is no order ${JSON.stringify(input?.client_order_id)}`);
    return order;
  }
}
