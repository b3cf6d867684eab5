import type { ModuleContext } from "helios/module";
import { wrong } from "./book.ts";

/** The simulator's current price of a symbol. */
export async function priceOf(ctx: ModuleContext | undefined, symbol: string): Promise<number> {
  try {
    const quote = await ctx?.call("market_simulator", "get_price", { symbol });
    return (quote as { price: number }).price;
  } catch (error) {
    // The simulator refuses only unknown symbols, and the symbol came from our caller.
    const { code, message } = error as { code?: string; message: string };
    throw code === "MODULE_METHOD_FAILED" ? wrong(message) : error;
  }
}
