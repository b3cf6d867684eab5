/** Percentiles of durations, in ms. */
export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export function percentiles(durationsMs: readonly number[], digits = 2): Percentiles {
  const sorted = Float64Array.from(durationsMs).sort();
  const at = (share: number): number => round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0, digits);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

export function round(ms: number, digits = 2): number {
  return Number(ms.toFixed(digits));
}

export function tell({ p50, p99, max }: Percentiles): string {
  return `${p50} / ${p99} / ${max}`;
}

/** Formats a table with aligned columns. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
