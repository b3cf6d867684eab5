import type { Run } from "./budget.ts";

export const INSTRUCTION_OPS = [
  "MATCH",
  "CHARACTER",
  "SPLIT",
  "BEGIN_TEXT",
  "END_TEXT",
  "BEGIN_LINE",
  "END_LINE",
  "WORD_BOUNDARY",
  "NO_WORD_BOUNDARY",
] as const;

export type InstructionOp = (typeof INSTRUCTION_OPS)[number];

/** One instruction of a pattern. */
export interface Instruction {
  readonly op: InstructionOp;
  /** The next instruction. For MATCH: 0. */
  readonly next: number;
  /** For SPLIT the other next instruction, for CHARACTER its class, otherwise 0. */
  readonly other: number;
}

/** A regular expression as a nondeterministic machine. It reads a text once, and follows all possible states together. */
export interface Pattern {
  /** The pattern as it was written. */
  readonly text: string;
  readonly instructions: readonly Instruction[];
  /** The characters that a CHARACTER matches: the first and last code point of each range, ascending. */
  readonly classes: readonly Uint32Array[];
  readonly start: number;
  /** Whether it can match only at the beginning of the text. */
  readonly anchored: boolean;
}

/** The number of visits, each of one instruction at one place, that count as one step. */
const INSTRUCTIONS_PER_STEP = 4;

/** Whether it matches anywhere in a text. At each place it visits each instruction at most once; 4 visits are one step. */
export type Matcher = (text: string, run: Run) => boolean;

const MATCH = INSTRUCTION_OPS.indexOf("MATCH");
const CHARACTER = INSTRUCTION_OPS.indexOf("CHARACTER");
const SPLIT = INSTRUCTION_OPS.indexOf("SPLIT");
const BEGIN_TEXT = INSTRUCTION_OPS.indexOf("BEGIN_TEXT");
const END_TEXT = INSTRUCTION_OPS.indexOf("END_TEXT");
const BEGIN_LINE = INSTRUCTION_OPS.indexOf("BEGIN_LINE");
const END_LINE = INSTRUCTION_OPS.indexOf("END_LINE");
const WORD_BOUNDARY = INSTRUCTION_OPS.indexOf("WORD_BOUNDARY");

export function matcherOf({ instructions, classes, start, anchored }: Pattern): Matcher {
  const size = instructions.length;
  const ops = Uint8Array.from(instructions, ({ op }) => INSTRUCTION_OPS.indexOf(op));
  const nexts = Uint16Array.from(instructions, ({ next }) => next);
  const others = Uint16Array.from(instructions, ({ other }) => other);
  // For each instruction, the last place at which it was reached.
  const reached = new Int32Array(size);
  const stack = new Uint16Array(size * 2 + 2);
  let waiting = new Uint16Array(size + 1);
  let ahead = new Uint16Array(size + 1);
  return (text, run) => {
    reached.fill(-1);
    let waitingCount = 0;
    let pending = 0;
    let before = -1;
    for (let at = 0, place = 0; ; place += 1) {
      const here = at < text.length ? (text.codePointAt(at) as number) : -1;
      if (place === 0 || !anchored) waiting[waitingCount++] = start;
      pending += 1;
      let carried = 0;
      let isMatch = false;
      for (let index = 0; index < waitingCount; index += 1) {
        let top = 1;
        stack[0] = waiting[index] as number;
        while (top > 0) {
          const each = stack[--top] as number;
          if (reached[each] === place) continue;
          reached[each] = place;
          pending += 1;
          const op = ops[each] as number;
          if (op === CHARACTER) {
            if (here >= 0 && includes(classes[others[each] as number] as Uint32Array, here)) {
              ahead[carried++] = nexts[each] as number;
            }
          } else if (op === SPLIT) {
            stack[top++] = others[each] as number;
            stack[top++] = nexts[each] as number;
          } else if (op === MATCH) isMatch = true;
          else if (holds(op, before, here)) stack[top++] = nexts[each] as number;
        }
      }
      if (pending >= INSTRUCTIONS_PER_STEP) {
        run.step(Math.floor(pending / INSTRUCTIONS_PER_STEP));
        pending %= INSTRUCTIONS_PER_STEP;
      }
      if (isMatch) return true;
      if (here < 0 || (carried === 0 && anchored)) return false;
      const free = waiting;
      waiting = ahead;
      ahead = free;
      waitingCount = carried;
      before = here;
      at += here > 0xffff ? 2 : 1;
    }
  };
}

/** Whether the place between two characters is of the kind that the instruction asks for. -1: there is no character. */
function holds(op: number, before: number, after: number): boolean {
  if (op === BEGIN_TEXT) return before < 0;
  if (op === END_TEXT) return after < 0;
  if (op === BEGIN_LINE) return before < 0 || before === 10;
  if (op === END_LINE) return after < 0 || after === 10;
  return (isWord(before) !== isWord(after)) === (op === WORD_BOUNDARY);
}

function isWord(point: number): boolean {
  return (point >= 48 && point <= 57) || (point >= 65 && point <= 90) || point === 95 || (point >= 97 && point <= 122);
}

function includes(bounds: Uint32Array, point: number): boolean {
  let low = 0;
  let high = bounds.length >> 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (point > (bounds[middle * 2 + 1] as number)) low = middle + 1;
    else if (point < (bounds[middle * 2] as number)) high = middle;
    else return true;
  }
  return false;
}
