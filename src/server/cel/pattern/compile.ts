import type { Instruction, Pattern } from "../../../core/index.ts";
import { parsePattern } from "./parse.ts";
import { PatternError, type PatternNode } from "./tree.ts";

export { PatternError } from "./tree.ts";

/**
 * Instructions of a pattern in a condition, its counted repetitions written out; a pattern with more is refused with
 * `FLAG_CONDITION_INVALID`. @limit instructions
 */
const MAX_INSTRUCTIONS = 1000;

/** Patterns that use the same class share its packed form. */
const packedOf = new WeakMap<readonly number[], Uint32Array>();

function packed(ranges: readonly number[]): Uint32Array {
  const known = packedOf.get(ranges) ?? Uint32Array.from(ranges);
  packedOf.set(ranges, known);
  return known;
}

/** Compiles a regular expression in RE2 syntax. For `unicode`, see `parsePattern`. Throws a PatternError. */
export function patternOf(text: string, unicode: Set<string> = new Set()): Pattern {
  const tree = parsePattern(text, unicode);
  const instructions: Instruction[] = [];
  const classes: Uint32Array[] = [];
  const classAt = new Map<string, number>();
  const placed = new Map<readonly number[], number>();

  const add = (instruction: Instruction): number => {
    if (instructions.length >= MAX_INSTRUCTIONS) {
      throw new PatternError(`it has more than ${MAX_INSTRUCTIONS} instructions when its repetitions are expanded`);
    }
    return instructions.push(instruction) - 1;
  };

  const classOf = (ranges: readonly number[]): number => {
    const same = placed.get(ranges);
    if (same !== undefined) return same;
    const key = ranges.join();
    const known = classAt.get(key) ?? classes.push(packed(ranges)) - 1;
    classAt.set(key, known);
    placed.set(ranges, known);
    return known;
  };

  /** Emits a node that continues with the instruction `next`. Returns the index of its first instruction. */
  const place = (node: PatternNode, next: number): number => {
    switch (node.kind) {
      case "class":
        return add({ op: "CHARACTER", next, other: classOf(node.ranges) });
      case "assertion":
        return add({ op: node.op, next, other: 0 });
      case "sequence":
        return node.parts.reduceRight((after, part) => place(part, after), next);
      case "choice": {
        const [first, ...others] = node.parts.map((part) => place(part, next)).reverse();
        return others.reduce((other, one) => add({ op: "SPLIT", next: one, other }), first as number);
      }
      case "repeat":
        return repeat(node, next);
    }
  };

  const repeat = ({ body, min, max }: PatternNode & { kind: "repeat" }, next: number): number => {
    let begin = next;
    let copies = min;
    if (max === Number.POSITIVE_INFINITY) {
      const split = add({ op: "SPLIT", next: 0, other: next });
      const start = place(body, split);
      instructions[split] = { op: "SPLIT", next: start, other: next };
      begin = min > 0 ? start : split;
      copies = Math.max(0, min - 1);
    }
    for (let optional = min; optional < max && max !== Number.POSITIVE_INFINITY; optional += 1) {
      const one = place(body, begin);
      // An empty node stays empty, however often it is repeated.
      if (one === begin) break;
      begin = add({ op: "SPLIT", next: one, other: next });
    }
    for (; copies > 0; copies -= 1) {
      const one = place(body, begin);
      if (one === begin) break;
      begin = one;
    }
    return begin;
  };

  const match = add({ op: "MATCH", next: 0, other: 0 });
  const start = place(tree, match);
  return { text, instructions, classes, start, anchored: isAnchored(tree) };
}

/** Whether the pattern can only match at the beginning of a text. */
function isAnchored(node: PatternNode): boolean {
  switch (node.kind) {
    case "assertion":
      return node.op === "BEGIN_TEXT";
    case "sequence":
      return node.parts.some((part, at) => isAnchored(part) && node.parts.slice(0, at).every(takesNothing));
    case "choice":
      return node.parts.every(isAnchored);
    case "repeat":
      return node.min > 0 && isAnchored(node.body);
    case "class":
      return false;
  }
}

function takesNothing(node: PatternNode): boolean {
  return node.kind === "assertion" || (node.kind === "sequence" && node.parts.every(takesNothing));
}
