import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Book,
  crosses,
  emptyBook,
  fill,
  type OrderRequest,
  readOrder,
  STARTING_CASH,
} from "../../examples/modules/src/trading/services/paper/book.ts";

let lastId = 0;

function trade(book: Book, side: "buy" | "sell", quantity: number, price: number, fee = 0): void {
  lastId += 1;
  const client_order_id = `id-${lastId}`;
  const request = readOrder({ client_order_id, symbol: "X", side, type: "market", quantity });
  fill(book, { ...request, order_id: client_order_id, status: "open", filled_price: null }, price, fee);
}

describe("the book of paper trading", () => {
  it("averages purchases, realises sales, and starts over when a position changes its sign", () => {
    const book = emptyBook();
    trade(book, "buy", 1, 100);
    trade(book, "buy", 3, 120);
    expect(book.positions.get("X")).toEqual({ quantity: 4, average_price: 115 });
    trade(book, "sell", 1, 125, 2);
    expect(book.positions.get("X")).toEqual({ quantity: 3, average_price: 115 });
    expect([book.realised_pnl, book.fees]).toEqual([8, 2]);
    trade(book, "sell", 5, 110);
    expect(book.positions.get("X")).toEqual({ quantity: -2, average_price: 110 });
    expect(book.realised_pnl).toBe(-7);
    trade(book, "buy", 2, 100);
    expect(book.positions.has("X")).toBe(false);
    expect([book.realised_pnl, book.cash]).toEqual([13, STARTING_CASH + 13]);
  });

  const trades = fc.array(
    fc.record({
      side: fc.constantFrom<"buy" | "sell">("buy", "sell"),
      quantity: fc.integer({ min: 1, max: 1000 }).map((steps) => steps / 100),
      price: fc.integer({ min: 1, max: 100_000 }).map((steps) => steps / 100),
      fee: fc.integer({ min: 0, max: 100 }).map((steps) => steps / 100),
    }),
    { maxLength: 50 },
  );

  it("always balances: cash and position match the trades, and profit matches cash and costs", () => {
    fc.assert(
      fc.property(trades, (each) => {
        const book = emptyBook();
        let [quantity, spent, fees] = [0, 0, 0];
        for (const { side, quantity: traded, price, fee } of each) {
          trade(book, side, traded, price, fee);
          const signed = side === "buy" ? traded : -traded;
          [quantity, spent, fees] = [quantity + signed, spent + signed * price, fees + fee];
        }
        const held = book.positions.get("X") ?? { quantity: 0, average_price: 0 };
        expect(held.quantity).toBeCloseTo(quantity, 6);
        expect(book.cash).toBeCloseTo(STARTING_CASH - spent - fees, 4);
        expect(book.fees).toBeCloseTo(fees, 6);
        expect(book.realised_pnl).toBeCloseTo(book.cash - STARTING_CASH + held.quantity * held.average_price, 4);
        expect(book.orders.size).toBe(each.length);
      }),
    );
  });

  it("fills a limit order at its limit or better, and any market order", () => {
    const order = (side: "buy" | "sell", limit_price: number | null): OrderRequest => ({
      client_order_id: "1",
      symbol: "X",
      side,
      type: limit_price === null ? "market" : "limit",
      quantity: 1,
      limit_price,
    });
    expect([99, 100, 101].map((price) => crosses(order("buy", 100), price))).toEqual([true, true, false]);
    expect([99, 100, 101].map((price) => crosses(order("sell", 100), price))).toEqual([false, true, true]);
    expect(crosses(order("buy", null), 1e9)).toBe(true);
  });
});
