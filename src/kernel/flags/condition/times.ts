import { Failure } from "./budget.ts";
import { CONVERTED_TEXT_MAX, notA } from "./numbers.ts";
import { Duration, MAX_INT, MAX_TIMESTAMP, MIN_INT, MIN_TIMESTAMP, Timestamp } from "./values.ts";
import { offsetAt, type Zone } from "./zone.ts";

const NS = 1_000_000_000n;
const DAY = 86_400;

export function timestamp(ns: bigint): Timestamp | Failure {
  if (ns >= MIN_TIMESTAMP && ns <= MAX_TIMESTAMP) return new Timestamp(ns);
  return new Failure("the timestamp is not in the years 1 to 9999");
}

export function duration(ns: bigint): Duration | Failure {
  return ns >= MIN_INT && ns <= MAX_INT
    ? new Duration(ns)
    : new Failure("the duration has more than 64 bits of nanoseconds");
}

const TIMESTAMP = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:Z|([+-])(\d{2}):(\d{2}))$/;

/** Reads RFC 3339 with a zone, capital `T` and `Z`, a date that exists and at most nine decimals. */
export function timestampOfText(text: string): Timestamp | Failure {
  const found = text.length <= CONVERTED_TEXT_MAX ? TIMESTAMP.exec(text) : null;
  if (found === null) return notA(text, "a timestamp");
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found.slice(1, 7).map(Number);
  const [offsetHour, offsetMinute] = [Number(found[9] ?? 0), Number(found[10] ?? 0)];
  const exists =
    year >= 1 &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= daysIn(year, month) &&
    hour <= 23 &&
    minute <= 59 &&
    second <= 59 &&
    offsetHour <= 23 &&
    offsetMinute <= 59;
  if (!exists) return notA(text, "a timestamp");
  const offset = (offsetHour * 3600 + offsetMinute * 60) * (found[8] === "-" ? -1 : 1);
  const seconds = dayNumber(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
  return timestamp(BigInt(seconds) * NS + BigInt((found[7] ?? "").padEnd(9, "0")));
}

/** Writes 0, 3, 6 or 9 decimals, in UTC. */
export function textOfTimestamp({ ns }: Timestamp): string {
  const seconds = Number(floorDivide(ns, NS));
  const { year, month, day, hours, minutes, seconds: second } = civil(seconds);
  const two = (part: number): string => String(part).padStart(2, "0");
  const date = `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`;
  return `${date}T${two(hours)}:${two(minutes)}:${two(second)}${decimals(ns - BigInt(seconds) * NS)}Z`;
}

/** The units of a duration in nanoseconds. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ["ns", 1],
  ["us", 1e3],
  ["µs", 1e3],
  ["ms", 1e6],
  ["s", 1e9],
  ["m", 6e10],
  ["h", 3.6e12],
]);
/** The number of decimal digits that a double always represents exactly. */
const SAFE_DIGITS = 15;

/** Reads `0`, or `-?` and one or more of `digits(.digits)?` with a unit of h, m, s, ms, us, ns. Digits below 1 ns are cut. */
export function durationOfText(text: string): Duration | Failure {
  const isNegative = text.startsWith("-");
  let at = isNegative ? 1 : 0;
  if (text.length === at || text.length > CONVERTED_TEXT_MAX) return notA(text, "a duration");
  if (text.length === at + 1 && text.endsWith("0")) return new Duration(0n);
  let ns = 0n;
  while (at < text.length) {
    const whole = digitsFrom(text, at);
    const dot = at + whole;
    const fraction = text[dot] === "." ? digitsFrom(text, dot + 1) : 0;
    const end = text[dot] === "." ? dot + 1 + fraction : dot;
    const long = UNITS.get(text.slice(end, end + 2));
    const worth = long ?? UNITS.get(text.charAt(end));
    if (worth === undefined || whole === 0 || (end > dot && fraction === 0)) return notA(text, "a duration");
    ns += worthOf(text.slice(at, dot), worth);
    if (fraction > 0) ns += (BigInt(text.slice(dot + 1, end)) * BigInt(worth)) / 10n ** BigInt(fraction);
    at = end + (long === undefined ? 1 : 2);
  }
  return duration(isNegative ? -ns : ns);
}

function worthOf(digits: string, worth: number): bigint {
  if (digits.length > SAFE_DIGITS) return BigInt(digits) * BigInt(worth);
  const ns = Number(digits) * worth;
  return ns <= Number.MAX_SAFE_INTEGER ? BigInt(ns) : BigInt(digits) * BigInt(worth);
}

/** Counts the digits from that place on. */
function digitsFrom(text: string, from: number): number {
  let at = from;
  while (at < text.length && text.charCodeAt(at) >= 48 && text.charCodeAt(at) <= 57) at += 1;
  return at - from;
}

/** Writes seconds with 0, 3, 6 or 9 decimals: `1.500s`. */
export function textOfDuration({ ns }: Duration): string {
  const size = ns < 0n ? -ns : ns;
  return `${ns < 0n ? "-" : ""}${size / NS}${decimals(size % NS)}s`;
}

export function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}

