import PaperTradingV2 from "./paper_trading_v2.ts";

/** Fee, as a share of the value of a fill. */
const FEE_RATE = 0.001;

/** Like version 2, whose state it takes over, with fees and with profit and loss. */
export default class PaperTradingV3 extends PaperTradingV2 {
  static override readonly version: string = "3.0.0";

  /** Profit or loss from closed positions after fees, and the sum of all fees. */
  getPnl(): { realised_pnl: number; fees: number; average_prices: Record<string, number> } {
    const { realised_pnl, fees, positions } = this.book;
    const averages = [...positions].map(([symbol, { average_price }]) => [symbol, average_price] as const);
    return { realised_pnl, fees, average_prices: Object.fromEntries(averages) };
  }

  protected override _feeOf(value: number): number {
    return value * FEE_RATE;
  }
}
