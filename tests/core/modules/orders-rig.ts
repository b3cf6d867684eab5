import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type { RegistrationFields } from "../../../src/core/modules/record/record.ts";
import type { ManualClock } from "../../../src/kernel/clock.ts";
import { watchedClock } from "../../support/clocks.ts";
import { until } from "../../support/until.ts";
import { type Rig, type RigOptions, rig } from "./rig.ts";

export const ORDERS_ROOT = fileURLToPath(new URL("../../fixtures/modules/orders", import.meta.url));

/** A module that places orders, and a ledger that the test can read. */
export interface OrdersRig extends Rig {
  readonly clock: ManualClock;
  /** Places an order under a key, which is the order's id by default. */
  place(order: object, options?: { key?: string; timeoutMs?: number; signal?: AbortSignal }): Promise<unknown>;
  /** Resolves when the module holds an order with that id. */
  holds(id: string): Promise<void>;
  /** Resolves when a timer of so many ms is set for the nth time. */
  waitsFor(ms: number, times?: number): Promise<void>;
  /** The ids of the placed orders, in order. */
  ledger(): Promise<readonly string[]>;
}

/** A new ledger, which is removed at the end of the test. */
export async function ownLedger(): Promise<{ readonly file: string; read(): Promise<readonly string[]> }> {
  const directory = await mkdtemp(join(tmpdir(), "helios-orders-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, "ledger");
  return { file, read: async () => (await readFile(file, "utf8").catch(() => "")).split("\n").filter(Boolean) };
}

/** The registration of a module that writes to a ledger. */
export function ordersFields(file: string): Partial<RegistrationFields> {
  return { config: { file }, grants: { fsWrite: [file] } };
}

export async function ordersRig(fields: Partial<RegistrationFields>, options: RigOptions = {}): Promise<OrdersRig> {
  const { clock, isSet: waitsFor } = watchedClock();
  const { file, read: ledger } = await ownLedger();
  const own = await rig({ clock, root: ORDERS_ROOT, ...options });
  await own.load("orders", { ...ordersFields(file), ...fields });
  return {
    ...own,
    clock,
    waitsFor,
    ledger,
    async place(order, { key = (order as { id: string }).id, ...patience } = {}) {
      const { output } = await own.modules.invoke(
        "orders",
        "place",
        { json: order },
        { idempotencyKey: key, ...patience },
      );
      return "json" in output ? output.json : output.binary;
    },
    async holds(id) {
      await until(async () => ((await own.call("orders", "held")) as string[]).includes(id));
    },
  };
}
