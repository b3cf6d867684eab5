/** A logarithmic scale over one or more decades. */
export interface Scale {
  /** The place of a value from 0 (the lowest tick) to 1 (the highest). */
  at(value: number): number;
  /** Values at which a line is drawn: 1, 2 and 5 times each power of ten, or only the powers if there are many. */
  readonly ticks: readonly number[];
}

/** Covers all values, which must be above 0. */
export function logScale(values: readonly number[]): Scale {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  if (!(least > 0 && least <= most && most < Number.POSITIVE_INFINITY))
    throw new Error(`no scale covers ${least} to ${most}`);
  const decades = Math.log10(most / least);
  const steps = decades > 3 ? [1] : decades > 1.5 ? [1, 3] : [1, 2, 5];
  const all: number[] = [];
  for (let power = Math.floor(Math.log10(least)) - 1; power <= Math.ceil(Math.log10(most)) + 1; power += 1)
    for (const step of steps) all.push(step * 10 ** power);
  const first = all.findLastIndex((tick) => tick <= least);
  const last = all.findIndex((tick) => tick >= most && tick > (all[first] ?? 0));
  const ticks = all.slice(first, last + 1);
  const [low, high] = [Math.log10(ticks[0] ?? 1), Math.log10(ticks.at(-1) ?? 10)];
  return { at: (value) => (Math.log10(value) - low) / (high - low), ticks };
}

/** A tick as text: `0.5`, `20`, `3k`. */
export function tickText(value: number): string {
  return value >= 1000 ? `${Number((value / 1000).toPrecision(3))}k` : String(Number(value.toPrecision(3)));
}
