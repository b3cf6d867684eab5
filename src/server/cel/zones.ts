/// <reference lib="esnext.temporal" />
import type { Zone } from "../../core/index.ts";

/** The years for which a zone's clock changes are stored. Before and after them, the offset at the nearest end applies. */
const FIRST = Date.UTC(1970) / 1000;
const LAST = Date.UTC(2100) / 1000;
/** Two clock changes of a zone are at least this many seconds apart. */
const BETWEEN_CHANGES = 10 * 86_400;

const known = new Map<string, Zone>();

/** Returns a zone of the IANA database, `UTC`, or an offset such as `+02:00`. Undefined if there is no such zone. */
export function zoneOf(name: string): Zone | undefined {
  const kept = known.get(name);
  if (kept !== undefined) return kept;
  const offset = fixedOffset(name);
  if (offset !== undefined) return { name, starts: [], offsets: [offset] };
  const zone = namedZone(name);
  // The cache is small: there are about 600 names.
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
  // JavaScript also accepts offsets in forms that other languages do not.
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return undefined;
  try {
    return { name, ...(changesOf(name) ?? changesProbed(name)) };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

type Changes = Omit<Zone, "name">;

/**
 * Returns the clock changes that the platform lists, or undefined if it has no such list. Throws a RangeError for an
 * unknown zone.
 */
export function changesOf(name: string): Changes | undefined {
  if (typeof Temporal === "undefined") return undefined;
  let at = new Temporal.ZonedDateTime(BigInt(FIRST) * 1_000_000_000n, name);
  const starts: number[] = [];
  const offsets = [at.offsetNanoseconds / 1e9];
  for (;;) {
    const next = at.getTimeZoneTransition("next");
    if (next === null || next.epochMilliseconds > LAST * 1000) return { starts, offsets };
    const offset = next.offsetNanoseconds / 1e9;
    if (offset !== offsets.at(-1)) {
      starts.push(next.epochMilliseconds / 1000);
      offsets.push(offset);
    }
    at = next;
  }
}

/** Finds the same changes by trial. This is a hundred times slower. */
export function changesProbed(name: string): Changes {
  const offsetOf = clockOf(name);
  const starts: number[] = [];
  const offsets = [offsetOf(FIRST)];
  for (let seconds = FIRST; seconds < LAST; seconds += BETWEEN_CHANGES) {
    const next = Math.min(seconds + BETWEEN_CHANGES, LAST);
    const offset = offsetOf(next);
    if (offset === offsets.at(-1)) continue;
    starts.push(changeBetween(seconds, next, offset, offsetOf));
    offsets.push(offset);
  }
  return { starts, offsets };
}

/** Returns when the offset that applies at `late` began. */
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
  const format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
  return (seconds) => {
    const found = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(format.format(seconds * 1000));
    const [, sign, hours = 0, minutes = 0, rest = 0] = found ?? [];
    return (Number(hours) * 3600 + Number(minutes) * 60 + Number(rest)) * (sign === "-" ? -1 : 1);
  };
}
