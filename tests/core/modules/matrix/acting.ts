import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { ownRoot } from "../rig.ts";
import { type Cell, type CellOptions, cell } from "./cell.ts";

/** An order as the gateway was sent it. */
export interface Order {
  readonly id: number;
  /** The version that sent it. */
  readonly from: string;
}

/** Writes each order down before it answers; that outlives it. */
const GATEWAY = `import { appendFileSync, existsSync, readFileSync } from "node:fs";
export default class Gateway {
  static pureMethods = ["last"];
  #file;
  constructor({ config }) { this.#file = config.file; }
  place_order(order) {
    appendFileSync(this.#file, JSON.stringify(order) + "\\n");
    return { filled: order.id };
  }
  last() {
    if (!existsSync(this.#file)) return 0;
    return Math.max(0, ...readFileSync(this.#file, "utf8").split("\\n").filter(Boolean).map((line) => JSON.parse(line).id));
  }
}`;

/**
 * A module with state that places one order after the other by a timer, as docs/swaps.md says, and answers calls beside
 * that. As it begins to serve it asks the gateway what was placed last: what came before it may have ended. `parts` puts
 * code into its methods, and before the class.
 */
export function feed(version: number, parts: Readonly<Record<string, string>> = {}): string {
  const part = (name: string): string => parts[name] ?? "";
  return `${part("import")}
  export default class Feed {
    static version = "${version}";
    #ctx;
    #timer;
    #isPlacing = false;
    #placed = 0;
    #count = 0;
    constructor(ctx) {
      this.#ctx = ctx;
      ${part("construct")}
      ctx.onServe(async () => {
        this.#placed = Math.max(this.#placed, await ctx.call("gateway", "last"));
        this.#timer = setInterval(() => void this.#place(), 2);
      });
      ctx.onRetire(() => clearInterval(this.#timer));
    }
    async #place() {
      if (this.#isPlacing) return;
      this.#isPlacing = true;
      const id = this.#placed + 1;
      try {
        const { filled } = await this.#ctx.call("gateway", "place_order", { id, from: "${version}" });
        this.#ctx.log.info("placed", { id: filled });
        this.#placed = id;
      } catch {
        // It is asked for again, unless another version has taken over.
      } finally {
        this.#isPlacing = false;
      }
    }
    async start(ctx) { ${part("start")} }
    async health() { ${part("health")} }
    async increment() { return ++this.#count; }
    async which() { return "${version}"; }
    async call(input) { ${part("call")} return input; }
    async exportState() { ${part("exportState")} return { placed: this.#placed, count: this.#count }; }
    async importState({ placed, count }) { ${part("importState")} this.#placed = placed; this.#count = count; }
    async stop() { ${part("stop")} }
    exit() { process.exit(7); }
  }`;
}

export interface ActingCell extends Cell {
  orders(): readonly Order[];
  /** Those that versions were told are placed, by their ids. */
  readonly told: readonly number[];
  /** Resolves when a version has placed some more. */
  places(version: string): Promise<void>;
}

/** Version 1 of the feed, as module `counter`, which places orders, and the gateway. */
export async function actingCell(options: CellOptions = {}): Promise<ActingCell> {
  const told: number[] = [];
  const { path } = await ownRoot({});
  const file = join(path, "orders");
  const { v1 = feed(1), v2 = feed(2), fields, ...rest } = options;
  const one = await cell({
    ...rest,
    v1,
    v2,
    callers: 0,
    fields: { dependencies: ["gateway"], breaker: { failureThreshold: 100_000 }, ...fields },
    files: { "gateway.js": GATEWAY, "v3.js": feed(3) },
    async before({ load }) {
      const grants = { fsRead: [path], fsWrite: [path] };
      await load("gateway", { isolation: "THREAD", config: { file }, grants }, "gateway");
    },
    onLog: (message, { id }) => message === "placed" && told.push(Number(id)),
  });
  const orders = (): readonly Order[] =>
    existsSync(file)
      ? readFileSync(file, "utf8")
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => JSON.parse(line) as Order)
      : [];
  const places = async (version: string): Promise<void> => {
    const before = orders().length;
    const since = (): number =>
      orders()
        .slice(before)
        .filter(({ from }) => from === version).length;
    while (since() < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  await places("1");
  return { ...one, orders, places, told };
}

/**
 * What must be true after each cell: the last version serves and places orders, it hands over to a version with which nothing
 * is wrong, and no order was placed twice or left out, or placed by a version that did not serve. `turns`: the versions
 * that served, in order.
 */
export async function actsOn(one: ActingCell, ...turns: readonly string[]): Promise<void> {
  const version = turns.at(-1) ?? "";
  await one.places(version);
  const next = await one.modules.swap("counter", { newVersionPath: "v3", force: true });
  expect(next).toMatchObject({ swapped: true, stateLost: false, fromVersion: version, toVersion: "3" });
  await one.places("3");
  await one.modules.unload("counter");
  const orders = one.orders();
  expect(orders.map(({ id }) => id)).toEqual(orders.map((_, index) => index + 1));
  const senders = orders.map(({ from }) => from);
  expect(senders.filter((from, index) => from !== senders[index - 1])).toEqual([...turns, "3"]);
  const { told } = one;
  expect(told.length).toBeGreaterThan(0);
  expect(told.filter((id) => id > orders.length)).toEqual([]);
  expect(new Set(told).size).toBe(told.length);
}
