import type { Payload } from "../../src/core/index.ts";
import { percentiles, round } from "../swap/figures.ts";
import { cpuMicros } from "./cpu.ts";
import type { Side } from "./sides.ts";

/** Figures of the callers of one side. */
export interface Figures {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** CPU time of one call in µs, on both sides together. */
  readonly cpu: number;
}

/** Ratios to bare messages. For the rate it is the inverse ratio, so that above 1 always means slower. */
export interface Ratios {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpu: number;
}

export interface Measured {
  readonly figures: Figures;
  readonly ratios: Ratios;
}

export interface Plan {
  readonly payload: Payload;
  /** Number of callers. Each calls again as soon as it has its answer. */
  readonly inFlight: number;
  readonly rounds: number;
  /** Duration of each side's turn in a round. */
  readonly sliceMs: number;
}

/** Time for which each side runs before it is measured. The program that calls a side must have been compiled by then. */
const WARM_UP = 500;

/**
 * Lets the sides alternate, in a different order in each round. Figures are medians of the rounds. Ratios are medians
 * of each round's ratio to the first side, because a disturbance of the machine that lasts longer than a round affects
 * all sides.
 */
export async function compare(sides: readonly Side[], plan: Plan): Promise<Measured[]> {
  const seen: Figures[][] = sides.map(() => []);
  for (const side of sides) await slice(side, { ...plan, sliceMs: WARM_UP });
  for (let count = 0; count < plan.rounds; count += 1) {
    for (const at of sides.keys()) {
      const index = (at + count) % sides.length;
      const side = sides[index];
      if (side !== undefined) seen[index]?.push(await slice(side, plan));
    }
  }
  const bare = seen[0] ?? [];
  return seen.map((all) => ({
    figures: medians(all),
    ratios: medians(all.map((one, index) => beside(bare[index], one))),
  }));
}

async function slice({ call }: Side, { payload, inFlight, sliceMs }: Plan): Promise<Figures> {
  const latencies: number[] = [];
  const cpu = cpuMicros();
  const start = performance.now();
  const end = start + sliceMs;
  const caller = async (): Promise<void> => {
    let sent = start;
    do {
      await call(payload);
      const now = performance.now();
      latencies.push(now - sent);
      sent = now;
    } while (sent < end);
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  const { p50, p99 } = percentiles(latencies, 4);
  const perSecond = (latencies.length / (performance.now() - start)) * 1000;
  return { perSecond, p50, p99, cpu: (cpuMicros() - cpu) / latencies.length };
}

function beside(bare: Figures | undefined, one: Figures): Ratios {
  const of = (ours: number, theirs: number | undefined): number => ours / (theirs ?? Number.NaN);
  return {
    perSecond: 1 / of(one.perSecond, bare?.perSecond),
    p50: of(one.p50, bare?.p50),
    p99: of(one.p99, bare?.p99),
    cpu: of(one.cpu, bare?.cpu),
  };
}

function medians(all: readonly Figures[]): Figures {
  const median = (of: (one: Figures) => number): number =>
    round(all.map(of).sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? Number.NaN, 4);
  return {
    perSecond: median((one) => one.perSecond),
    p50: median((one) => one.p50),
    p99: median((one) => one.p99),
    cpu: median((one) => one.cpu),
  };
}
