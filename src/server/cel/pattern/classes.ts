/** Characters: code points, first and last of each range, ascending and apart from one another. */
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

/** In order, and what touches as one. */
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

/** All other characters. `ranges` are merged. */
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

const named = new Map<string, Ranges | undefined>();
let everything: string | undefined;

/** A general category such as `L` or `Lu`, a script such as `Greek`, or `Any`; undefined: there is none of that name. */
export function unicodeClass(name: string): Ranges | undefined {
  if (name === "Any") return ANY;
  if (!/^[A-Z][A-Za-z_]{0,39}$/.test(name)) return undefined;
  if (!named.has(name)) {
    const found = scan(name.length <= 2 ? `gc=${name}` : `Script=${name}`);
    // Names that do not exist are without number.
    if (found === undefined) return undefined;
    named.set(name, found);
  }
  return named.get(name);
}

/** The platform knows Unicode; what it knows goes into the program, so that nobody else has to. */
function scan(property: string): Ranges | undefined {
  let pattern: RegExp;
  try {
    pattern = new RegExp(`\\p{${property}}+`, "gu");
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  everything ??= everyPoint();
  const result: number[] = [];
  for (const { 0: run } of everything.matchAll(pattern)) {
    const first = run.codePointAt(0) as number;
    result.push(first, run.codePointAt(run.length - (first > 0xffff ? 2 : 1)) as number);
  }
  return merged(result);
}

/** A text of all characters in their order. */
function everyPoint(): string {
  const parts: string[] = [];
  for (let from = 0; from <= LAST_POINT; from += 0x1000) {
    if (from >= 0xd800 && from < 0xe000) continue;
    const points = Array.from({ length: 0x1000 }, (_, index) => from + index);
    parts.push(String.fromCodePoint(...points.filter((point) => point < 0xd800 || point > 0xdfff)));
  }
  return parts.join("");
}

/** For each character with another of the same letter, such as k, K and the sign of Kelvin, all of them. */
let orbits: ReadonlyMap<number, readonly number[]> | undefined;

/** With all characters that differ only in case. `ranges` are merged. */
export function foldedCase(ranges: Ranges): Ranges {
  orbits ??= findOrbits();
  const result = [...ranges];
  for (const [point, orbit] of orbits) {
    if (!includes(ranges, point)) continue;
    for (const other of orbit) result.push(other, other);
  }
  return merged(result);
}

function includes(ranges: Ranges, point: number): boolean {
  for (let at = 0; at < ranges.length; at += 2) {
    if (point < (ranges[at] as number)) return false;
    if (point <= (ranges[at + 1] as number)) return true;
  }
  return false;
}

function findOrbits(): ReadonlyMap<number, readonly number[]> {
  const found = new Map<number, number[]>();
  const join = (a: number, b: number): void => {
    // Unicode's simple folding decides, which the platform applies here.
    if (a === b || !new RegExp(`^\\u{${a.toString(16)}}$`, "iu").test(String.fromCodePoint(b))) return;
    const both = [...new Set([...(found.get(a) ?? [a]), ...(found.get(b) ?? [b])])];
    for (const point of both) found.set(point, both);
  };
  everything ??= everyPoint();
  for (const { 0: letter } of everything.matchAll(/\p{Changes_When_Casemapped}/gu)) {
    const point = letter.codePointAt(0) as number;
    for (const other of [letter.toLowerCase(), letter.toUpperCase()]) {
      const [first = "", ...more] = other;
      if (more.length === 0) join(point, first.codePointAt(0) as number);
    }
  }
  return found;
}
