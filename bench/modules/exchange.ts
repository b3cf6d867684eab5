import { appendFileSync } from "node:fs";
import type { HeliosModule, ModuleContext } from "../../src/core/modules/api.ts";

interface Order {
  readonly id: string;
  readonly by: string;
}

/** Accepts orders. Each is written as one line of a ledger that outlives the module. */
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

  /** Places the order after this many ms, even if nobody waits any more. */
  async placeSlowly({ ms, ...order }: Order & { readonly ms: number }): Promise<number> {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return this.place(order);
  }

  async quote(): Promise<number> {
    return 100 + Math.sin(this.#count);
  }
}
