import type { HeliosModule, ModuleContext } from "helios/module";
import { wrong } from "./paper/book.ts";
import { priceOf } from "./paper/price.ts";

/** The spread on one side: a buyer pays this much above the middle price, a seller gets this much below it. */
const HALF_SPREAD = 0.0005;

/**
 * Stands in for the connection to an exchange. It quotes the simulator's prices. It can be made to fail, to show how
 * the rest of the system behaves when the exchange is down.
 */
export default class ExchangeGateway implements HeliosModule {
  static readonly version = "1.0.0";
  #ctx: ModuleContext | undefined;
  #failuresLeft = 0;

  start(ctx: ModuleContext): void {
    this.#ctx = ctx;
  }

  /** The best bid and ask of a symbol. */
  async getTicker(input: { symbol: string }): Promise<{ symbol: string; bid: number; ask: number }> {
    if (this.#failuresLeft > 0) {
      this.#failuresLeft -= 1;
      throw new Error("503 Service Unavailable");
    }
    const price = await priceOf(this.#ctx, input?.symbol);
    return { symbol: input.symbol, bid: price * (1 - HALF_SPREAD), ask: price * (1 + HALF_SPREAD) };
  }

  /** Makes the next `calls` calls of `getTicker` fail. */
  injectFault(input: { calls: number }): { failing_calls: number } {
    if (!Number.isInteger(input?.calls) || input.calls < 0) throw wrong("calls must be a whole number, at least 0");
    this.#failuresLeft = input.calls;
    return { failing_calls: input.calls };
  }
}
