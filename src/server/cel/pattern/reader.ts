import { LAST_POINT } from "./classes.ts";
import { PatternError } from "./tree.ts";

const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };

/** The text of a pattern, and the position up to which it was read. */
export class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get done(): boolean {
    return this.#at >= this.#text.length;
  }

  /** Returns the next character without consuming it, or "" at the end. */
  get peek(): string {
    const point = this.#text.codePointAt(this.#at);
    return point === undefined ? "" : String.fromCodePoint(point);
  }

  next(): string {
    const char = this.peek;
    if (char === "") throw new PatternError("it ends in the middle of an expression");
    this.#at += char.length;
    return char;
  }

  sees(text: string): boolean {
    return this.#text.startsWith(text, this.#at);
  }

  take(text: string): boolean {
    if (!this.sees(text)) return false;
    this.#at += text.length;
    return true;
  }

  /** Consumes the text that a sticky regular expression matches here. */
  match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.#at = pattern.lastIndex;
    return found;
  }

  /** Consumes the text up to and including `end`, and returns it without `end`. Undefined if `end` does not follow. */
  until(end: string): string | undefined {
    const at = this.#text.indexOf(end, this.#at);
    if (at < 0) return undefined;
    const found = this.#text.slice(this.#at, at);
    this.#at = at + end.length;
    return found;
  }

  /** Returns the characters between `\Q` and `\E` or the end. */
  quoted(): number[] {
    let text = this.until("\\E");
    if (text === undefined) {
      text = this.#text.slice(this.#at);
      this.#at = this.#text.length;
    }
    return [...text].map((char) => char.codePointAt(0) as number);
  }

  /** Returns the character that an escape stands for, as RE2 reads it. */
  escaped(): number {
    const [, octal] = this.match(/(0[0-7]{0,2}|[1-7][0-7]{1,2})/y) ?? [];
    if (octal !== undefined) return Number.parseInt(octal, 8);
    const [, braced, plain] = this.match(/x(?:\{([0-9A-Fa-f]{1,8})\}|([0-9A-Fa-f]{2}))/y) ?? [];
    const hexadecimal = braced ?? plain;
    if (hexadecimal !== undefined) {
      const point = Number.parseInt(hexadecimal, 16);
      if (point > LAST_POINT) throw new PatternError(`\\x{${hexadecimal}} is not a character`);
      return point;
    }
    const char = this.next();
    const control = Object.hasOwn(CONTROLS, char) ? CONTROLS[char] : undefined;
    if (control !== undefined) return control;
    if (/^[!-/:-@[-`{-~]$/.test(char)) return char.charCodeAt(0);
    const hint = /^[1-9]$/.test(char) ? "; backreferences are not supported" : "";
    throw new PatternError(`the escape \\${char} is unknown${hint}`);
  }
}
