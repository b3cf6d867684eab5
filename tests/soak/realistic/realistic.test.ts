// @module-tag soak

import { expect, it, vi } from "vitest";
import { createEngine } from "../../../src/core/index.ts";
import { describeInEach } from "../../support/isolations.ts";
import { until } from "../../support/until.ts";
import { type Call, callOf, type Journey, rootWith, travel, write } from "./journey.ts";

const orderBook: Journey = {
  name: "order_book",
  next: "order_book_v2",
  suite: "order_book_suite.ts",
  work: (call, number) => {
    const side = number % 2 === 0 ? "buy" : "sell";
    return call("place_order", {
      id: `o-${number}`,
      side,
      price: 100 + ((number * 7) % 11),
      quantity: 1 + (number % 3),
    });
  },
  async done(call) {
    const { orders, traded, resting } = (await call("totals")) as { orders: number; traded: number; resting: number };
    const placed = Array.from({ length: orders }, (_, index) => 1 + ((index + 1) % 3));
    // After the kill it knows only the last order.
    if (orders > 1) expect(2 * traded + resting).toBe(placed.reduce((sum, quantity) => sum + quantity, 0));
    const fills = Object.values((await call("fills")) as Record<string, readonly { quantity: number }[]>).flat();
    expect(fills.reduce((sum, { quantity }) => sum + quantity, 0)).toBe(2 * traded);
    return orders;
  },
  isNext: (call) => has(call, "depth"),
};

const riskEngine: Journey = {
  name: "risk_engine",
  next: "risk_engine_v2",
  suite: "risk_engine_suite.ts",
  work: (call, number) => call("reserve", { id: number, account: `acc-${number % 10}`, amount: "0.1" }),
  async done(call) {
    const count = (await call("reservations")) as number;
    const positions = (await call("positions")) as Record<string, string>;
    // In tenths, as integers, because doubles would not add up.
    const tenths = Object.values(positions).reduce(
      (sum, text) => sum + Number(text.replace(".", "")) * (text.includes(".") ? 1 : 10),
      0,
    );
    expect(tenths).toBe(count);
    return count;
  },
  isNext: async (call) => has(call, "left"),
};

const predictor: Journey = {
  name: "predictor",
  next: "predictor",
  suite: "predictor_suite.ts",
  fields: { assets: ["weights.bin"] },
  prepare: (root) => write(root, { "weights.bin": weights(1) }),
  async work(call, number) {
    const { score } = (await call("predict", { row: number, features: [1, 2] })) as { score: number };
    expect([3, 6]).toContain(score);
    return call("record", { row: number });
  },
  done: async (call) => (await call("recorded")) as number,
  isNext: async (call) => ((await call("predict", { row: 1, features: [1, 2] })) as { score: number }).score === 6,
};

const fees: Journey = {
  name: "fees.cjs",
  next: "fees_v2.cjs",
  suite: "fees_suite.ts",
  work: (call, number) => call("charge", { id: `t-${number}`, notional: 1000 }),
  async done(call) {
    const { trades, total } = (await call("totals")) as { trades: number; total: number };
    expect(total).toBe(trades);
    return trades;
  },
  isNext: (call) => has(call, "average"),
};

const ledger: Journey = {
  name: "ledger",
  next: "ledger_v2",
  suite: "ledger_suite.ts",
  work: (call, number) =>
    call("book", {
      id: `e-${number}`,
      nanos: `${1_700_000_000_000_000_000n + BigInt(number)}`,
      amount: UNIT,
      price: number,
    }),
  async done(call) {
    const totals = (await call("totals")) as { entries: number; count: number; total: string; sameTimes: boolean };
    expect(totals).toMatchObject({
      count: totals.entries,
      total: String(BigInt(UNIT) * BigInt(totals.entries)),
      sameTimes: true,
    });
    return totals.entries;
  },
};
/** An integer that a double cannot hold. */
const UNIT = "100000000000000000001";

const venue: Journey = {
  name: "venue",
  next: "venue_v2",
  suite: "venue_suite.ts",
  prepare: (root) => write(root, PACKAGES),
  work: (call, number) => call("send", { id: `m-${number}` }),
  done: async (call) => (await call("sent")) as number,
};

