import { readdirSync, readFileSync } from "node:fs";

/** Flag of an open file: the kernel closes it when the process starts another program. */
const CLOSE_ON_EXEC = 0o2000000;
/** The first descriptor after the standard streams. */
const FIRST_DESCRIPTOR = 3;

/**
 * The descriptors that were inherited, as found by the first call. Descriptors that the service itself opens are not
 * inherited.
 */
let inherited: readonly number[] | undefined;

/**
 * Returns the descriptors that the service inherited from its parent, such as a lock, a log or a socket, and that the
 * programs which it starts would inherit as well. Empty if the system has no /proc.
 */
export function inheritedDescriptors(): readonly number[] {
  inherited ??= numbers().filter(isInheritable);
  return inherited.filter(isInheritable);
}

function numbers(): readonly number[] {
  try {
    return readdirSync("/proc/self/fd")
      .map(Number)
      .filter((number) => number >= FIRST_DESCRIPTOR);
  } catch {
    return [];
  }
}

function isInheritable(descriptor: number): boolean {
  try {
    const [, flags = ""] = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1")) ?? [];
    return flags !== "" && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
  } catch {
    return false;
  }
}
