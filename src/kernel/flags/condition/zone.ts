/** A time zone: its offsets from UTC over time. */
export interface Zone {
  /** A name such as `Europe/Zurich` or `+02:00`. */
  readonly name: string;
  /** The times at which the offset changes, in seconds since the Unix epoch, ascending. */
  readonly starts: readonly number[];
  /** How far local time is ahead of UTC, in seconds. The first applies before `starts[0]`, each further one from its start. */
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
