/** The middle of some figures, and the range in which they lie. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/** NaN for no figures. Of an even number of them, the median is the mean of the two in the middle. */
export function spreadOf(figures: readonly number[]): Spread {
  const sorted = Float64Array.from(figures).sort();
  const middle = (sorted.length - 1) / 2;
  const [low, high] = [sorted[Math.floor(middle)] ?? Number.NaN, sorted[Math.ceil(middle)] ?? Number.NaN];
  return {
    median: (low + high) / 2,
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
    count: sorted.length,
  };
}

/** The ratios of two sides in each round. */
export function ratiosOf(ours: readonly number[], theirs: readonly number[]): number[] {
  if (ours.length !== theirs.length) throw new Error(`${ours.length} and ${theirs.length} rounds cannot be compared`);
  return ours.map((one, round) => one / (theirs[round] ?? Number.NaN));
}

/** The spread of a single figure. */
export function one(figure: number): Spread {
  return { median: figure, min: figure, max: figure, count: 1 };
}
