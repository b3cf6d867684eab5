import type { Measure, Sample } from "./sample.ts";

/** Maximum growth of each measure, from the end of the warm-up to the end of the run, that still counts as flat. */
const TOLERANCES: Readonly<Record<Measure, { readonly share: number; readonly least: number }>> = {
  "server RSS MB": { share: 0.1, least: 16 },
  "server heap MB": { share: 0.1, least: 4 },
  "modules RSS MB": { share: 0.1, least: 16 },
  "modules heap MB": { share: 0.1, least: 4 },
  "server descriptors": { share: 0, least: 8 },
  "server threads": { share: 0, least: 4 },
  processes: { share: 0, least: 2 },
  "data directory MB": { share: 0.05, least: 2 },
};
/**
 * The minimum of each window of this length counts, because the size of a heap is only known right after a garbage
 * collection.
 */
const WINDOW_S = 10;

/** The trend of one measure after the warm-up. */
export interface Trend {
  readonly measure: Measure;
  readonly first: number;
  readonly last: number;
  readonly most: number;
  /** Growth per minute. */
  readonly slope: number;
  /** Growth over the whole time, computed from the slope. */
  readonly growth: number;
  readonly allowed: number;
  readonly isFlat: boolean;
}

/**
 * The slopes after the warm-up. Each is the median of the slopes between all pairs of windows (Theil–Sen estimator), so
 * that single spikes have no effect. `known` is growth that the design limits, but not within such a short run.
 */
export function trendsOf(
  samples: readonly Sample[],
  warmUpS: number,
  known: Partial<Record<Measure, number>> = {},
): readonly Trend[] {
  const after = samples.filter(({ time }) => time >= warmUpS);
  return (Object.keys(TOLERANCES) as Measure[]).map((measure) => {
    const windows = new Map<number, number>();
    for (const { time, values } of after) {
      const window = Math.floor(time / WINDOW_S);
      const value = values[measure];
      if (!Number.isNaN(value)) windows.set(window, Math.min(windows.get(window) ?? value, value));
    }
    const points = [...windows];
    const slopes = points.flatMap(([x, y], index) =>
      points.slice(index + 1).map(([otherX, otherY]) => (otherY - y) / (((otherX - x) * WINDOW_S) / 60)),
    );
    const slope = median(slopes);
    const minutes = (((points.at(-1)?.[0] ?? 0) - (points[0]?.[0] ?? 0)) * WINDOW_S) / 60;
    const level = median(points.map(([, y]) => y));
    const { share, least } = TOLERANCES[measure];
    const allowed = Math.max(level * share, least) + (known[measure] ?? 0);
    const growth = slope * minutes;
    const most = Math.max(...after.map(({ values }) => values[measure]).filter((value) => !Number.isNaN(value)));
    const [first, last] = [points[0]?.[1] ?? Number.NaN, points.at(-1)?.[1] ?? Number.NaN];
    return { measure, first, last, most, slope, growth, allowed, isFlat: points.length > 1 && growth <= allowed };
  });
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}
