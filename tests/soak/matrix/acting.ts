import { join } from "node:path";
import { expect } from "vitest";
import { ownRoot } from "../../core/modules/rig.ts";
import { until } from "../../support/until.ts";
import { type Cell, type CellOptions, cell } from "./cell.ts";
import { feed, GATEWAY, type Order, ordersIn } from "./feed.ts";

export interface ActingCell extends Cell {
  orders(): readonly Order[];
  /** The ids of the orders whose placement a version has confirmed. */
  readonly confirmed: readonly number[];
  /** Resolves when a version has placed some further orders. */
  places(version: string): Promise<void>;
}

/** Version 1 of the feed, as module `counter`, which places orders, and the gateway. */
export async function actingCell(options: CellOptions = {}): Promise<ActingCell> {
  const confirmed: number[] = [];
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
    onLog: (message, { id }) => message === "placed" && confirmed.push(Number(id)),
  });
  const orders = (): readonly Order[] => ordersIn(file);
  const places = async (version: string): Promise<void> => {
    const before = orders().length;
    const since = (): number =>
      orders()
        .slice(before)
        .filter(({ from }) => from === version).length;
    await until(() => since() >= 3);
  };
  await places("1");
  return { ...one, orders, places, confirmed };
}

/**
 * Must hold after each cell: the last version serves and places orders, it can be replaced by a correct version, and no order
 * was placed twice, left out, or placed by a version that did not serve. `turns`: the versions that have served, in
 * order.
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
  const { confirmed } = one;
  expect(confirmed.length).toBeGreaterThan(0);
  expect(confirmed.filter((id) => id > orders.length)).toEqual([]);
  expect(new Set(confirmed).size).toBe(confirmed.length);
}
