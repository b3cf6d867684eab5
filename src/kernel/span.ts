/**
 * Longest duration in a request: 10,000 years, the longest Duration of the contract. A longer one is refused with
 * `ARGUMENT_INVALID`. @limit ms
 */
export const LONGEST_SPAN_MS = 315_576_000_000_000;

/** The spans of time that are accepted, in ms. */
export interface SpanRange {
  /** The shortest. Default 0. */
  readonly least?: number;
  /** Whether it must be longer than `least`. */
  readonly isAbove?: boolean;
  /** The longest, except for Infinity. Default `LONGEST_SPAN_MS`. */
  readonly most?: number;
  /** Whether Infinity is accepted, for "never". */
  readonly mayBeInfinite?: boolean;
}

/**
 * Checks a span of time in ms. Returns what is wrong with it, or undefined if it is valid. Used for all options and requests.
 * The caller adds the name of the option or field to the text.
 */
export function spanProblem(value: unknown, range: SpanRange = {}): string | undefined {
  const { least = 0, isAbove = false, most = LONGEST_SPAN_MS, mayBeInfinite = false } = range;
  if (typeof value === "number") {
    const isEnough = isAbove ? value > least : value >= least;
    if (isEnough && (value <= most || (mayBeInfinite && value === Number.POSITIVE_INFINITY))) return undefined;
  }
  const from = isAbove ? `above ${least}` : `at least ${least}`;
  const orNever = mayBeInfinite ? " (or Infinity: never)" : "";
  const given = typeof value === "number" ? `${value}` : shown(value);
  return `must be a number of ms, ${from} and at most ${most}${orNever}, not ${given}`;
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 100)) : typeof value;
}
