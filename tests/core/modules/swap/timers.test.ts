import { expect, it } from "vitest";
import { blocksOf } from "../../../pages.ts";
import { describeInEach } from "../../../support/isolations.ts";
import { SOAK } from "../../../support/soak.ts";
import { until } from "../../../support/until.ts";
import { type Acting, acting } from "../acting.ts";

const [documented = ""] = blocksOf("docs/swaps.md", "timers", "ts");

/** Modules that do not subscribe to duties: a timer starts with the module, and its calls have no error handler. */
const unaware = `export default class Quoter {
  static version = "1.0.0";
  #lastId = 0;
  async start(ctx) {
    const timer = setInterval(async () => {
      if (this.#isPlacing) return;
      this.#isPlacing = true;
      const id = this.#lastId + 1;
      try {
        await ctx.call("gateway", "place_order", { id, version: ctx.version });
        this.#lastId = id;
      } finally {
        this.#isPlacing = false;
      }
    }, 10);
    ctx.signal.addEventListener("abort", () => clearInterval(timer));
  }
  #isPlacing = false;
  exportState() { return this.#lastId; }
  importState(lastId) { this.#lastId = lastId; }
}`;

type Order = { readonly id: number; readonly version: string };

const ordersOf = async (one: Acting): Promise<readonly Order[]> => (await one.orders()) as unknown as readonly Order[];

/** Resolves when that many further orders of the version were placed. */
async function places(one: Acting, version: string, count = 3): Promise<void> {
  const before = (await ordersOf(one)).length;
  const placed = async (): Promise<number> =>
    (await ordersOf(one)).slice(before).filter((order) => order.version === version).length;
  await until(async () => (await placed()) >= count);
}

const PATTERNS = [
  ["as docs/swaps.md says", documented, "ts", {}],
  ["from its start until ctx.signal is aborted", unaware, "js", SOAK],
] as const;

describeInEach("a module in a %s that places orders by a timer", (isolation) => {
  for (const [how, v1, extension, options] of PATTERNS) {
    it(`${how} places each order once, and only while it serves`, options, async () => {
      const v2 = v1.replace("1.0.0", "2.0.0");
      expect(v2).not.toBe(v1);
      const files = { [`q1.${extension}`]: v1, [`q2.${extension}`]: v2 };
      const one = await acting({ files });
      await one.load("q1", { isolation, dependencies: ["gateway"] }, "quoter");
      await places(one, "1.0.0");
      expect(await one.modules.swap("quoter", { newVersionPath: "q2" })).toMatchObject({ swapped: true });
      await places(one, "2.0.0");
      const begun = Promise.withResolvers<void>();
      const swapped = one.modules.swap("quoter", { newVersionPath: "q1", bakeMs: 60_000 }, {}, (event) => {
        if (event.type === "started" && event.name === "bake") begun.resolve();
      });
      await begun.promise;
      await places(one, "1.0.0", 10);
      expect(await one.modules.rollBack("quoter")).toMatchObject({
        swapped: true,
        toVersion: "2.0.0",
        stateLost: false,
      });
      await swapped;
      await places(one, "2.0.0");
      const { restarts, generation } = one.modules.get("quoter").record;
      expect({ restarts, generation }).toEqual({ restarts: 0, generation: 2 });
      await one.modules.unload("quoter");
      const orders = await ordersOf(one);
      expect(orders.map(({ id }) => id)).toEqual(orders.map((__, index) => index + 1));
      const versions = orders.map(({ version }) => version);
      const turns = versions.filter((version, index) => version !== versions[index - 1]);
      expect(turns).toEqual(["1.0.0", "2.0.0", "1.0.0", "2.0.0"]);
    });
  }
});
