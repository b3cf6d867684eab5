import type { Zone } from "../../core/index.ts";

/** The years whose changes of the clock a zone knows; before and after, it is as at their ends. */
const FIRST_YEAR = 1970;
const LAST_YEAR = 2100;
/** Two changes of a clock are further apart. */
const BETWEEN_CHANGES = 10 * 86_400;

const known = new Map<string, Zone>();

/** A zone of the IANA database, `UTC`, or an offset such as `+02:00`; undefined: there is none of that name. */
export function zoneOf(name: string): Zone | undefined {
  const kept = known.get(name);
  if (kept !== undefined) return kept;
  const offset = fixedOffset(name);
  if (offset !== undefined) return { name, starts: [], offsets: [offset] };
  const zone = namedZone(name);
  // There are some 600 names.
  if (zone !== undefined) known.set(name, zone);
  return zone;
}

function fixedOffset(name: string): number | undefined {
  if (name === "UTC") return 0;
  const [, sign, hours = "", minutes = ""] = /^([+-]?)([01]\d|2[0-3]):([0-5]\d)$/.exec(name) ?? [];
  if (sign === undefined) return undefined;
  return (Number(hours) * 3600 + Number(minutes) * 60) * (sign === "-" ? -1 : 1);
}

function namedZone(name: string): Zone | undefined {
  // What the platform takes besides: offsets of forms that other languages do not.
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return undefined;
  let offsetOf: (seconds: number) => number;
  try {
    offsetOf = clockOf(name);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  const starts: number[] = [];
  let seconds = Date.UTC(FIRST_YEAR) / 1000;
  const offsets = [offsetOf(seconds)];
  const end = Date.UTC(LAST_YEAR) / 1000;
  while (seconds < end) {
    const next = Math.min(seconds + BETWEEN_CHANGES, end);
    const offset = offsetOf(next);
    if (offset !== offsets.at(-1)) {
      starts.push(changeBetween(seconds, next, offset, offsetOf));
      offsets.push(offset);
    }
    seconds = next;
  }
  return { name, starts, offsets };
}

/** When the offset became what it is at `late`. */
function changeBetween(early: number, late: number, offset: number, offsetOf: (seconds: number) => number): number {
  let [before, after] = [early, late];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (offsetOf(middle) === offset) after = middle;
    else before = middle;
  }
  return after;
}

function clockOf(name: string): (seconds: number) => number {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: name,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  return (seconds) => {
    const parts: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(seconds * 1000)) parts[type] = Number(value);
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) / 1000 - seconds;
  };
}
