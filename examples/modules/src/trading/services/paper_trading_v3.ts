import PaperTradingV2 from "./paper_trading_v2.ts";

/** Of the value of a fill. */
const FEE_RATE = 0.001;

/** As version 2, whose state it takes over, with fees and with profit and loss. */
export default class PaperTradingV3 extends PaperTradingV2 {
  static override readonly version: string = "3.0.0";

  /** What was won or lost by closing positions, fees taken off, and what the fees came to. */
  getPnl(): { realised_pnl: number; fees: number; average_prices: Record<string, number> } {
    const { realised_pnl, fees, positions } = this.book;
    const averages = [...positions].map(([symbol, { average_price }]) => [symbol, average_price] as const);
    return { realised_pnl, fees, average_prices: Object.fromEntries(averages) };
  }

  protected override _feeOf(value: number): number {
    return value * FEE_RATE;
  }
}
