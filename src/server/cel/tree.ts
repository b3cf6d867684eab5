import { parse } from "@bufbuild/cel";

/**
 * Nesting of brackets in a condition, because the parser's time and stack grow with it; deeper ones are refused with
 * `FLAG_CONDITION_INVALID`. @limit levels
 */
const MAX_BRACKETS = 64;

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

/** A macro, such as `all`, in the form into which the parser expands it. */
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

/** Thrown if an expression cannot be compiled. */
export class CelError extends Error {
  override readonly name = "CelError";
  readonly expected: string;
  /** Line and column, if known. */
  readonly position: string | undefined;
  constructor(message: string, expected: string, position?: string) {
    super(message);
    this.expected = expected;
    this.position = position;
  }
}

/** Returns the line and column of a node, if known. */
export type PlaceOf = (id: unknown) => string | undefined;

/** Parses an expression. Throws a CelError. */
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

/** Converts an error of the parser to a CelError. */
function parserError(error: unknown): CelError {
  if (isTooDeep(error)) return new CelError("it is nested too deeply", "a simpler expression");
  if (error instanceof RangeError)
    return new CelError("an escape stands for a character that does not exist", "a code point of Unicode");
  const start = (error as { location?: { start?: { line: number; column: number } } }).location?.start;
  // The parser's message begins with the position, and contains both the problem and the expectation.
  const message = (error instanceof Error ? error.message : String(error)).replace(/^<input>:\d+:\d+: /, "");
  const [problem = message, expected = "an expression of CEL"] = message.split(" but expecting ");
  return new CelError(problem, expected, start && `line ${start.line}, column ${start.column}`);
}

/** Whether the call stack is exhausted. The platform also throws RangeErrors for other reasons. */
export function isTooDeep(error: unknown): boolean {
  return error instanceof RangeError && error.message.includes("call stack");
}

function placeAt(source: string, offset: number): string {
  const lines = source.slice(0, offset).split("\n");
  return `line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`;
}

const TOKEN = /\/\/[^\n]*|[rR]?(""".*?"""|'''.*?'''|"[^"\n]*"|'[^'\n]*')|[()[\]{}]|./gsu;

/** Returns the position of the first bracket that is nested too deeply, if there is one. */
function tooDeep(source: string): number | undefined {
  // Without this, an escaped quote would end a string literal too early for TOKEN.
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
