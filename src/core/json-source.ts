import { numberProblem } from "./numbers.ts";
import { atOnce, type Steps } from "./steps.ts";
import { HALF_A_CHARACTER } from "./surrogates.ts";

/** Where in a JSON document something is: member names and array positions, from the top. */
export type JsonPath = readonly (string | number)[];

/** A JSON text as parsed, with the places of its parts. */
export interface JsonSource {
  readonly value: unknown;
  /**
   * The line, from 1, on which the member (its name) or array element stands; of the nearest enclosing part that is
   * there, where the path leads to nothing.
   */
  lineOf(path: JsonPath): number;
}

/** A text is not JSON (RFC 8259), or has a name twice in one object. */
export class JsonSourceError extends Error {
  override readonly name = "JsonSourceError";
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units. */
  readonly column: number;
  /** The innermost part that was being read. */
  readonly path: JsonPath;
  readonly problem: string;
  readonly expected: string;

  constructor(at: { line: number; column: number; path: JsonPath }, problem: string, expected: string) {
    super(`line ${at.line}, column ${at.column}: ${problem}; expected ${expected}`);
    this.line = at.line;
    this.column = at.column;
    this.path = at.path;
    this.problem = problem;
    this.expected = expected;
  }
}

/** Writes a path as people do: `modules[2].config["a b"]`; the document itself is `(top level)`. */
export function pathText(path: JsonPath): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (!/^[A-Za-z0-9_:-]+$/.test(step)) text += `[${JSON.stringify(step)}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text === "" ? "(top level)" : text;
}

/**
 * Parses a JSON text and remembers lines. Stricter than `JSON.parse`: a name that comes twice in an object, a number
 * beyond `MAX_WHOLE_NUMBER` and nesting beyond 200 levels are errors too. A byte order mark is passed over.
 *
 * @throws JsonSourceError
 */
export function parseJsonSource(text: string): JsonSource {
  return atOnce(parsingJsonSource(text));
}

/** The same, a step for each member of the outermost object. */
export function* parsingJsonSource(text: string): Steps<JsonSource> {
  const { value, spot } = yield* new Parser(text).document();
  return {
    value,
    lineOf(path) {
      let found = spot;
      for (const step of path) {
        const next = found.parts?.get(step);
        if (next === undefined) break;
        found = next;
      }
      return found.line;
    },
  };
}

interface Spot {
  readonly line: number;
  readonly parts?: ReadonlyMap<string | number, Spot>;
}

interface Parsed {
  readonly value: unknown;
  readonly spot: Spot;
}

/**
 * Nesting of JSON in a flags file or a modules file; a deeper one is refused with `FLAGS_FILE_INVALID` or
 * `MODULES_FILE_INVALID`. @limit levels
 */
const DEEPEST = 200;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /[-+]?[\p{L}_$][\p{L}\p{N}_$.]*/uy;
const CONSTANTS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["true", true],
  ["false", false],
  ["null", null],
]);
const A_VALUE = "a JSON value";

class Parser {
  readonly #text: string;
  readonly #path: (string | number)[] = [];
  #at = 0;
  #line = 1;
  #lineStart = 0;

  constructor(text: string) {
    this.#text = text;
    if (text.startsWith("\uFEFF")) this.#at = this.#lineStart = 1;
  }

  *document(): Steps<Parsed> {
    const parsed = this.#next() === "{" ? yield* this.#outermost() : this.#value();
    if (this.#next() !== "") throw this.#unexpected("the end of the text");
    return parsed;
  }

  *#outermost(): Steps<Parsed> {
    const { value, parts, spot } = this.#begin();
    if (this.#takes("}")) return { value, spot };
    while (this.#member(value, parts)) yield;
    return { value, spot };
  }

  #value(): Parsed {
    const next = this.#next();
    if (next === "{" || next === "[") {
      if (this.#path.length >= DEEPEST) throw this.#error("nested too deep", `at most ${DEEPEST} levels`);
      return next === "{" ? this.#object() : this.#array();
    }
    const spot = { line: this.#line };
    return { value: next === '"' ? this.#string() : this.#scalar(), spot };
  }

  #object(): Parsed {
    const { value, parts, spot } = this.#begin();
    if (this.#takes("}")) return { value, spot };
    while (this.#member(value, parts));
    return { value, spot };
  }

  #begin() {
    const value: Record<string, unknown> = {};
    const parts = new Map<string, Spot>();
    const spot = { line: this.#line, parts };
    this.#at++;
    return { value, parts, spot };
  }

  /** Reads a member of an object, and what follows it; whether there is another. */
  #member(value: Record<string, unknown>, parts: Map<string, Spot>): boolean {
    if (this.#next() !== '"') throw this.#unexpected(parts.size === 0 ? 'a name in quotes or "}"' : "a name in quotes");
    const line = this.#line;
    const column = this.#column;
    const name = this.#string();
    this.#path.push(name);
    const first = parts.get(name);
    if (first !== undefined) {
      const problem = `comes twice, first in line ${first.line}`;
      throw new JsonSourceError({ line, column, path: [...this.#path] }, problem, "each name once");
    }
    if (!this.#takes(":")) throw this.#unexpected('":"');
    const member = this.#value();
    parts.set(name, { ...member.spot, line });
    // Not by assignment: a member named __proto__ is a member like any other.
    Object.defineProperty(value, name, { value: member.value, enumerable: true, writable: true, configurable: true });
    this.#path.pop();
    if (this.#takes("}")) return false;
    if (!this.#takes(",")) throw this.#unexpected('"," or "}"');
    return true;
  }

  #array(): Parsed {
    const value: unknown[] = [];
    const parts = new Map<number, Spot>();
    const spot = { line: this.#line, parts };
    this.#at++;
    if (this.#takes("]")) return { value, spot };
    for (;;) {
      this.#path.push(value.length);
      const element = this.#value();
      this.#path.pop();
      parts.set(value.length, element.spot);
      value.push(element.value);
      if (this.#takes("]")) return { value, spot };
      if (!this.#takes(",")) throw this.#unexpected('"," or "]"');
    }
  }

  #string(): string {
    // By steps, not by one expression: its backtracking would overflow on a string of megabytes.
    let end = this.#text.indexOf('"', this.#at + 1);
    // A quote that is escaped is not the end.
    if (end < 0 || this.#text.slice(this.#at + 1, end).includes("\\")) {
      end = this.#at + 1;
      while (end < this.#text.length && this.#text[end] !== '"') end += this.#text[end] === "\\" ? 2 : 1;
    }
    let value: unknown;
    try {
      value = JSON.parse(this.#text.slice(this.#at, end + 1));
    } catch {
      throw this.#error("a string that does not end on its line, or has a wrong escape", "a JSON string");
    }
    if (!(value as string).isWellFormed()) throw this.#error(HALF_A_CHARACTER.problem, HALF_A_CHARACTER.expected);
    this.#at = end + 1;
    return value as string;
  }

  #scalar(): unknown {
    const word = this.#match(WORD);
    if (word !== undefined) {
      if (!CONSTANTS.has(word)) throw this.#error(`${quote(word)} is no JSON`, A_VALUE);
      this.#at += word.length;
      return CONSTANTS.get(word);
    }
    const digits = this.#match(NUMBER);
    if (digits === undefined) throw this.#unexpected(A_VALUE);
    const value = Number(digits);
    const tooLarge = numberProblem(value, digits);
    if (tooLarge !== undefined) throw this.#error(`${quote(digits)} is too large`, tooLarge.expected);
    this.#at += digits.length;
    return value;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text)?.[0];
  }

  /** The character after white space, which is passed over; empty at the end. */
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

  get #column(): number {
    return this.#at - this.#lineStart + 1;
  }

  #unexpected(expected: string): JsonSourceError {
    if (this.#next() === "") return this.#error("the text ends here", expected);
    const found = this.#match(WORD) ?? String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
    return this.#error(`unexpected ${quote(found)} at column ${this.#column}`, expected);
  }

  #error(problem: string, expected: string): JsonSourceError {
    return new JsonSourceError({ line: this.#line, column: this.#column, path: [...this.#path] }, problem, expected);
  }
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
