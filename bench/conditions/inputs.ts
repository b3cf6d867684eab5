import type { EvaluationContext } from "../../src/kernel/flags/evaluation.ts";

/** The most expensive condition of its kind, with the context that makes it so. */
export interface Worst {
  readonly name: string;
  readonly condition: string;
  readonly context: () => EvaluationContext;
}

export const numbers = (length: number): number[] => Array.from({ length }, (_, index) => index % 97);
export const texts = (length: number, text: (index: number) => string): string[] =>
  Array.from({ length }, (_, at) => text(at));
export const long = (units: number, text = "a"): string => text.repeat(units / text.length);
/** An object with this many members, in shuffled order. */
export const members = (count: number, key: (at: number) => string, value: (at: number) => unknown = (at) => at) =>
  Object.fromEntries(numbers(count).map((_, at) => [key((at * 7919) % count), value(at)]));
/** This many nested lists. */
export const nested = (depth: number, of: unknown): unknown => (depth === 0 ? of : [nested(depth - 1, of)]);

export function worst(name: string, condition: string, attributes: () => Record<string, unknown>): Worst {
  return { name, condition, context: () => ({ attributes: attributes() }) };
}

/** Evaluates `body` over a list `l`, whose elements are `x`. */
export function each(name: string, body: string, attributes: () => Record<string, unknown>): Worst {
  return worst(name, `context.attributes.l.all(x, ${body})`, attributes);
}
