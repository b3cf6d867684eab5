import { existsSync, readFileSync } from "node:fs";

/** An order as the gateway received it. */
export interface Order {
  readonly id: number;
  /** The version that has sent it. */
  readonly from: string;
}

/** Writes each order to a file before it answers, so that the orders survive it. */
export const GATEWAY = `import { appendFileSync, existsSync, readFileSync } from "node:fs";
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
 * A module with state that places orders by a timer, as docs/swaps.md describes, and answers calls as well.
 * When it begins to serve it asks the gateway for the last order, because the earlier version may have ended. `parts` adds
 * code to its methods, and before the class.
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
        // The order is sent again, unless another version has taken over.
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

/** The orders that the gateway has written, in order. */
export function ordersIn(file: string): readonly Order[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  // The last line may be incomplete.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Order);
}
