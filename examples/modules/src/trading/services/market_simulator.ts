import type { HeliosModule, ModuleContext } from "helios/module";

interface Market {
  readonly start: number;
  /** Standard deviation of one tick's return. */
  readonly volatility: number;
}

const MARKETS: ReadonlyMap<string, Market> = new Map([
  ["BTCZAR", { start: 1_200_000, volatility: 0.0008 }],
  ["ETHZAR", { start: 65_000, volatility: 0.001 }],
  ["XRPZAR", { start: 10, volatility: 0.0015 }],
  ["SOLZAR", { start: 3000, volatility: 0.0012 }],
]);

const TICK_MS = 1000;
/** Number of prices that are kept. This many ticks are simulated at the start. */
const MAX_HISTORY = 1000;
const MAX_TICKS = 10_000;
const MAX_LEVELS = 50;
/**
 * Shares of the price: the distance of the best bid and ask from it, and the distance between two levels of the order
 * book.
 */
const HALF_SPREAD = 0.0005;
const LEVEL_STEP = 0.0002;

interface Price {
  readonly symbol: string;
  readonly price: number;
  /** Number of ticks since the simulation began. */
  readonly tick: number;
}

interface Level {
  readonly price: number;
  readonly quantity: number;
}

interface Path {
  readonly random: () => number;
  readonly prices: number[];
  /** The tick of the first price. */
  first: number;
}

/**
 * Random prices of a few markets, reproducible with the same seed (`config.seed`). They follow a geometric Brownian
 * motion with one tick per second, and with additional ticks on request.
 */
export default class MarketSimulator implements HeliosModule {
  static readonly version = "1.0.0";
  static readonly pureMethods = ["listSymbols", "getPrice", "getHistory", "getQuote", "getDepth"];
  #elapsed: () => number = () => 0;
  #skipped = 0;
  #seed = 1;
  readonly #paths = new Map<string, Path>();

  start(ctx: ModuleContext): void {
    const began = ctx.clock.monotonic();
    this.#elapsed = () => Math.floor((ctx.clock.monotonic() - began) / TICK_MS);
    this.#seed = typeof ctx.config.seed === "number" ? ctx.config.seed : 1;
  }

  /** The symbols with a price. */
  listSymbols(): { symbols: string[] } {
    return { symbols: [...MARKETS.keys()] };
  }

  /** The current price. */
  getPrice(input: { symbol: string }): Price {
    const tick = this.#tick();
    return { symbol: input?.symbol, price: cents(this.#priceAt(input?.symbol, tick)), tick };
  }

  /** The last `count` prices, oldest first, including the current one. At most 1,000. */
  getHistory(input: { symbol: string; count?: number }): { symbol: string; prices: number[] } {
    const count = wholeNumber("count", input?.count ?? 30, MAX_HISTORY);
    const first = this.#tick() - count + 1;
    const prices = Array.from({ length: count }, (_, index) => cents(this.#priceAt(input?.symbol, first + index)));
    return { symbol: input.symbol, prices };
  }

  /** The current best bid and ask. */
  getQuote(input: { symbol: string }): { symbol: string; bid: number; ask: number; tick: number } {
    const tick = this.#tick();
    const price = this.#priceAt(input?.symbol, tick);
    return { symbol: input.symbol, bid: cents(price * (1 - HALF_SPREAD)), ask: cents(price * (1 + HALF_SPREAD)), tick };
  }

  /** Bids and asks, best first. The quantity grows with the distance from the price. `levels` is at most 50. */
  getDepth(input: { symbol: string; levels?: number }): { symbol: string; bids: Level[]; asks: Level[] } {
    const levels = wholeNumber("levels", input?.levels ?? 5, MAX_LEVELS);
    const price = this.#priceAt(input?.symbol, this.#tick());
    const side = (direction: 1 | -1): Level[] =>
      Array.from({ length: levels }, (_, level) => ({
        price: cents(price * (1 + direction * (HALF_SPREAD + level * LEVEL_STEP))),
        quantity: level + 1,
      }));
    return { symbol: input.symbol, bids: side(-1), asks: side(1) };
  }

  /** Advances all prices by `count` ticks (1 if absent, at most 10,000), in addition to the ticks of passing time. */
  nextTick(input?: { count?: number } | null): { tick: number } {
    this.#skipped += wholeNumber("count", input?.count ?? 1, MAX_TICKS);
    return { tick: this.#tick() };
  }

  #tick(): number {
    return this.#elapsed() + this.#skipped;
  }

  #priceAt(symbol: string, tick: number): number {
    const market = MARKETS.get(symbol);
    if (market === undefined) {
      throw wrong(`unknown symbol ${JSON.stringify(symbol)}; there are ${[...MARKETS.keys()].join(", ")}`);
    }
    const path = this.#pathOf(symbol, market);
    while (path.first + path.prices.length <= tick) {
      const last = path.prices.at(-1) ?? market.start;
      path.prices.push(last * Math.exp(market.volatility * gaussian(path.random)));
      if (path.prices.length > 2 * MAX_HISTORY) {
        path.prices.splice(0, MAX_HISTORY);
        path.first += MAX_HISTORY;
      }
    }
    return path.prices[tick - path.first] ?? market.start;
  }

  #pathOf(symbol: string, market: Market): Path {
    const known = this.#paths.get(symbol);
    if (known !== undefined) return known;
    const salt = [...symbol].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0, this.#seed);
    const path = { random: mulberry32(salt), prices: [market.start], first: -MAX_HISTORY };
    this.#paths.set(symbol, path);
    return path;
  }
}

const cents = (price: number): number => Math.round(price * 100) / 100;

function wholeNumber(name: string, value: unknown, most: number): number {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most) return value as number;
  throw wrong(`${name} must be a whole number from 1 to ${most}, not ${JSON.stringify(value)}`);
}

function wrong(message: string): Error {
  return Object.assign(new Error(message), { callerFault: true });
}

/** A small seeded random number generator for numbers from 0 to 1 (Tommy Ettinger's Mulberry32). */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A normally distributed random number (Box–Muller transform). */
function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