const checksum = (version: string): Record<string, string> => ({
  "package.json": JSON.stringify({ name: "checksum", version, main: "main.js" }),
  "main.js": `exports.version = "${version}"; exports.sum = (text) => [...text].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 65521, 7);`,
});
const below = (directory: string, files: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [`${directory}/${name}`, text]));
/** A package with forms for import and require, which contains another version of a package than the one beside it. */
const PACKAGES = {
  ...below("node_modules/checksum", checksum("2.0.0")),
  ...below("node_modules/@venue/codec/node_modules/checksum", checksum("1.0.0")),
  ...below("node_modules/@venue/codec", {
    "package.json": JSON.stringify({
      name: "@venue/codec",
      version: "1.0.0",
      exports: { ".": { import: "./codec.mjs", require: "./codec.cjs" } },
      imports: { "#frame": "./frame.mjs" },
    }),
    "codec.mjs": `import checksum from "checksum"; import { frame } from "#frame";
      export { checksum }; export const kind = "import";
      export const encode = (message) => frame(JSON.stringify(message));
      export const decode = (text) => ({ ...JSON.parse(text), sum: checksum.sum(text) });`,
    "frame.mjs": "export const frame = (text) => text;",
    "codec.cjs": `exports.kind = "require";`,
  }),
};

const feed: Journey = {
  name: "feed",
  next: "feed_v2",
  suite: "feed_suite.ts",
  fields: { dependencies: ["strategy"] },
  async before({ modules }, isolation) {
    await modules.register("strategy", { modulePath: "strategy", isolation });
    await modules.load("strategy");
  },
  work: (call, number) => call("subscribe", { id: `s-${number}` }),
  done: async (call) => (await call("subscribed")) as number,
  async isNext(call) {
    for (;;) {
      const { version, ticks } = (await call("sent")) as { version: string; ticks: number };
      if (ticks > 0) return version === "2.0.0";
    }
  },
  async after(engine) {
    const strategy = callOf(engine, "strategy");
    const last = (await strategy("last")) as number;
    // The version that returned after the kill continues to send.
    await until(async () => ((await strategy("last")) as number) >= last + 3);
    const wrong = (await strategy("wrong")) as readonly string[];
    // It is unknown whether a tick that was under way at the kill was accepted.
    expect(wrong.filter((text) => !/^(\d+) of \S+ after \1$/.test(text))).toEqual([]);
    expect(wrong.length).toBeLessThanOrEqual(1);
  },
};

/** 20 MB of weights. */
function weights(factor: number): Uint8Array {
  return new Uint8Array(new Float32Array(5 * 1024 * 1024).fill(factor).buffer);
}

const has = (call: Call, method: string): Promise<boolean> =>
  call(method, "acc-1").then(
    () => true,
    () => false,
  );

/** Each test starts five instances and more, one after the other, while 64 callers run. */
vi.setConfig({ testTimeout: 120_000 });

describeInEach("swaps in a %s lose, fail and repeat no call, and the module returns after a kill:", (isolation) => {
  it("an order book with state", async () => travel(orderBook, isolation, await rootWith()));

  it("a risk engine that keeps decimals by account", async () =>
    travel(riskEngine, isolation, await rootWith("decimal.js")));

  it("a predictor with 20 MB of weights, the only change in its next version", async () => {
    const root = await rootWith();
    await travel({ ...predictor, beforeSwap: () => write(root, { "weights.bin": weights(2) }) }, isolation, root);
  });

  it("a CommonJS file with a constructor function", async () => travel(fees, isolation, await rootWith()));

  it("a ledger with Dates, BigInts and typed arrays", async () => travel(ledger, isolation, await rootWith()));

  it("a module with packages of its own", async () => travel(venue, isolation, await rootWith()));

  it("a feed that calls a strategy by a timer, each tick once and in order", async () =>
    travel(feed, isolation, await rootWith()));
});

it("a risk engine that hands over its decimals as they are gets an error with the place, and serves on", async () => {
  const engine = await createEngine({ modulesRoot: await rootWith("decimal.js") });
  try {
    await engine.modules.register("risk", { modulePath: "risk_engine_broken" });
    await engine.modules.load("risk");
    const call = callOf(engine, "risk");
    await call("reserve", { id: 1, account: "acc", amount: "1.5" });
    const swap = await engine.modules.swap("risk", { newVersionPath: "risk_engine" });
    expect(swap).toMatchObject({ swapped: false, failedStep: "hand_over" });
    expect(swap.failure).toContain("state.reserved.acc.constructor is a function, which cannot be handed over");
    expect(await call("positions")).toEqual({ acc: "1.5" });
  } finally {
    await engine.close();
  }
});
