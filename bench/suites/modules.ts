import { runJsonProgram } from "../compare/json-program.ts";
import type { Ratio, Result, Row } from "../compare/results.ts";
import { one } from "../compare/statistics.ts";
import type { Percentiles } from "../swap/figures.ts";
import type { Suite } from "./suite.ts";

interface Invocations {
  readonly rows: readonly {
    readonly isolation: string;
    readonly payload: string;
    readonly inFlight: number;
    readonly side: string;
    readonly figures: { readonly perSecond: number; readonly p50: number; readonly p99: number };
    /** To bare messages; for the rate the inverse. */
    readonly ratios: { readonly perSecond: number; readonly p99: number };
  }[];
}

/** Calls of a module's method, beside bare messages to a process or a thread: `bench/invoke.ts`. */
export const invoke: Suite = {
  name: "invoke",
  async run({ isQuick, say }) {
    say("calls of modules");
    const args = isQuick ? ["--quick", "--only", "PROCESS"] : ["--rounds", "9", "--slice-ms", "100"];
    const { rows } = await runJsonProgram<Invocations>("invoke.ts", ["--json", ...args], undefined);
    return [...new Set(rows.map(({ isolation }) => isolation))].map((isolation): Result => {
      const own = rows.filter((row) => row.isolation === isolation && row.side !== "host");
      const labelOf = (row: (typeof own)[number]): string => `${row.payload}, ${row.inFlight} in flight`;
      const nameOf = (side: string): string => (side === "engine" ? "Helios" : "bare messages");
      return {
        suite: "invoke",
        name: isolation,
        rows: own.flatMap((row): Row[] => {
          const side = `${nameOf(row.side)}: ${labelOf(row)}`;
          const { perSecond, p50, p99 } = row.figures;
          return [
            { side, figure: "calls per second", unit: "1/s", spread: one(perSecond) },
            { side, figure: "p50", unit: "ms", spread: one(p50) },
            { side, figure: "p99", unit: "ms", spread: one(p99) },
          ];
        }),
        ratios: own
          .filter(({ side }) => side === "engine")
          .flatMap((row): Ratio[] => {
            const pair = { ours: labelOf(row), peer: "bare messages" };
            return [
              { ...pair, figure: "calls per second", better: "more", spread: one(1 / row.ratios.perSecond) },
              { ...pair, figure: "p99", better: "less", spread: one(row.ratios.p99) },
            ];
          }),
      };
    });
  },
};

interface Swaps {
  readonly results: readonly {
    readonly module: string;
    readonly isolation: string;
    readonly calls: number;
    readonly failed: number;
    readonly lost: number;
    readonly answeredTwice: number;
    readonly steadyMs: Percentiles;
    readonly swappingMs: Percentiles;
    readonly p99Ratio: number;
    readonly swapMs: Percentiles;
    readonly pauseMs: Percentiles;
  }[];
}

const QUICK_SWAPS = ["--swaps", "5", "--interval-ms", "500", "--steady-ms", "1000", "--only", "THREAD"];
const SWAPS = ["--swaps", "30", "--interval-ms", "500", "--steady-ms", "5000"];

/** What the callers of a module notice of its swaps: `bench/swap.ts`. It fails if a call failed, was lost or answered twice. */
export const swap: Suite = {
  name: "swap",
  isLong: true,
  async run({ isQuick, say }) {
    say("swaps of modules");
    const { results } = await runJsonProgram<Swaps>(
      "swap.ts",
      ["--json", ...(isQuick ? QUICK_SWAPS : SWAPS)],
      undefined,
    );
    const sides = results.map((result) => ({ ...result, side: `${result.module}, ${result.isolation}` }));
    const rows = sides.flatMap(
      ({ side, calls, failed, lost, answeredTwice, steadyMs, swappingMs, swapMs, pauseMs }) => [
        { side, figure: "calls", unit: "number", spread: one(calls) },
        { side, figure: "failed, lost or answered twice", unit: "number", spread: one(failed + lost + answeredTwice) },
        { side, figure: "p99 without swaps", unit: "ms", spread: one(steadyMs.p99) },
        { side, figure: "p99 while swapping", unit: "ms", spread: one(swappingMs.p99) },
        { side, figure: "duration of a swap", unit: "ms", spread: one(swapMs.p50) },
        { side, figure: "longest hand-over", unit: "ms", spread: one(pauseMs.max) },
      ],
    );
    const ratios = sides.map(({ side, p99Ratio }) => ({
      ours: side,
      figure: "p99 while swapping",
      peer: "without swaps",
      better: "less" as const,
      spread: one(p99Ratio),
    }));
    return [{ suite: "swap", name: "64 callers over gRPC", rows, ratios }];
  },
};
