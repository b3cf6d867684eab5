import { type Ratio, type Result, ratioId } from "./results.ts";

/** A ratio of an earlier run of the quick form. */
export interface Recorded {
  readonly ratio: number;
  readonly better: "more" | "less";
}

/** The recorded ratios by their ids. */
export type BenchRecord = Readonly<Record<string, Recorded>>;

/** A ratio may become this many times as bad as it was recorded. More than that is a fall by more than a third. */
const ALLOWED = 1.5;

/**
 * The figures that are recorded: their ratios differ little between runs, also on a machine that does other work. Rates and
 * times by the clock do not belong to them. Nor does the memory of the process for each watcher, which depends on when it was
 * given back: it differed by a factor of five between runs.
 */
const STEADY: ReadonlySet<string> = new Set([
  "calls per CPU second",
  "CPU per watcher",
  "heap per watcher",
  "time per evaluation",
  "added time",
  "time",
]);
/** Peers that everybody has after `npm ci`. */
const isEverywhere = (peer: string): boolean => peer !== "flagd";

const isRecorded = ({ figure, peer, spread }: Ratio): boolean =>
  STEADY.has(figure) && isEverywhere(peer) && Number.isFinite(spread.median);

/** The ratios of these results that belong into a record. */
export function recordOf(results: readonly Result[]): BenchRecord {
  return Object.fromEntries(
    results.flatMap((result) =>
      result.ratios.filter(isRecorded).map((ratio): [string, Recorded] => {
        const { median } = ratio.spread;
        return [ratioId(result, ratio), { ratio: Number(median.toPrecision(3)), better: ratio.better }];
      }),
    ),
  );
}

/** The rows of `now`, but those that are worse in `before` as they are there. */
export function worseOf(before: BenchRecord, now: BenchRecord): BenchRecord {
  const rows = Object.entries(now).map(([id, row]): [string, Recorded] => {
    const earlier = before[id];
    const isWorse =
      earlier !== undefined && (row.better === "more" ? earlier.ratio < row.ratio : earlier.ratio > row.ratio);
    return [id, isWorse ? earlier : row];
  });
  return Object.fromEntries(rows);
}

/** A ratio that is worse than recorded. */
export interface Fall {
  readonly id: string;
  readonly recorded: number;
  /** NaN if the results lack it. */
  readonly measured: number;
}

/** The recorded ratios of which the results have a much worse one, or none. */
export function fallsOf(record: BenchRecord, results: readonly Result[]): Fall[] {
  const now = recordOf(results);
  return Object.entries(record).flatMap(([id, { ratio, better }]) => {
    const measured = now[id]?.ratio ?? Number.NaN;
    const worse = better === "more" ? ratio / measured : measured / ratio;
    return worse <= ALLOWED ? [] : [{ id, recorded: ratio, measured }];
  });
}

/** The suite of a recorded ratio. */
export function suiteOf(id: string): string {
  return id.slice(0, id.indexOf(" / "));
}

export function fallText({ id, recorded, measured }: Fall): string {
  return `${id}: ${Number.isNaN(measured) ? "not measured" : measured}, but ${recorded} is recorded`;
}
