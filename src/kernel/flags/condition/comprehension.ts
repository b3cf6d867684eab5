import { Failure, type Run } from "./budget.ts";
import { compareText } from "./compare.ts";
import type { Evaluate } from "./evaluator.ts";
import { ELEMENT_BYTES, unfit } from "./operations.ts";
import { MADE_OVERHEAD } from "./texts.ts";
import { isMap, MadeMap, memberCount, presentKeys, read, type Value } from "./values.ts";

type Macro = "ALL" | "EXISTS" | "EXISTS_ONE" | "FILTER" | "TRANSFORM";

/**
 * Goes through a list, or through the keys of a map, with a step for each. For TRANSFORM with a condition, `then` makes the
 * result of each element that meets it. ALL and EXISTS continue after a failure, because a later element may decide. The other
 * operations end with the failure.
 */
export function comprehension(
  macro: Macro,
  slot: number,
  range: Evaluate,
  body: Evaluate,
  then: Evaluate | undefined,
  at: (failure: Failure) => Failure,
): Evaluate {
  const go = macro === "ALL" || macro === "EXISTS" ? quantified(macro) : macro === "EXISTS_ONE" ? one : collected;
  const walk: Walk = { slot, body, then, transforms: macro === "TRANSFORM", at };
  return (run, subject) => {
    run.step(1);
    const of = range(run, subject);
    if (of instanceof Failure) return of;
    const elements = elementsOf(of, run);
    return elements instanceof Failure ? at(elements) : go(elements, walk, run, subject);
  };
}

interface Walk {
  readonly slot: number;
  readonly body: Evaluate;
  readonly then: Evaluate | undefined;
  readonly transforms: boolean;
  readonly at: (failure: Failure) => Failure;
}

type Go = (elements: readonly unknown[], walk: Walk, run: Run, subject: unknown) => Value | Failure;

/** The result of the body with the local set to that element. */
function bodyOf(element: unknown, { slot, body, at }: Walk, run: Run, subject: unknown): Value | Failure {
  run.step(1);
  const value = read(element) ?? null;
  if (value instanceof Failure) return at(value);
  run.slots[slot] = value;
  return body(run, subject);
}

const quantified = (macro: Macro): Go => {
  const decisive = macro === "EXISTS";
  return (elements, walk, run, subject) => {
    let failed: Failure | undefined;
    for (const element of elements) {
      const value = bodyOf(element, walk, run, subject);
      if (value === decisive) return decisive;
      if (typeof value !== "boolean") failed ??= value instanceof Failure ? value : walk.at(unfit(value));
    }
    return failed ?? !decisive;
  };
};

const one: Go = (elements, walk, run, subject) => {
  let count = 0;
  for (const element of elements) {
    const value = bodyOf(element, walk, run, subject);
    if (typeof value !== "boolean") return value instanceof Failure ? value : walk.at(unfit(value));
    if (value) count += 1;
  }
  return count === 1;
};

const collected: Go = (elements, walk, run, subject) => {
  const { slot, then, transforms, at } = walk;
  run.make(MADE_OVERHEAD);
  const made: unknown[] = [];
  for (const element of elements) {
    let value = bodyOf(element, walk, run, subject);
    if (value instanceof Failure) return value;
    if (!transforms || then !== undefined) {
      if (typeof value !== "boolean") return at(unfit(value));
      if (!value) continue;
      const kept = run.slots[slot] as Value;
      value = then === undefined ? kept : then(run, subject);
      if (value instanceof Failure) return value;
    }
    run.make(ELEMENT_BYTES);
    made.push(value);
  }
  return made as Value;
};

function elementsOf(of: Value, run: Run): readonly unknown[] | Failure {
  if (Array.isArray(of)) return of;
  if (!isMap(of)) return unfit(of);
  memberCount(of, run);
  if (of instanceof MadeMap) return [...of.members.values()].map(({ key }) => key);
  return sortedKeys(of, run);
}

/** The keys of an object, sorted: their own order has no meaning. It takes about n × log2(n) / 2 steps. */
function sortedKeys(of: { readonly [key: string]: unknown }, run: Run): readonly string[] {
  const keys = presentKeys(of);
  const rounds = 32 - Math.clz32(keys.length);
  run.step(Math.floor((keys.length * rounds) / 2));
  let units = 0;
  for (const key of keys) units += key.length;
  run.pass(units * rounds * 2);
  return keys.sort(compareText);
}
