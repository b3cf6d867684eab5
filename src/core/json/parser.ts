import type { Steps } from "../async/steps.ts";
import { HALF_A_CHARACTER } from "../text/surrogates.ts";
import { JsonSourceError, type Position } from "./error.ts";
import { numberProblem } from "./numbers.ts";
import type { JsonPath } from "./path.ts";

/**
 * Reads one member again, now with the lines of its parts. To note the lines of all parts takes longer than to read the
 * values, so this is done only for a member with a mistake.
 */
export function readAgain(text: string, place: Place): Parser {
  const parser = new Parser(text, place);
  parser.part();
  return parser;
}

/** The line of a part. A part with parts of its own also has their lines. */
export type Spot = number | { readonly line: number; readonly parts: Parts };

export const lineAt = (spot: Spot): number => (typeof spot === "number" ? spot : spot.line);

/** The place where the document, or one of its members, begins. */
export interface Place {
  /** The line that is shown for it. */
  readonly line: number;
  readonly at: number;
  readonly atLine: number;
  readonly lineStart: number;
  readonly path: JsonPath;
}

/** An object that is being read. */
interface Open {
  readonly value: Record<string, unknown>;
  readonly parts: Map<string | number, Spot> | undefined;
  readonly spot: Spot | undefined;
  /** The line on which each repeated name stands first. */
  firstLines?: Map<string, number>;
  isEmpty: boolean;
}

interface Parts {
  get(step: string | number): Spot | undefined;
}

/**
 * Nesting of JSON in a flags file or a modules file; a deeper one is refused with `FLAGS_FILE_INVALID` or
 * `MODULES_FILE_INVALID`. @limit levels
 */
const DEEPEST = 200;
/**
 * Duplicate names, too large numbers and unpaired surrogates in a flags file or a modules file whose places are kept;
 * the others are counted. @limit mistakes
 */
const KEPT_MISTAKES = 1000;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /[-+]?[\p{L}_$][\p{L}\p{N}_$.]*/uy;
const CONSTANTS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["true", true],
  ["false", false],
  ["null", null],
]);
const A_VALUE = "a JSON value";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
const NINE = 0x39;
const POINT = 0x2e;
const UPPER_E = 0x45;
const LOWER_E = 0x65;
/** A whole number with so many digits always fits into a double exactly. */
const SURE_DIGITS = 15;

export class Parser {
  /** The lines of the part that was read last. Known only if `part()` reads a single member. */
  spot: Spot = 1;
  /** The members of the document by name, if the document is an object. */
  readonly members = new Map<string, Place>();
  /** The place of the document itself. */
  top: Place;
  readonly mistakes: JsonSourceError[] = [];
  mistakeCount = 0;
  namesTwice = 0;
  readonly #text: string;
  readonly #withSpots: boolean;
  readonly #path: (string | number)[] = [];
  #at = 0;
  #line = 1;
  #lineStart = 0;
  /** Whether a name is repeated in the part that is being read. Only `readAgain` finds the line where it stands first. */
  #isUnplaced = false;

  /** `part` is the place that `part()` reads. */
  constructor(text: string, part?: Place) {
    this.#text = text;
    this.#withSpots = part !== undefined;
    if (part !== undefined) {
      this.#at = part.at;
      this.#line = part.atLine;
      this.#lineStart = part.lineStart;
      this.#path.push(...part.path);
    } else if (text.startsWith("\uFEFF")) this.#at = this.#lineStart = 1;
    this.top = part ?? this.#place(1);
  }

