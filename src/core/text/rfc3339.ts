/** The wall times that RFC 3339 and protobuf timestamps can tell, in ms: the years 1 to 9999. */
export const EARLIEST_TIME = -62_135_596_800_000;
export const LATEST_TIME = 253_402_300_799_999;

const FORM = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/** Reads an RFC 3339 time, with its offset, as ms since the Unix epoch (finer digits are cut); undefined: it is none. */
export function parseTime(text: string): number | undefined {
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  // The platform's parser takes 30 February for 2 March.
  const daysInMonth = new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth || hour > 23 || minute > 59 || second > 59)
    return undefined;
  const time = Date.parse(text.toUpperCase());
  return time >= EARLIEST_TIME && time <= LATEST_TIME ? time : undefined;
}

/** Writes a wall time in ms as RFC 3339 in UTC, with a fraction only where there is one. */
export function printTime(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}
