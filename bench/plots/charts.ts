import type { Result, Results } from "../compare/results.ts";
import type { Chart } from "./svg.ts";

/** The charts that these results allow. */
export function chartsOf({ results }: Results): Chart[] {
  return [
    bySide(results, "unary", "calls per second", {
      file: "unary-rate",
      title: "Evaluations over gRPC: calls per second, more is better",
      axis: "connections × calls in flight on each",
    }),
    bySide(results, "unary", "p99", {
      file: "unary-p99",
      title: "Evaluations over gRPC: the 99th percentile of the latency, less is better",
      axis: "connections × calls in flight on each",
    }),
    bySide(results, "fan-out", "p99", {
      file: "fan-out-p99",
      title: "A change until 99 % of the watchers have it, less is better",
      axis: "connections × watchers on each",
    }),
    bySide(results, "fan-out", "memory per watcher", {
      file: "fan-out-memory",
      title: "Memory of the server for each watcher, less is better",
      axis: "connections × watchers on each",
    }),
    byFlags(results),
  ].filter((chart) => chart !== undefined);
}

/** One line for each side, over the results of a suite in the order of calls or watchers in all. */
function bySide(
  results: readonly Result[],
  suite: string,
  figure: string,
  about: Pick<Chart, "file" | "title" | "axis">,
): Chart | undefined {
  const own = results.filter((result) => result.suite === suite).toSorted((a, b) => sizeOf(a.name) - sizeOf(b.name));
  const rows = own.flatMap((result) => result.rows.filter((row) => row.figure === figure));
  const [first] = rows;
  if (first === undefined) return undefined;
  const medianOf = (result: Result, side: string): number | undefined =>
    known(result.rows.find((row) => row.side === side && row.figure === figure)?.spread.median);
  return {
    ...about,
    unit: first.unit,
    categories: own.map(({ name }) => name),
    lines: [...new Set(rows.map(({ side }) => side))].map((name) => ({
      name,
      values: own.map((result) => medianOf(result, name)),
    })),
  };
}

/** `8 × 16`: 128. */
function sizeOf(name: string): number {
  return name.split(" × ").reduce((product, factor) => product * Number(factor), 1);
}

const EVALUATIONS = /^evaluation of .* \(ns\)$/;

/** The time of an evaluation, over the number of flags. */
function byFlags(results: readonly Result[]): Chart | undefined {
  const rows = results.find(({ suite }) => suite === "growth")?.rows.filter(({ side }) => EVALUATIONS.test(side)) ?? [];
  if (rows.length === 0) return undefined;
  const categories = [...new Set(rows.map(({ figure }) => figure))];
  return {
    file: "flags-evaluation",
    title: "An evaluation in the library, less is better",
    unit: "ns",
    axis: "flags in the store",
    categories,
    lines: [...new Set(rows.map(({ side }) => side))].map((side) => ({
      name: side.replace(" (ns)", ""),
      values: categories.map((figure) =>
        known(rows.find((row) => row.side === side && row.figure === figure)?.spread.median),
      ),
    })),
  };
}

/** A figure that was not measured is null in a file. */
function known(value: number | null | undefined): number | undefined {
  return typeof value === "number" && value > 0 ? value : undefined;
}
