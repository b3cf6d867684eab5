/**
 * A set of characters: code points as pairs of the first and last of each range, in ascending order with gaps between
 * ranges.
 */
export type Ranges = readonly number[];

export const LAST_POINT = 0x10ffff;
export const ANY: Ranges = [0, LAST_POINT];
export const NO_NEWLINE: Ranges = [0, 9, 11, LAST_POINT];

const DIGIT: Ranges = [48, 57];
const WORD: Ranges = [48, 57, 65, 90, 95, 95, 97, 122];

export const PERL: Readonly<Record<string, Ranges>> = { d: DIGIT, s: [9, 10, 12, 13, 32, 32], w: WORD };

export const POSIX: Readonly<Record<string, Ranges>> = {
  alnum: [48, 57, 65, 90, 97, 122],
  alpha: [65, 90, 97, 122],
  ascii: [0, 127],
  blank: [9, 9, 32, 32],
  cntrl: [0, 31, 127, 127],
  digit: DIGIT,
  graph: [33, 126],
  lower: [97, 122],
  print: [32, 126],
  punct: [33, 47, 58, 64, 91, 96, 123, 126],
  space: [9, 13, 32, 32],
  upper: [65, 90],
  word: WORD,
  xdigit: [48, 57, 65, 70, 97, 102],
};

/** Sorts ranges, and joins those that overlap or touch. */
export function merged(ranges: readonly number[]): Ranges {
  const pairs: [number, number][] = [];
  for (let at = 0; at < ranges.length; at += 2) pairs.push([ranges[at] as number, ranges[at + 1] as number]);
  pairs.sort(([a], [b]) => a - b);
  const result: number[] = [];
  for (const [low, high] of pairs) {
    const last = result.length - 1;
    if (last > 0 && low <= (result[last] as number) + 1) result[last] = Math.max(result[last] as number, high);
    else result.push(low, high);
  }
  return result;
}

/** Returns all other characters. `ranges` must be merged. */
export function negated(ranges: Ranges): Ranges {
  const result: number[] = [];
  let from = 0;
  for (let at = 0; at < ranges.length; at += 2) {
    if ((ranges[at] as number) > from) result.push(from, (ranges[at] as number) - 1);
    from = (ranges[at + 1] as number) + 1;
  }
  if (from <= LAST_POINT) result.push(from, LAST_POINT);
  return result;
}

const named = new Map<string, Ranges>();

/**
 * Returns the characters of a general category such as `L` or `Lu`, of a script such as `Greek`, or `Any`. Undefined if
 * there is no such name.
 */
export function unicodeClass(name: string): Ranges | undefined {
  if (name === "Any") return ANY;
  if (!/^[A-Z][A-Za-z_]{0,39}$/.test(name)) return undefined;
  const known = named.get(name);
  if (known !== undefined) return known;
  const found = scan(name.length <= 2 ? `gc=${name}` : `Script=${name}`);
  // Unknown names are not cached, because there is no limit to their number.
  if (found !== undefined) named.set(name, found);
  return found;
}

/** Finds the characters of a Unicode property. They become part of the program, so that clients need no Unicode tables. */
function scan(property: string): Ranges | undefined {
  let pattern: RegExp;
  try {
    pattern = new RegExp(`\\p{${property}}+`, "gu");
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  sample ??= everyKind();
  const { text, ends } = sample;
  const result: number[] = [];
  for (const { 0: run } of text.matchAll(pattern)) {
    for (const char of run) {
      const point = char.codePointAt(0) as number;
      const end = ends.get(point) ?? point;
      const last = result.length - 1;
      // Surrogates are not characters. A range may span them.
      const next = result[last] === 0xd7ff ? 0xe000 : (result[last] ?? 0) + 1;
      if (last > 0 && point === next) result[last] = end;
      else result.push(point, end);
    }
  }
  return result;
}

/** Ranges of characters that have the same categories and scripts. It is enough to test the first character of each. */
export const ALIKE: readonly (readonly [first: number, last: number])[] = [
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xac00, 0xd7a3],
  [0xe000, 0xf8ff],
  [0x20000, 0x2a6df],
  [0x40000, 0xdffff],
  [0xe1000, 0xeffff],
  [0xf0000, 0xffffd],
  [0x100000, 0x10fffd],
];

/** A text with one character for each range of alike characters, and the last character of each range. */
interface Sample {
  readonly text: string;
  readonly ends: ReadonlyMap<number, number>;
}

let sample: Sample | undefined;

function everyKind(): Sample {
  const ends = new Map(ALIKE);
  const parts: string[] = [];
  let units: number[] = [];
  for (let point = 0; point <= LAST_POINT; point = (ends.get(point) ?? point) + 1) {
    if (point >= 0xd800 && point < 0xe000) continue;
    units.push(point);
    if (units.length < 4096) continue;
    parts.push(String.fromCodePoint(...units));
    units = [];
  }
  return { text: parts.join("") + String.fromCodePoint(...units), ends };
}

/** For each letter with several characters, such as k, K and the Kelvin sign, all of its characters. */
interface Letters {
  readonly orbits: ReadonlyMap<number, readonly number[]>;
  /** The characters of one letter, in ascending order. */
  readonly points: readonly number[];
}

let letters: Letters | undefined;

/** Adds all characters that differ only in case. `ranges` must be merged. */
export function foldedCase(ranges: Ranges): Ranges {
  letters ??= findLetters();
  const { orbits, points } = letters;
  const result = [...ranges];
  for (let at = 0; at < ranges.length; at += 2) {
    const [low, high] = [ranges[at] as number, ranges[at + 1] as number];
    for (let index = firstFrom(points, low); (points[index] ?? high + 1) <= high; index += 1) {
      for (const other of orbits.get(points[index] as number) ?? []) {
        if (other < low || other > high) result.push(other, other);
      }
    }
  }
  return result.length === ranges.length ? ranges : merged(result);
}

/** Returns the index of the first element that is at least `low`. */
function firstFrom(points: readonly number[], low: number): number {
  let [from, to] = [0, points.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((points[middle] as number) < low) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Unicode's simple case folding decides. The regular expression engine applies it here. */
const SAME_LETTER = /^(.)\1$/isu;

function findLetters(): Letters {
  const orbits = new Map<number, number[]>();
  const join = (a: number, b: number): void => {
    if (a === b || !SAME_LETTER.test(String.fromCodePoint(a, b))) return;
    const both = [...new Set([...(orbits.get(a) ?? [a]), ...(orbits.get(b) ?? [b])])];
    for (const point of both) orbits.set(point, both);
  };
  sample ??= everyKind();
  for (const { 0: letter } of sample.text.matchAll(/\p{Changes_When_Casemapped}/gu)) {
    const point = letter.codePointAt(0) as number;
    for (const other of [letter.toLowerCase(), letter.toUpperCase()]) {
      const [first = "", ...more] = other;
      if (more.length === 0) join(point, first.codePointAt(0) as number);
    }
  }
  return { orbits, points: [...orbits.keys()].sort((a, b) => a - b) };
}
