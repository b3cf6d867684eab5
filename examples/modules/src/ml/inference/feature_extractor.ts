import type { HeliosModule } from "helios/module";

/** The features of a predictor, in this order. */
export const FEATURES = ["last_return", "mean_return", "volatility", "momentum", "range_position"] as const;

const MIN_PRICES = 5;
const MAX_PRICES = 10_000;
/** Ids of processed records that are remembered, so that a replay processes none twice. */
const REMEMBERED = 100_000;

interface FeatureRecord {
  readonly id: string;
  readonly prices: readonly number[];
}

/** Computes features for a predictor from price series. */
export default class FeatureExtractor implements HeliosModule {
  static readonly version = "1.0.0";
  static readonly pureMethods = ["extract"];
  readonly #seen = new Set<string>();

  /** The features of one series, oldest price first. */
  extract(input: { prices: readonly number[] }): { names: readonly string[]; features: number[] } {
    return { names: FEATURES, features: featuresOf(input?.prices) };
  }

  /**
   * The features of a batch of records `{ id, prices }`, in the order of the records. Malformed records are listed in
   * `rejected` and do not affect the others. Records whose id was processed before are listed in `duplicates` and not
   * processed again.
   */
  process(input: { records: readonly FeatureRecord[] }) {
    if (!Array.isArray(input?.records)) throw wrong("records must be a list");
    const results: { id: string; features: number[] }[] = [];
    const rejected: { index: number; error: string }[] = [];
    const duplicates: string[] = [];
    for (const [index, record] of input.records.entries()) {
      try {
        const { id } = record as FeatureRecord;
        if (typeof id !== "string" || id === "") throw wrong("a record needs an id");
        if (this.#seen.has(id)) {
          duplicates.push(id);
          continue;
        }
        results.push({ id, features: featuresOf(record.prices) });
        this.#remember(id);
      } catch (error) {
        rejected.push({ index, error: error instanceof Error ? error.message : String(error) });
      }
    }
    return { results, rejected, duplicates };
  }

  #remember(id: string): void {
    this.#seen.add(id);
    if (this.#seen.size <= REMEMBERED) return;
    for (const oldest of this.#seen) {
      this.#seen.delete(oldest);
      return;
    }
  }
}

function featuresOf(prices: unknown): number[] {
  if (!Array.isArray(prices)) throw wrong("prices must be a list of numbers");
  if (prices.length < MIN_PRICES || prices.length > MAX_PRICES) {
    throw wrong(`prices must be ${MIN_PRICES} to ${MAX_PRICES} numbers, not ${prices.length}`);
  }
  const bad = prices.findIndex((price) => typeof price !== "number" || !Number.isFinite(price) || price <= 0);
  if (bad >= 0) throw wrong(`prices[${bad}] must be a number above 0, not ${JSON.stringify(prices[bad])}`);
  const series = prices as number[];
  const returns = series.slice(1).map((price, index) => Math.log(price / (series[index] ?? price)));
  const mean = returns.reduce((sum, value) => sum + value, 0) / returns.length;
  const variance = returns.reduce((sum, value) => sum + (value - mean) ** 2, 0) / returns.length;
  const [first, last] = [series[0] ?? 1, series.at(-1) ?? 1];
  const [low, high] = [series.reduce((a, b) => Math.min(a, b)), series.reduce((a, b) => Math.max(a, b))];
  const position = high === low ? 0.5 : (last - low) / (high - low);
  return [returns.at(-1) ?? 0, mean, Math.sqrt(variance), last / first - 1, position];
}

function wrong(message: string): Error {
  return Object.assign(new Error(message), { callerFault: true });
}
