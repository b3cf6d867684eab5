import { ANY, foldedCase, merged, NO_NEWLINE, negated, PERL, POSIX, type Ranges, unicodeClass } from "./classes.ts";
import { Reader } from "./reader.ts";
import { type Assertion, PatternError, type PatternNode } from "./tree.ts";

/**
 * Largest count of a repetition in a pattern, as in RE2; a larger one is refused with `FLAG_CONDITION_INVALID`.
 * @limit times
 */
const MAX_REPETITIONS = 1000;
/** Nesting of groups in a pattern; deeper ones are refused with `FLAG_CONDITION_INVALID`. @limit levels */
const MAX_GROUPS = 50;
/**
 * Different Unicode classes in all patterns of a condition, because each costs a search; more are refused with
 * `FLAG_CONDITION_INVALID`. @limit classes
 */
const MAX_UNICODE_CLASSES = 16;

/**
 * Bounds of ranges in all [ ] of a pattern, including those of Unicode classes; a pattern with more is refused with
 * `FLAG_CONDITION_INVALID`. @limit bounds
 */
export const MAX_BOUNDS = 32_768;

/** The case-folded form of a class is cached as long as the class, because named classes are used again and again. */
const folds = new WeakMap<Ranges, Ranges>();
const others = new WeakMap<Ranges, Ranges>();

function remembered(known: WeakMap<Ranges, Ranges>, ranges: Ranges, make: (ranges: Ranges) => Ranges): Ranges {
  const made = known.get(ranges) ?? make(ranges);
  known.set(ranges, made);
  return made;
}

interface Flags {
  readonly ignoreCase: boolean;
  readonly multiLine: boolean;
  readonly dotAll: boolean;
}

/**
 * Parses a regular expression in RE2 syntax. `unicode` has the Unicode classes that the other patterns use; this pattern's
 * classes are added. Throws a PatternError.
 */
export function parsePattern(text: string, unicode: Set<string>): PatternNode {
  return new Parser(text, unicode).whole();
}

class Parser {
  readonly #in: Reader;
  readonly #groupNames = new Set<string>();
  readonly #unicode: Set<string>;
  #bounds = 0;
  #flags: Flags = { ignoreCase: false, multiLine: false, dotAll: false };

  constructor(text: string, unicode: Set<string>) {
    this.#in = new Reader(text);
    this.#unicode = unicode;
  }

