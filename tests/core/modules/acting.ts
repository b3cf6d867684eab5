import type { Log } from "../../../src/core/log.ts";
import type { Isolation } from "../../../src/core/modules/host/types/host.ts";
import type { RegistrationFields } from "../../../src/core/modules/record/record.ts";
import type { StepName } from "../../../src/core/modules/record/report.ts";
import type { SwapResult } from "../../../src/core/modules/swap/report.ts";
import type { SwapOptions } from "../../../src/core/modules/swap/state/swap-options.ts";
import { type OwnRoot, ownRoot, type Rig, type RigOptions, rig } from "./rig.ts";

/** Accepts orders at once, except for slow ones, which it answers when the test says so. */
const GATEWAY = `export default class Gateway {
  #orders = [];
  #waiting = [];
  place_order(order) {
    this.#orders.push(order);
    return { fill: order.id };
  }
  slow_order(order) {
    this.#orders.push(order);
    console.log("slow order");
    return new Promise((resolve) => this.#waiting.push(() => resolve({ fill: order.id })));
  }
  answer() { for (const resolve of this.#waiting.splice(0)) resolve(); }
  orders() { return this.#orders; }
}`;

/**
 * A module with state that calls the gateway: in a method, and of its own accord on request. `parts` adds code
 * to it.
 */
export function trader(version: number, parts: Readonly<Record<string, string>> = {}): string {
  const part = (name: string): string => parts[name] ?? "";
  return `${part("import")}
  export default class Trader {
    static version = "${version}";
    #fills = [];
    #ctx;
    constructor(ctx) { this.#ctx = ctx; ${part("construct")} }
    async start(ctx) { ${part("start")} }
    which() { return "${version}"; }
    fills() { return this.#fills; }
    /** Answers at once, and continues in the background. */
    trade({ id, slow }) { void this.#trade(id, slow); }
    /** Answers when the order is filled. */
    async wait({ id }) { await this.#trade(id, true); return id; }
    async #trade(id, slow) {
      const { fill } = await this.#ctx.call("gateway", slow ? "slow_order" : "place_order", { id, from: "${version}" });
      this.#fills.push(fill);
    }
    never() { return new Promise(() => {}); }
    exit() { process.exit(7); }
    ${part("more")}
    async exportState() { ${part("exportState")} return this.#fills; }
    async importState(fills) { ${part("importState")} this.#fills = fills; }
    async stop() { this.#ctx.log.info("stopped ${version}"); ${part("stop")} }
  }`;
}

export interface Acting extends Rig {
  readonly root: OwnRoot;
  /** The orders that the gateway has received. */
  orders(): Promise<readonly { readonly id: number; readonly from: string }[]>;
  /** The messages that were logged so far. */
  readonly logged: readonly string[];
  /** Resolves when this message is logged next. */
  logs(message: string): Promise<void>;
  /** Swaps to \`v2\`, and calls a function at the start of a step. */
  swap(options?: SwapOptions, as?: Partial<Record<StepName, () => unknown>>): Promise<SwapResult>;
}

export interface ActingOptions extends Pick<RigOptions, "clock" | "store"> {
  readonly isolation?: Isolation;
  readonly v1?: string;
  readonly v2?: string;
  readonly fields?: Partial<RegistrationFields>;
  readonly files?: Readonly<Record<string, string>>;
}

/** The module \`trader\` in version 1, and the gateway that it calls. */
export async function acting(options: ActingOptions = {}): Promise<Acting> {
  const { isolation = "THREAD", v1 = trader(1), v2 = trader(2), fields, files, ...rest } = options;
  const root = await ownRoot({ "gateway.js": GATEWAY, "v1.js": v1, "v2.js": v2, ...files });
  const logged: string[] = [];
  const waiting: { readonly message: string; readonly resolve: () => void }[] = [];
  const log: Log = (_area, _level, message) => {
    logged.push(message);
    for (const one of waiting) if (one.message === message) one.resolve();
  };
  const engine = await rig({ ...rest, root: root.path, log });
  await engine.load("gateway", { isolation: "THREAD" });
  await engine.load("v1", { isolation, dependencies: ["gateway"], ...fields }, "trader");
  return {
    ...engine,
    root,
    logged,
    orders: async () => (await engine.call("gateway", "orders")) as { id: number; from: string }[],
    logs: (message) => new Promise((resolve) => waiting.push({ message, resolve })),
    swap: (swapOptions = {}, as = {}) =>
      engine.modules.swap("trader", { newVersionPath: "v2", ...swapOptions }, {}, (event) => {
        if (event.type === "started") void as[event.name]?.();
      }),
  };
}
