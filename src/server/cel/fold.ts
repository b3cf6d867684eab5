import {
  Duration,
  interpreterOf,
  type Pattern,
  type Program,
  type ProgramOutcome,
  Timestamp,
  TypeValue,
  Uint,
  type Value,
  type Zone,
} from "../../core/index.ts";
import { emit, type Limits } from "./emit.ts";
import { PatternError, patternOf } from "./pattern/compile.ts";
import { constantTerm, type Term, termOf } from "./terms.ts";
import { CelError, type PlaceOf } from "./tree.ts";
import { zoneOf } from "./zones.ts";

/** Different patterns in a condition; more are refused with `FLAG_CONDITION_INVALID`. @limit patterns */
const MAX_PATTERNS = 16;
/** Different time zones in a condition; more are refused with `FLAG_CONDITION_INVALID`. @limit time zones */
const MAX_ZONES = 4;

/** Longest text, in characters, that is computed beforehand and stored in the program. */
const KEPT_TEXT = 1024;

/** A term whose constant parts have been evaluated, and what is needed to evaluate the rest. */
export interface Folded {
  readonly term: Term;
  readonly patterns: readonly Pattern[];
  readonly zones: readonly Zone[];
}

interface Part {
  readonly term: Term;
  /** The lowest slot of an enclosing macro that it uses. -1 if it also uses a variable. */
  readonly needs: number;
  /** The constant value of the term. Only present if it uses no variable and no slot. */
  readonly known?: Value;
  /** Indexes of the patterns that it matches against a text. */
  readonly uses: ReadonlySet<number>;
  /** Whether it is a constant, or a list or map of constants. It is then created only once. */
  readonly isLiteral: boolean;
  /** The cost of evaluating it with all of its parts. */
  readonly cost: { readonly steps: number; readonly bytes: number };
}

const NOTHING = Number.POSITIVE_INFINITY;
const FREE = { steps: 0, bytes: 0 };
const NO_PATTERNS: ReadonlySet<number> = new Set();
/** Stands for a pattern that is not used, because compiling a pattern takes time. */
const UNUSED: Pattern = {
  text: "",
  instructions: [{ op: "MATCH", next: 0, other: 0 }],
  classes: [],
  start: 0,
  anchored: true,
};

