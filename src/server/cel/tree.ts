import { parse } from "@bufbuild/cel";

/**
 * Nesting of brackets in a condition, because the parser's time and stack grow with it; deeper ones are refused with
 * `FLAG_CONDITION_INVALID`. @limit levels
 */
export const MAX_BRACKETS = 64;

/** A node of the parser's tree. */
export interface CelNode {
  readonly id: unknown;
  readonly exprKind: { readonly case?: string | undefined; readonly value?: unknown };
}

export interface Call {
  readonly function: string;
  readonly target?: CelNode;
  readonly args: readonly CelNode[];
}

export interface Select {
  readonly operand: CelNode;
  readonly field: string;
  readonly testOnly: boolean;
}

export interface Struct {
  readonly messageName: string;
  readonly entries: readonly { readonly keyKind: { readonly value?: unknown }; readonly value: CelNode }[];
}

/** A macro, such as `all`, as the parser writes it out. */
export interface Macro {
  readonly iterVar: string;
  readonly iterVar2: string;
  readonly accuVar: string;
  readonly iterRange: CelNode;
  readonly accuInit: CelNode;
  readonly loopCondition: CelNode;
  readonly loopStep: CelNode;
  readonly result: CelNode;
}

/** An expression cannot be compiled. */
export class CelError extends Error {
  override readonly name = "CelError";
  readonly expected: string;
  /** Line and column, where they are known. */
  readonly position: string | undefined;
  constructor(message: string, expected: string, position?: string) {
    super(message);
    this.expected = expected;
    this.position = position;
  }
}

/** Line and column of a node; undefined: they are not known. */
export type PlaceOf = (id: unknown) => string | undefined;

/** Reads a text. Throws a CelError. */
export function treeOf(source: string): { readonly root: CelNode; readonly placeOf: PlaceOf } {
  if (!source.isWellFormed()) throw new CelError("it has half a character", "Unicode");
  const deep = tooDeep(source);
  if (deep !== undefined) {
    throw new CelError(
      "it is nested too deeply",
      `at most ${MAX_BRACKETS} brackets within one another`,
      placeAt(source, deep),
    );
  }
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(source);
  } catch (error) {
    throw parserError(error);
  }
  const positions: Readonly<Record<string, number>> = parsed.sourceInfo?.positions ?? {};
  const placeOf: PlaceOf = (id) => {
    const offset = positions[String(id)];
    return offset === undefined ? undefined : placeAt(source, offset);
  };
  return { root: parsed.expr as CelNode, placeOf };
}

/** What a parser's error says, and where. */
function parserError(error: unknown): CelError {
  if (isTooDeep(error)) return new CelError("it is nested too deeply", "less of it");
  if (error instanceof RangeError) return new CelError("it names a character that does not exist", "Unicode");
  const start = (error as { location?: { start?: { line: number; column: number } } }).location?.start;
  // It begins with the place, and says both in one.
  const message = (error instanceof Error ? error.message : String(error)).replace(/^<input>:\d+:\d+: /, "");
  const [problem = message, expected = "an expression of CEL"] = message.split(" but expecting ");
  return new CelError(problem, expected, start && `line ${start.line}, column ${start.column}`);
}

/** Whether the stack is used up: the platform throws other RangeErrors too. */
export function isTooDeep(error: unknown): boolean {
  return error instanceof RangeError && error.message.includes("call stack");
}

function placeAt(source: string, offset: number): string {
  const lines = source.slice(0, offset).split("\n");
  return `line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`;
}

const TOKEN = /\/\/[^\n]*|[rR]?(""".*?"""|'''.*?'''|"[^"\n]*"|'[^'\n]*')|[()[\]{}]|./gsu;

/** Where a bracket opens that is nested too deeply; undefined: nowhere. */
function tooDeep(source: string): number | undefined {
  // An escaped quote would end a text too early for TOKEN.
  const plain = source.replace(/\\./gsu, (escaped) => "_".repeat(escaped.length));
  let depth = 0;
  for (const { 0: token, index } of plain.matchAll(TOKEN)) {
    if (token.length > 1) continue;
    if ("([{".includes(token)) depth += 1;
    else if (")]}".includes(token)) depth -= 1;
    if (depth > MAX_BRACKETS) return index;
  }
  return undefined;
}
