import type { HeliosModule, ModuleContext } from "helios/module";

interface Market {
  readonly start: number;
  /** Standard deviation of one tick's return. */
  readonly volatility: number;
}

const MARKETS: Readonly<Record<string, Market>> = {
  BTCZAR: { start: 1_200_000, volatility: 0.0008 },
  ETHZAR: { start: 65_000, volatility: 0.001 },
  XRPZAR: { start: 10, volatility: 0.0015 },
  SOLZAR: { start: 3000, volatility: 0.0012 },
};

const TICK_MS = 1000;
const MAX_HISTORY = 1000;

interface Price {
  readonly symbol: string;
  readonly price: number;
  /** Counts the seconds since the simulation began. */
  readonly tick: number;
}

/**
 * Prices of a few markets, moving at random but the same for the same seed (`config.seed`): geometric Brownian motion,
 * one tick a second.
 */
export default class MarketSimulator implements HeliosModule {
  static readonly version = "1.0.0";
  #now: () => number = () => 0;
  #seed = 1;
  readonly #paths = new Map<string, { random: () => number; prices: number[]; first: number }>();

  start(ctx: ModuleContext): void {
    const began = ctx.clock.monotonic();
    this.#now = () => Math.floor((ctx.clock.monotonic() - began) / TICK_MS);
    this.#seed = typeof ctx.config.seed === "number" ? ctx.config.seed : 1;
  }

  /** The symbols that have a price. */
  listSymbols(): { symbols: string[] } {
    return { symbols: Object.keys(MARKETS) };
  }

  /** The price now. */
  getPrice(input: { symbol: string }): Price {
    const tick = this.#now();
    return { symbol: input.symbol, price: this.#priceAt(input?.symbol, tick), tick };
  }

  /** The last `count` prices, oldest first; at most 1,000. */
  getHistory(input: { symbol: string; count?: number }): { symbol: string; prices: number[] } {
    const count = input.count ?? 30;
    if (!Number.isInteger(count) || count < 1 || count > MAX_HISTORY) {
      throw wrong(`count must be a whole number from 1 to ${MAX_HISTORY}, not ${count}`);
    }
    const tick = this.#now();
    // Before the simulation began, prices are those of its first ticks: there is always a history.
    const last = Math.max(tick, count - 1);
    const prices = Array.from({ length: count }, (_, index) => this.#priceAt(input.symbol, last - count + 1 + index));
    return { symbol: input.symbol, prices };
  }

  #priceAt(symbol: string, tick: number): number {
    const market = MARKETS[symbol];
    if (market === undefined)
      throw wrong(`unknown symbol ${JSON.stringify(symbol)}; there are ${Object.keys(MARKETS)}`);
    const path = this.#pathOf(symbol, market);
    while (path.first + path.prices.length <= tick) {
      const last = path.prices.at(-1) ?? market.start;
      path.prices.push(last * Math.exp(market.volatility * gaussian(path.random)));
      if (path.prices.length > 2 * MAX_HISTORY) {
        path.prices.splice(0, MAX_HISTORY);
        path.first += MAX_HISTORY;
      }
    }
    return Math.round((path.prices[tick - path.first] ?? market.start) * 100) / 100;
  }

  #pathOf(symbol: string, market: Market) {
    const known = this.#paths.get(symbol);
    if (known !== undefined) return known;
    const salt = [...symbol].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0, this.#seed);
    const path = { random: mulberry32(salt), prices: [market.start], first: 0 };
    this.#paths.set(symbol, path);
    return path;
  }
}

function wrong(message: string): Error {
  return Object.assign(new Error(message), { callerFault: true });
}

/** A small seeded generator of numbers from 0 to 1 (Tommy Ettinger's Mulberry32). */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A normally distributed number (Box and Muller). */
function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
