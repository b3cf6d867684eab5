const UNITS_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const UNITS_BYTES = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;
/** Longest age in a setting; the server does not start with a longer one. @limit ms */
const LONGEST_AGE_MS = 36_500 * UNITS_MS.d;
/** Largest size in a setting; the server does not start with a larger one. @limit bytes */
export const MOST_BYTES = 1024 * UNITS_BYTES.GiB;

/** Parses an age such as `30d` as ms. Undefined if the text is not an age from one minute to `LONGEST_AGE_MS`. */
export function readAge(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS];
  return ms >= UNITS_MS.m && ms <= LONGEST_AGE_MS ? ms : undefined;
}

/** Parses a size such as `256MiB` as bytes. Undefined if the text is not a size from 1 MiB to `MOST_BYTES`. */
export function readBytes(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,9})(KiB|MiB|GiB)$/.exec(text) ?? [];
  const bytes = Number(count) * UNITS_BYTES[unit as keyof typeof UNITS_BYTES];
  return bytes >= UNITS_BYTES.MiB && bytes <= MOST_BYTES ? bytes : undefined;
}

/** Parses a number such as `100000`. Undefined if the text is not a whole number from 1,000 to 999,999,999. */
export function readCount(text: string): number | undefined {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  return count >= 1000 ? count : undefined;
}
