import { readdirSync, readFileSync } from "node:fs";

/** Of the flags of an open file: it is closed where another program is started. */
const CLOSE_ON_EXEC = 0o2000000;
/** The first that a process does not have by its standard streams. */
const FIRST = 3;

/** The numbers that were handed on when it was first looked; what the service itself opens is not handed on. */
let handedOn: readonly number[] | undefined;

/**
 * Descriptors that the service was started with and that the programs which it starts have, too: a lock, a log or a socket of
 * whoever started it. Empty where the system does not tell.
 */
export function inheritedDescriptors(): readonly number[] {
  handedOn ??= numbers().filter(isHandedOn);
  return handedOn.filter(isHandedOn);
}

function numbers(): readonly number[] {
  try {
    return readdirSync("/proc/self/fd")
      .map(Number)
      .filter((number) => number >= FIRST);
  } catch {
    return [];
  }
}

function isHandedOn(descriptor: number): boolean {
  try {
    const [, flags = ""] = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1")) ?? [];
    return flags !== "" && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
  } catch {
    return false;
  }
}
