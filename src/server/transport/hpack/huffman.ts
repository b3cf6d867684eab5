import { CODES, EOS } from "./huffman-code.ts";

/** One for each node of the code's tree that is not a symbol. */
const STATES = 256;
const INVALID = -1;
/** The longest padding: a string ends within a byte (RFC 7541, 5.2). */
const PADDING_BITS = 7;

/** The children of each node of the code's tree, for the bits 0 and 1: a state, or `~symbol`. State 0 is the root. */
const TREE = buildTree();
/**
 * The next state for each state and byte, with the bytes that are complete by then: the state in the bits 0 to 7, up to two bytes
 * in the bits 8 to 23, their number in the bits from 24. A transition is computed when it is first needed; until then it is 0,
 * which no transition can be, because the root is reached only with a complete byte.
 */
const TRANSITIONS = new Int32Array(STATES * 256);
/** 1 for each state in which a string may end: the bits since the last symbol are padding. */
const ENDS = findEnds();

/**
 * Decodes the string in `source` from `from` to `to`, and writes it to `target` from `at`. Returns the end of the written bytes, or
 * -1 if the string is invalid. `target` must have room for 8/5 of the bytes and two more.
 */
export function decodeHuffman(source: Uint8Array, from: number, to: number, target: Uint8Array, at: number): number {
  let state = 0;
  let end = at;
  for (let index = from; index < to; index += 1) {
    const byte = source[index] as number;
    let step = TRANSITIONS[(state << 8) | byte] as number;
    if (step === 0) {
      step = transition(state, byte);
      if (step === INVALID) return INVALID;
      TRANSITIONS[(state << 8) | byte] = step;
    }
    // Two bytes are always written, because a branch for each byte would cost more. Later bytes overwrite the surplus.
    target[end] = step >> 8;
    target[end + 1] = step >> 16;
    end += step >> 24;
    state = step & 0xff;
  }
  return ENDS[state] === 1 ? end : INVALID;
}

/** The transition for eight bits, or `INVALID` if the code of EOS ends among them. */
function transition(from: number, byte: number): number {
  let state = from;
  let symbols = 0;
  let count = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    const next = TREE[state * 2 + ((byte >> bit) & 1)] as number;
    if (next === ~EOS) return INVALID;
    if (next < 0) {
      symbols |= ~next << (8 * count);
      count += 1;
    }
    state = Math.max(next, 0);
  }
  return state | (symbols << 8) | (count << 24);
}

function buildTree(): Int16Array {
  const tree = new Int16Array(STATES * 2);
  let states = 1;
  for (const { symbol, code, bits } of CODES) {
    let state = 0;
    for (let bit = bits - 1; bit > 0; bit -= 1) {
      const branch = state * 2 + ((code >> bit) & 1);
      if (tree[branch] === 0) {
        tree[branch] = states;
        states += 1;
      }
      state = tree[branch] as number;
    }
    tree[state * 2 + (code & 1)] = ~symbol;
  }
  return tree;
}

function findEnds(): Uint8Array {
  const ends = new Uint8Array(STATES);
  let state = 0;
  for (let bits = 0; bits <= PADDING_BITS; bits += 1) {
    ends[state] = 1;
    state = TREE[state * 2 + 1] as number;
  }
  return ends;
}
