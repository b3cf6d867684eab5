import { appendFileSync } from "node:fs";
import type { HeliosModule, ModuleContext } from "../../src/core/modules/api.ts";

interface Order {
  readonly id: string;
  readonly by: string;
}

/** Takes orders: each is a line of a ledger that outlives it. */
export default class Exchange implements HeliosModule {
  static readonly pureMethods = ["quote"];
  readonly #ledger: string;
  #count = 0;

  constructor(ctx: ModuleContext) {
    this.#ledger = String(ctx.config.ledger);
  }

  async place({ id, by }: Order): Promise<number> {
    appendFileSync(this.#ledger, `${id}\t${by}\n`);
    this.#count += 1;
    return this.#count;
  }

  /** Takes the order after so many ms, whoever waits by then. */
  async placeSlowly({ ms, ...order }: Order & { readonly ms: number }): Promise<number> {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return this.place(order);
  }

  async quote(): Promise<number> {
    return 100 + Math.sin(this.#count);
  }
}