  whole(): PatternNode {
    const node = this.#choice(0);
    if (!this.#in.done) throw new PatternError("a ) has no (");
    return node;
  }

  #choice(depth: number): PatternNode {
    if (depth > MAX_GROUPS) throw new PatternError(`groups are nested deeper than ${MAX_GROUPS}`);
    const before = this.#flags;
    const parts = [this.#sequence(depth)];
    while (this.#in.take("|")) parts.push(this.#sequence(depth));
    this.#flags = before;
    return parts.length === 1 ? (parts[0] as PatternNode) : { kind: "choice", parts };
  }

  #sequence(depth: number): PatternNode {
    const parts: PatternNode[] = [];
    while (!this.#in.done && !this.#in.sees("|") && !this.#in.sees(")")) {
      if (this.#in.take("\\Q")) {
        const quoted = this.#in.quoted().map((point) => this.#characters([point, point]));
        const last = quoted.pop();
        parts.push(...quoted);
        if (last !== undefined) parts.push(this.#repeated(last));
        continue;
      }
      const part = this.#part(depth);
      if (part !== undefined) parts.push(this.#repeated(part));
    }
    return { kind: "sequence", parts };
  }

  /** Returns undefined if this part only set flags. */
  #part(depth: number): PatternNode | undefined {
    const { multiLine, dotAll } = this.#flags;
    const char = this.#in.next();
    switch (char) {
      case "(":
        return this.#group(depth);
      case "[":
        return this.#bracketed();
      case ".":
        return { kind: "class", ranges: dotAll ? ANY : NO_NEWLINE };
      case "^":
        return assertion(multiLine ? "BEGIN_LINE" : "BEGIN_TEXT");
      case "$":
        return assertion(multiLine ? "END_LINE" : "END_TEXT");
      case "*":
      case "+":
      case "?":
        throw new PatternError(`${char} has nothing to repeat`);
      case "\\":
        return this.#escaped();
    }
    const point = char.codePointAt(0) as number;
    return this.#characters([point, point]);
  }

  /** Returns undefined if this group only set flags. They apply until the end of the enclosing group. */
  #group(depth: number): PatternNode | undefined {
    const before = this.#flags;
    if (this.#in.take("?")) {
      const isNamed = this.#in.sees("P<") || (this.#in.sees("<") && !this.#in.sees("<=") && !this.#in.sees("<!"));
      if (isNamed) this.#groupName();
      else if (this.#setFlags()) return undefined;
    }
    const node = this.#choice(depth + 1);
    if (!this.#in.take(")")) throw new PatternError("a ( has no )");
    this.#flags = before;
    return node;
  }

  #groupName(): void {
    this.#in.take("P");
    this.#in.take("<");
    const name = this.#in.until(">");
    if (name === undefined || !/^[A-Za-z0-9_]+$/.test(name))
      throw new PatternError("the name of a group must have letters, digits and _ only");
    if (this.#groupNames.has(name)) throw new PatternError(`the group ${name} comes twice`);
    this.#groupNames.add(name);
  }

  /** Returns whether this was a group of flags alone, such as `(?i)`. */
  #setFlags(): boolean {
    const before = this.#flags;
    const found = this.#in.match(/([imsU]*)(?:-([imsU]+))?([:)])/y);
    const [, on = "", off = "", end] = found ?? [];
    if (end === undefined || (end === ")" && on === "" && off === "")) {
      throw new PatternError("(? must begin a group or flags of RE2; lookahead and lookbehind are not supported");
    }
    const is = (flag: string, was: boolean): boolean => (on.includes(flag) || was) && !off.includes(flag);
    this.#flags = {
      ignoreCase: is("i", before.ignoreCase),
      multiLine: is("m", before.multiLine),
      dotAll: is("s", before.dotAll),
    };
    return end === ")";
  }

  #repeated(body: PatternNode): PatternNode {
    const bounds = this.#repetition();
    if (bounds === undefined) return body;
    this.#in.take("?");
    if (this.#repetition() !== undefined) throw new PatternError("a repetition is repeated; put it into a group");
    return { kind: "repeat", body, ...bounds };
  }

  #repetition(): { readonly min: number; readonly max: number } | undefined {
    if (this.#in.take("*")) return { min: 0, max: Number.POSITIVE_INFINITY };
    if (this.#in.take("+")) return { min: 1, max: Number.POSITIVE_INFINITY };
    if (this.#in.take("?")) return { min: 0, max: 1 };
    // Braces with other content are ordinary characters.
    const [whole, low = "", comma, high = ""] = this.#in.match(/\{(\d+)(,?)(\d*)\}/y) ?? [];
    if (whole === undefined || (comma === "" && high !== "")) return undefined;
    const min = Number(low);
    const max = comma === "" ? min : high === "" ? Number.POSITIVE_INFINITY : Number(high);
    const most = max === Number.POSITIVE_INFINITY ? min : max;
    if (most > MAX_REPETITIONS || min > max) throw new PatternError(`${whole} is not from 0 to ${MAX_REPETITIONS}`);
    return { min, max };
  }

  #escaped(): PatternNode {
    const places: Readonly<Record<string, Assertion>> = {
      A: "BEGIN_TEXT",
      z: "END_TEXT",
      b: "WORD_BOUNDARY",
      B: "NO_WORD_BOUNDARY",
    };
    const place = Object.hasOwn(places, this.#in.peek) ? places[this.#in.next()] : undefined;
    if (place !== undefined) return assertion(place);
    const ranges = this.#escapedClass();
    if (ranges !== undefined) return { kind: "class", ranges };
    const point = this.#in.escaped();
    return this.#characters([point, point]);
  }

  /** Returns a class such as `\d` or `\pL`, or undefined for any other escape. */
  #escapedClass(): Ranges | undefined {
    const kind = this.#in.peek;
    const perl = Object.hasOwn(PERL, kind.toLowerCase()) ? PERL[kind.toLowerCase()] : undefined;
    if (perl !== undefined) {
      this.#in.next();
      return this.#sided(perl, kind !== kind.toLowerCase());
    }
    if (kind !== "p" && kind !== "P") return undefined;
    this.#in.next();
    const name = this.#in.take("{") ? this.#in.until("}") : this.#in.next();
    const isNot = name?.startsWith("^") ?? false;
    const plain = (name ?? "").slice(isNot ? 1 : 0);
    this.#unicode.add(plain);
    if (this.#unicode.size > MAX_UNICODE_CLASSES) {
      throw new PatternError(`more than ${MAX_UNICODE_CLASSES} classes of Unicode are named`);
    }
    const ranges = unicodeClass(plain);
    if (ranges === undefined) throw new PatternError(`there is no class of Unicode ${plain}`);
    return this.#sided(ranges, isNot !== (kind === "P"));
  }

  #sided(ranges: Ranges, isNot: boolean): Ranges {
    const folded = this.#flags.ignoreCase ? remembered(folds, ranges, foldedCase) : ranges;
    return isNot ? remembered(others, folded, negated) : folded;
  }

  #bracketed(): PatternNode {
    const isNot = this.#in.take("^");
    // A class that is named again adds nothing.
    const classes = new Set<Ranges>();
    const written: number[] = [];
    for (let first = true; first || !this.#in.sees("]"); first = false) {
      if (this.#in.done) throw new PatternError("a [ has no ]");
      const { named, range = [] } = this.#bracketedPart();
      if (named !== undefined) classes.add(named);
      written.push(...range);
    }
    this.#in.next();
    const all = merged([...classes, this.#sided(merged(written), false)].flat());
    this.#bounds += all.length;
    if (this.#bounds > MAX_BOUNDS) throw new PatternError(`its [ ] have more than ${MAX_BOUNDS} bounds of ranges`);
    return { kind: "class", ranges: isNot ? negated(all) : all };
  }

  /** Reads a named class, or a range, which is not case-folded yet. */
  #bracketedPart(): { readonly named?: Ranges; readonly range?: Ranges } {
    const [posix, not, name = ""] = this.#in.match(/\[:(\^?)(\w+):\]/y) ?? [];
    if (posix !== undefined) {
      const ranges = Object.hasOwn(POSIX, name) ? POSIX[name] : undefined;
      if (ranges === undefined) throw new PatternError(`there is no class ${posix}`);
      return { named: this.#sided(ranges, not === "^") };
    }
    const low = this.#bracketedPoint();
    if (typeof low !== "number") return { named: low };
    if (!this.#in.sees("-") || this.#in.sees("-]")) return { range: [low, low] };
    this.#in.next();
    const high = this.#bracketedPoint();
    if (typeof high !== "number" || high < low)
      throw new PatternError("the end of a range in [ ] comes before its start");
    return { range: [low, high] };
  }

  #bracketedPoint(): number | Ranges {
    if (this.#in.done) throw new PatternError("a [ has no ]");
    if (!this.#in.take("\\")) return this.#in.next().codePointAt(0) as number;
    return this.#escapedClass() ?? this.#in.escaped();
  }

  #characters(ranges: Ranges): PatternNode {
    return { kind: "class", ranges: this.#sided(ranges, false) };
  }
}

function assertion(op: Assertion): PatternNode {
  return { kind: "assertion", op };
}
