/** How far apart numbers may be that count as equal. They must be within one of the two tolerances. */
export interface Tolerance {
  /** A share of the larger number, from 0 to 1. */
  readonly relative: number;
  readonly absolute: number;
}

export interface Difference {
  /** The place, such as `output.fills[2].price`. */
  readonly path: string;
  readonly current: unknown;
  readonly candidate: unknown;
}

/**
 * Returns the first place in which two JSON values or byte strings differ. Undefined if they are equal. The order of members
 * does not matter.
 */
export function firstDifference(
  current: unknown,
  candidate: unknown,
  tolerance: Tolerance,
  path = "output",
): Difference | undefined {
  if (typeof current === "number" && typeof candidate === "number") {
    return near(current, candidate, tolerance) ? undefined : { path, current, candidate };
  }
  if (current instanceof Uint8Array && candidate instanceof Uint8Array) {
    const same = current.length === candidate.length && current.every((byte, index) => byte === candidate[index]);
    return same ? undefined : { path, current: `${current.length} bytes`, candidate: `${candidate.length} bytes` };
  }
  if (!isStructure(current) || !isStructure(candidate) || Array.isArray(current) !== Array.isArray(candidate)) {
    return Object.is(current, candidate) ? undefined : { path, current, candidate };
  }
  for (const key of new Set([...Object.keys(current), ...Object.keys(candidate)])) {
    const at = Array.isArray(current) ? `${path}[${key}]` : `${path}.${key}`;
    const [one, other] = [member(current, key), member(candidate, key)];
    const found = firstDifference(one, other, tolerance, at);
    if (found !== undefined) return found;
  }
  return undefined;
}

function near(one: number, other: number, { relative, absolute }: Tolerance): boolean {
  const distance = Math.abs(one - other);
  return distance <= absolute || distance <= relative * Math.max(Math.abs(one), Math.abs(other));
}

function isStructure(value: unknown): value is object {
  return typeof value === "object" && value !== null && !(value instanceof Uint8Array);
}

function member(value: object, key: string): unknown {
  return Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
}