  /** Reads the whole text, with a step for each member of its object. */
  *document(): Steps<unknown> {
    const next = this.#next();
    this.top = this.#place(this.#line);
    const value = next === "{" ? yield* this.#membersInSteps() : this.#placed(this.top);
    if (this.#next() !== "") throw this.#unexpected("the end of the text");
    return value;
  }

  part(): unknown {
    return this.#value();
  }

  #place(line: number): Place {
    return { line, at: this.#at, atLine: this.#line, lineStart: this.#lineStart, path: [...this.#path] };
  }

  *#membersInSteps(): Steps<unknown> {
    const open = this.#open();
    while (this.#member(open, this.members)) yield;
    return this.#end(open.value, open.spot);
  }

  /** Reads the value at that place. If the lines of its mistakes are unknown, finds them with `readAgain`. */
  #placed(place: Place): unknown {
    const before = this.mistakes.length;
    this.#isUnplaced = false;
    const value = this.#value();
    if (this.#isUnplaced && before < KEPT_MISTAKES) {
      const { mistakes } = readAgain(this.#text, place);
      this.mistakes.splice(before, Infinity, ...mistakes.slice(0, KEPT_MISTAKES - before));
    }
    return value;
  }

  #value(): unknown {
    const next = this.#next();
    if (next === "{" || next === "[") {
      if (this.#path.length >= DEEPEST) throw this.#error("nested too deeply", `at most ${DEEPEST} levels`);
      return next === "{" ? this.#object() : this.#array();
    }
    if (this.#withSpots) this.spot = this.#line;
    if (next !== '"') return this.#scalar(next);
    const column = this.#column;
    const text = this.#string();
    if (!text.isWellFormed()) this.#halfACharacter({ line: this.#line, column });
    return text;
  }

  #object(): unknown {
    const open = this.#open();
    while (this.#member(open));
    return this.#end(open.value, open.spot);
  }

  #open(): Open {
    const parts = this.#withSpots ? new Map<string | number, Spot>() : undefined;
    this.#at++;
    return { value: {}, parts, spot: parts && { line: this.#line, parts }, isEmpty: true };
  }

  /** Reads one member. Returns whether another one follows. */
  #member(open: Open, members?: Map<string, Place>): boolean {
    const { value, parts } = open;
    if (open.isEmpty && this.#takes("}")) return false;
    if (this.#next() !== '"') throw this.#unexpected(open.isEmpty ? 'a name in quotes or "}"' : "a name in quotes");
    open.isEmpty = false;
    const line = this.#line;
    const column = this.#column;
    const name = this.#string();
    this.#path.push(name);
    if (!name.isWellFormed()) this.#halfACharacter({ line, column });
    if (Object.hasOwn(value, name)) this.#comesTwice(open, name, members?.get(name)?.line, { line, column });
    if (!this.#takes(":")) throw this.#unexpected('":"');
    const place = members && this.#place(line);
    if (place !== undefined) members?.set(name, place);
    const member = place === undefined ? this.#value() : this.#placed(place);
    parts?.set(name, typeof this.spot === "number" ? line : { line, parts: this.spot.parts });
    if (name !== "__proto__") value[name] = member;
    // An assignment to `__proto__` would set the prototype instead of a member.
    else Object.defineProperty(value, name, { value: member, enumerable: true, writable: true, configurable: true });
    this.#path.pop();
    if (this.#takes("}")) return false;
    if (!this.#takes(",")) throw this.#unexpected('"," or "}"');
    return true;
  }

  #comesTwice(open: Open, name: string, memberLine: number | undefined, at: Position): void {
    this.namesTwice++;
    const part = open.parts?.get(name);
    const before = memberLine ?? (part && lineAt(part));
    if (before === undefined) {
      this.mistakeCount++;
      this.#isUnplaced = true;
      return;
    }
    open.firstLines ??= new Map();
    const first = open.firstLines.get(name) ?? before;
    open.firstLines.set(name, first);
    this.#mistake(`comes twice, first in line ${first}`, "each name once", at);
  }

  #halfACharacter(at: Position): void {
    this.#mistake(HALF_A_CHARACTER.problem, HALF_A_CHARACTER.expected, at);
  }

  #mistake(problem: string, expected: string, at: Position = this.#here): void {
    this.mistakeCount++;
    if (this.mistakes.length >= KEPT_MISTAKES) return;
    this.mistakes.push(new JsonSourceError({ ...at, path: [...this.#path] }, problem, expected));
  }

  #array(): unknown {
    const value: unknown[] = [];
    const spots: Spot[] | undefined = this.#withSpots ? [] : undefined;
    const parts = spots && { get: (step: string | number) => (typeof step === "number" ? spots[step] : undefined) };
    const spot = parts && { line: this.#line, parts };
    this.#at++;
    if (this.#takes("]")) return this.#end(value, spot);
    for (;;) {
      this.#path.push(value.length);
      value.push(this.#value());
      this.#path.pop();
      spots?.push(this.spot);
      if (this.#takes("]")) return this.#end(value, spot);
      if (!this.#takes(",")) throw this.#unexpected('"," or "]"');
    }
  }

  #end(value: unknown, spot: Spot | undefined): unknown {
    if (spot !== undefined) this.spot = spot;
    return value;
  }

  #string(): string {
    // The string is scanned in steps. A single regular expression would backtrack, and overflow the stack on a string of
    // megabytes.
    let end = this.#at + 1;
    for (;;) {
      const code = this.#text.charCodeAt(end);
      if (code === QUOTE || Number.isNaN(code)) break;
      end += code === BACKSLASH ? 2 : 1;
    }
    let value: unknown;
    try {
      value = JSON.parse(this.#text.slice(this.#at, end + 1));
    } catch {
      throw this.#error("the string does not end on its line, or has an invalid escape", "a JSON string");
    }
    this.#at = end + 1;
    return value as string;
  }

  #scalar(next: string): unknown {
    const short = this.#shortNumber();
    if (short !== undefined) return short;
    const word = next >= "0" && next <= "9" ? undefined : this.#match(WORD);
    if (word !== undefined) {
      if (!CONSTANTS.has(word)) throw this.#error(`${quote(word)} is not JSON`, A_VALUE);
      this.#at += word.length;
      return CONSTANTS.get(word);
    }
    const digits = this.#match(NUMBER);
    if (digits === undefined) throw this.#unexpected(A_VALUE);
    const value = Number(digits);
    const tooLarge = numberProblem(value, digits);
    if (tooLarge !== undefined) this.#mistake(`${quote(digits)} is too large`, tooLarge.expected);
    this.#at += digits.length;
    // Infinity cannot be mistaken for the number in the text.
    return tooLarge === undefined ? value : Infinity;
  }

  /**
   * Reads a number with few digits and no fraction or exponent. Most numbers are like that, and a regular expression takes
   * several times as long.
   */
  #shortNumber(): number | undefined {
    let end = this.#at;
    let value = 0;
    let code = this.#text.charCodeAt(end);
    for (; code >= ZERO && code <= NINE; code = this.#text.charCodeAt(++end)) value = value * 10 + (code - ZERO);
    const length = end - this.#at;
    const isWhole = code !== POINT && code !== LOWER_E && code !== UPPER_E;
    if (length === 0 || length > SURE_DIGITS || !isWhole) return undefined;
    if (length > 1 && this.#text.charCodeAt(this.#at) === ZERO) return undefined;
    this.#at = end;
    return value;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text)?.[0];
  }

  /** Skips white space and returns the next character, or "" at the end. */
  #next(): string {
    for (;;) {
      const character = this.#text.charAt(this.#at);
      if (character !== " " && character !== "\t" && character !== "\n" && character !== "\r") return character;
      this.#at++;
      if (character === "\n" || (character === "\r" && this.#text.charAt(this.#at) !== "\n")) {
        this.#line++;
        this.#lineStart = this.#at;
      }
    }
  }

  #takes(character: string): boolean {
    if (this.#next() !== character) return false;
    this.#at++;
    return true;
  }

  get #here(): Position {
    return { line: this.#line, column: this.#column };
  }

  get #column(): number {
    return this.#at - this.#lineStart + 1;
  }

  #unexpected(expected: string): JsonSourceError {
    if (this.#next() === "") return this.#error("the text ends here", expected);
    const found = this.#match(WORD) ?? String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
    return this.#error(`unexpected ${quote(found)} at column ${this.#column}`, expected);
  }

  #error(problem: string, expected: string): JsonSourceError {
    return new JsonSourceError({ ...this.#here, path: [...this.#path] }, problem, expected);
  }
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