function decimals(nanos: bigint): string {
  if (nanos === 0n) return "";
  const digits = String(nanos).padStart(9, "0");
  if (digits.endsWith("000000")) return `.${digits.slice(0, 3)}`;
  return `.${digits.endsWith("000") ? digits.slice(0, 6) : digits}`;
}

/** The part of a timestamp that a getter returns. */
export type TimePart =
  | "FULL_YEAR"
  | "MONTH"
  | "DATE"
  | "DAY_OF_MONTH"
  | "DAY_OF_WEEK"
  | "DAY_OF_YEAR"
  | "HOURS"
  | "MINUTES"
  | "SECONDS"
  | "MILLISECONDS";

/** Months, days of the month, days of the week (0: Sunday) and days of the year count from 0, but DATE from 1. */
export function partOfTimestamp({ ns }: Timestamp, part: TimePart, zone: Zone | undefined): bigint {
  const utc = Number(floorDivide(ns, NS));
  const { year, month, day, hours, minutes, seconds, days } = civil(
    utc + (zone === undefined ? 0 : offsetAt(zone, utc)),
  );
  switch (part) {
    case "FULL_YEAR":
      return BigInt(year);
    case "MONTH":
      return BigInt(month - 1);
    case "DATE":
      return BigInt(day);
    case "DAY_OF_MONTH":
      return BigInt(day - 1);
    case "DAY_OF_WEEK":
      return BigInt((((days + 4) % 7) + 7) % 7);
    case "DAY_OF_YEAR":
      return BigInt(days - dayNumber(year, 1, 1));
    case "HOURS":
      return BigInt(hours);
    case "MINUTES":
      return BigInt(minutes);
    case "SECONDS":
      return BigInt(seconds);
    case "MILLISECONDS":
      return (ns - BigInt(utc) * NS) / 1_000_000n;
  }
}

/** For a duration: all of it in hours, minutes or seconds, rounded towards 0. MILLISECONDS are only those within the second. */
export function partOfDuration({ ns }: Duration, part: TimePart): bigint | Failure {
  switch (part) {
    case "HOURS":
      return ns / (3600n * NS);
    case "MINUTES":
      return ns / (60n * NS);
    case "SECONDS":
      return ns / NS;
    case "MILLISECONDS":
      return (ns % NS) / 1_000_000n;
    default:
      return new Failure("a duration has no such part");
  }
}

function isLeap(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return isLeap(year) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** The days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here. */
function dayNumber(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function civil(epochSeconds: number) {
  const days = Math.floor(epochSeconds / DAY);
  const rest = epochSeconds - days * DAY;
  const era = Math.floor((days + 719_468) / 146_097);
  const dayOfEra = days + 719_468 - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {
    days,
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1,
    hours: Math.floor(rest / 3600),
    minutes: Math.floor((rest % 3600) / 60),
    seconds: rest % 60,
  };
}
