/** A time zone: its offsets from UTC, each from a point in time on. */
export interface Zone {
  /** Such as `Europe/Zurich` or `+02:00`. */
  readonly name: string;
  /** Seconds since the Unix epoch at which the offset changes; ascending. */
  readonly starts: readonly number[];
  /** Seconds that local time is ahead of UTC: the first before `starts[0]`, then one from each start on. */
  readonly offsets: readonly number[];
}

/** How far local time is ahead of UTC at that time, in seconds. */
export function offsetAt({ starts, offsets }: Zone, seconds: number): number {
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((starts[middle] as number) <= seconds) low = middle + 1;
    else high = middle;
  }
  return offsets[low] ?? 0;
}
