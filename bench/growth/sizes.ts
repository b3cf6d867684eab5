import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Cost, Order } from "./engine.ts";

/** The engine over the flags of one size, in a process of its own. */
export interface Sized {
  readonly size: number;
  ask(order: Order): Promise<Cost>;
  close(): void;
}

export async function openSize(size: number, dataDir: string): Promise<Sized> {
  const execArgv = ["--expose-gc"];
  const child: ChildProcess = fork(join(import.meta.dirname, "engine.ts"), [dataDir, String(size)], { execArgv });
  await once(child, "message");
  return {
    size,
    async ask(order) {
      child.send(order);
      const [cost] = (await once(child, "message")) as [Cost];
      return cost;
    },
    close: () => void child.kill("SIGKILL"),
  };
}

/**
 * Asks each size in turn, in another order in each round. Returns for each size the median, and the median of the ratios to
 * the first size in the same round.
 */
export async function inTurns(
  sizes: readonly Sized[],
  rounds: number,
  measure: (one: Sized) => Promise<number>,
): Promise<readonly { readonly median: number; readonly ratio: number }[]> {
  const seen: number[][] = sizes.map(() => []);
  for (const one of sizes) await measure(one);
  for (let round = 0; round < rounds; round += 1) {
    for (const at of sizes.keys()) {
      const index = (at + round) % sizes.length;
      const one = sizes[index];
      if (one !== undefined) seen[index]?.push(await measure(one));
    }
  }
  const [first = []] = seen;
  return seen.map((all) => ({
    median: median(all),
    ratio: median(all.map((value, round) => value / (first[round] ?? Number.NaN))),
  }));
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
