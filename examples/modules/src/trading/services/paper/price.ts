import type { ModuleContext } from "helios/module";
import { wrong } from "./book.ts";

/** The simulator's price of a symbol now. */
export async function priceOf(ctx: ModuleContext | undefined, symbol: string): Promise<number> {
  try {
    const quote = await ctx?.call("market_simulator", "get_price", { symbol });
    return (quote as { price: number }).price;
  } catch (error) {
    // All that the simulator itself refuses is a symbol, and that came from our caller.
    const { code, message } = error as { code?: string; message: string };
    throw code === "MODULE_METHOD_FAILED" ? wrong(message) : error;
  }
}
