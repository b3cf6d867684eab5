import type { Result } from "./results.ts";
import type { Spread } from "./statistics.ts";

/** What Helios is to reach. Without a peer, the goal is for the figure itself. */
interface Goal {
  readonly suite: string;
  readonly name: string;
  readonly figure: string;
  readonly peer?: string;
  readonly limit: number;
  readonly better: "more" | "less";
}

const call = { suite: "unary", name: "8 × 16", figure: "calls per second", better: "more" } as const;
const watch = { suite: "fan-out", name: "10 × 1000", better: "less" } as const;

export const GOALS: readonly Goal[] = [
  { ...call, peer: "bare node:http2", limit: 0.75 },
  { ...call, peer: "grpc-js", limit: 1.2 },
  { ...call, peer: "connect-node", limit: 5 },
  { ...call, peer: "flagd", limit: 3.5 },
  { ...call, suite: "json", name: "64 connections", peer: "connect-node", limit: 2 },
  { ...watch, figure: "p99", peer: "bare node:http2", limit: 2 },
  { ...watch, figure: "memory per watcher", limit: 25 },
];

/** A goal, and what was measured. Undefined: it was not measured. */
export interface Reached {
  readonly goal: Goal;
  readonly measured: Spread | undefined;
}

export function reachedIn(results: readonly Result[]): Reached[] {
  return GOALS.map((goal) => {
    const result = results.find(({ suite, name }) => suite === goal.suite && name === goal.name);
    const all: readonly { readonly figure: string; readonly spread: Spread }[] =
      goal.peer === undefined
        ? (result?.rows.filter(({ side }) => side === "Helios") ?? [])
        : (result?.ratios.filter(({ peer }) => peer === goal.peer) ?? []);
    return { goal, measured: all.find(({ figure }) => figure === goal.figure)?.spread };
  });
}
