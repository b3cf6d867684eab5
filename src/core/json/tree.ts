import type { Violation } from "../errors/violation.ts";
import { type NumberProblem, numberProblem } from "./numbers.ts";
import type { JsonPath } from "./path.ts";

/**
 * Returns the first number in free-form JSON that is NaN, infinite or beyond `MAX_WHOLE_NUMBER`. Its place is below `path`.
 */
export function numberViolation(value: unknown, path: JsonPath): Violation | undefined {
  // A quick check decides whether there is such a number. Only then a slower search finds its place.
  if (!hasBadNumber(value)) return undefined;
  return firstViolation(value, path, (one) => {
    if (typeof one === "number") return numberProblem(one);
    if (Array.isArray(one)) return [...one.entries()];
    return typeof one === "object" && one !== null ? Object.entries(one) : undefined;
  });
}

function hasBadNumber(value: unknown): boolean {
  const rest: unknown[][] = [[value]];
  for (let parts = rest.pop(); parts !== undefined; parts = rest.pop()) {
    for (const part of parts) {
      if (typeof part === "number" && numberProblem(part) !== undefined) return true;
      if (typeof part === "object" && part !== null) rest.push(Array.isArray(part) ? part : Object.values(part));
    }
  }
  return false;
}

/** Describes a value: its problem, or its parts by name or position. Undefined if it has neither. */
export type Look<T> = (value: T) => NumberProblem | (readonly [string | number, T])[] | undefined;

interface Part<T> {
  readonly value: T;
  readonly step: string | number;
  readonly above: Part<T> | undefined;
}

/**
 * Returns the first problem in a tree, depth first. The time is linear in the tree's size, and the depth takes no stack.
 */
export function firstViolation<T>(value: T, path: JsonPath, look: Look<T>): Violation | undefined {
  const rest: Part<T>[] = [{ value, step: "", above: undefined }];
  for (let part = rest.pop(); part !== undefined; part = rest.pop()) {
    const seen = look(part.value);
    if (seen === undefined) continue;
    if (!Array.isArray(seen)) return { path: [...path, ...stepsTo(part)], ...seen };
    for (const [step, inner] of seen.reverse()) rest.push({ value: inner, step, above: part });
  }
  return undefined;
}

function stepsTo<T>(part: Part<T>): (string | number)[] {
  const steps: (string | number)[] = [];
  for (let at = part; at.above !== undefined; at = at.above) steps.push(at.step);
  return steps.reverse();
}

/**
 * Whether two JSON values are equal. The order of an object's members does not matter, and a member that is undefined
 * counts as absent.
 */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => sameJson(item, b[index]));
  }
  const [one, other] = [Object.entries(a).filter(isThere), Object.entries(b).filter(isThere)];
  if (one.length !== other.length) return false;
  const members = new Map(other);
  return one.every(([name, value]) => members.has(name) && sameJson(value, members.get(name)));
}

const isThere = ([, value]: [string, unknown]): boolean => value !== undefined;