/** Evaluates the constant parts of a term. Throws a CelError if that fails or exceeds the limits. */
export function fold(root: Term, limits: Limits, placeOf: PlaceOf): Folded {
  const patterns: Pattern[] = [];
  const zones: Zone[] = [];
  const unicode = new Set<string>();

  const part = (term: Term): Part => {
    const args = term.args.map(part);
    const own = resolved({ ...term, args: args.map((arg) => arg.term) });
    const rest = args.slice(0, own.args.length);
    const needs = needsOf(own, rest);
    if (own.op === "CONSTANT") return constant(own);
    const uses = usedBy(own, rest);
    if (needs !== NOTHING) return { term: own, needs, uses, isLiteral: false, cost: FREE };
    return evaluated(own, rest, uses);
  };

  /** Replaces the pattern or the time zone of a term by its index. */
  const resolved = (term: Term): Term => {
    const [target, second] = term.args;
    if (target === undefined || second === undefined) return term;
    if (term.op === "MATCHES") {
      const pattern = textOf(second, "the pattern is not constant", "a pattern that is written in the expression");
      const index = kept(patterns, pattern, ({ text }) => text === pattern, MAX_PATTERNS, second, compiled);
      return termOf("MATCHES", [target], term.id, { index });
    }
    if (!term.op.startsWith("GET_")) return term;
    const name = textOf(second, "the time zone is not constant", "a time zone that is written in the expression");
    const index = kept(zones, name, (zone) => zone.name === name, MAX_ZONES, second, known);
    return termOf(term.op, [target], term.id, { index: index + 1 });
  };

  const textOf = (term: Term, problem: string, expected: string): string => {
    if (term.op === "CONSTANT" && typeof term.constant === "string") return term.constant;
    throw new CelError(problem, expected, placeOf(term.id));
  };

  const kept = <T>(
    list: T[],
    text: string,
    is: (one: T) => boolean,
    most: number,
    { id }: Term,
    make: (text: string, id: unknown) => T,
  ): number => {
    const at = list.findIndex(is);
    if (at >= 0) return at;
    if (list.length >= most)
      throw new CelError("there are too many patterns or time zones", `at most ${most}`, placeOf(id));
    return list.push(make(text, id)) - 1;
  };

  const compiled = (text: string, id: unknown): Pattern => {
    try {
      return patternOf(text, unicode);
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      throw new CelError(`the pattern cannot be read: ${error.message}`, "a regular expression of RE2", placeOf(id));
    }
  };

  const known = (name: string, id: unknown): Zone => {
    const zone = zoneOf(name);
    if (zone !== undefined) return zone;
    throw new CelError(`there is no time zone ${name}`, "one such as Europe/Zurich or +02:00", placeOf(id));
  };

  const evaluated = (term: Term, args: readonly Part[], uses: ReadonlySet<number>): Part => {
    const ready = term.args.map((arg, index) => {
      const value = args[index]?.known;
      return value === undefined ? arg : constantTerm(value, arg.id);
    });
    const needed = patterns.map((pattern, index) => (uses.has(index) ? pattern : UNUSED));
    const { program, ids } = emit({ ...term, args: ready }, needed, zones, limits);
    const { value, failed, steps, bytes } = run(program);
    if (failed !== undefined) throw hopeless(failed, placeOf(ids[failed.node] ?? term.id));
    const cost = args.reduce((sum, arg) => ({ steps: sum.steps + arg.cost.steps, bytes: sum.bytes + arg.cost.bytes }), {
      steps,
      bytes,
    });
    if (cost.steps > limits.maxSteps) throw hopeless(over("steps", limits.maxSteps), placeOf(term.id));
    if (cost.bytes > limits.maxBytes) throw hopeless(over("bytes", limits.maxBytes), placeOf(term.id));
    const answer = value as Value;
    if (isKept(answer)) return constant(constantTerm(answer, term.id));
    const isLiteral = (term.op === "LIST" || term.op === "MAP") && args.every((arg) => arg.isLiteral);
    return { term, needs: NOTHING, known: answer, uses: NO_PATTERNS, isLiteral, cost: isLiteral ? FREE : cost };
  };

  return { term: part(root).term, patterns, zones };
}

function constant(term: Term): Part {
  return { term, needs: NOTHING, known: term.constant as Value, uses: NO_PATTERNS, isLiteral: true, cost: FREE };
}

function over(what: string, most: number): { readonly message: string } {
  return { message: `it takes more than ${most} ${what}` };
}

function run(program: Program): ProgramOutcome {
  return interpreterOf<undefined>(program, {})(undefined);
}

function hopeless({ message }: { readonly message: string }, position: string | undefined): CelError {
  return new CelError(`it can never be evaluated: ${message}`, "constants that can be evaluated", position);
}

/** The patterns that a term and its parts use and that are not evaluated yet. */
function usedBy({ op, index }: Term, args: readonly Part[]): ReadonlySet<number> {
  const all = args.filter(({ uses }) => uses.size > 0).flatMap(({ uses }) => [...uses]);
  if (op === "MATCHES") all.push(index);
  return all.length === 0 ? NO_PATTERNS : new Set(all);
}

/** The lowest slot of an enclosing macro that a term uses. */
function needsOf({ op, index }: Term, args: readonly Part[]): number {
  if (op === "VARIABLE" || op === "HAS_VARIABLE") return -1;
  if (op === "LOCAL") return index;
  const isMacro = op === "ALL" || op === "EXISTS" || op === "EXISTS_ONE" || op === "FILTER" || op === "TRANSFORM";
  const outside = args.map(({ needs }, at) => (isMacro && at > 0 && needs >= index ? NOTHING : needs));
  return Math.min(NOTHING, ...outside);
}

/** Whether the value replaces the expression that it was computed from. */
function isKept(value: Value): boolean {
  if (typeof value === "string" || value instanceof Uint8Array) return value.length <= KEPT_TEXT;
  if (typeof value !== "object" || value === null) return true;
  return [Uint, Timestamp, Duration, TypeValue].some((kind) => value instanceof kind);
}
