/** The earliest and latest wall times in ms that RFC 3339 and protobuf timestamps can express: the years 1 to 9999. */
export const EARLIEST_TIME = -62_135_596_800_000;
export const LATEST_TIME = 253_402_300_799_999;

const FORM = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/**
 * Parses an RFC 3339 time with an offset, as ms since the Unix epoch. Finer digits are cut. Returns undefined if the text
 * is not such a time.
 */
export function parseTime(text: string): number | undefined {
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  // JavaScript's own parser would read 30 February as 2 March.
  const daysInMonth = new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth || hour > 23 || minute > 59 || second > 59)
    return undefined;
  const time = Date.parse(text.toUpperCase());
  return time >= EARLIEST_TIME && time <= LATEST_TIME ? time : undefined;
}

/** Formats a wall time in ms as RFC 3339 in UTC. A fraction is only written if there is one. */
export function printTime(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}
