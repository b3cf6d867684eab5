import { parse } from "@bufbuild/cel";

/** What `type(x)` can be compared with. */
const TYPES: ReadonlySet<string> = new Set([
  "bool",
  "bytes",
  "double",
  "int",
  "list",
  "map",
  "null_type",
  "string",
  "type",
  "uint",
]);

/** An expression that was read, and looked at. */
export interface Surveyed {
  readonly parsed: ReturnType<typeof parse>;
  readonly survey: Survey;
  /** Line and column of a node of the tree; undefined: they are not known. */
  placeOf(id: unknown): string | undefined;
  /** Names that stand neither for a variable of a macro nor for a type, each with its node. */
  readonly names: ReadonlyMap<string, unknown>;
}

/** Reads an expression. `attempt` tells what the parser throws. */
export function surveyOf(source: string, attempt: <T>(work: () => T) => T): Surveyed {
  const parsed = attempt(() => parse(source));
  const survey: Survey = { free: new Map(), functions: new Map(), macros: [], comparisons: [], widest: 1, joins: 0 };
  attempt(() => look(parsed.expr, survey));
  const positions: Readonly<Record<string, number>> = parsed.sourceInfo?.positions ?? {};
  const placeOf = (id: unknown): string | undefined => {
    const offset = positions[String(id)];
    return offset === undefined ? undefined : placeAt(source, offset);
  };
  const names = new Map([...survey.free].filter(([name]) => !TYPES.has(name)));
  return { parsed, survey, placeOf, names };
}

/** What a parser's error says, and where. */
export function parserError(error: unknown): { readonly message: string; readonly position: string | undefined } {
  if (error instanceof RangeError) return { message: "it is nested too deeply", position: undefined };
  const start = (error as { location?: { start?: { line: number; column: number } } }).location?.start;
  // It begins with the place.
  const message = (error instanceof Error ? error.message : String(error)).replace(/^<input>:\d+:\d+: /, "");
  return { message, position: start && `line ${start.line}, column ${start.column}` };
}

function placeAt(source: string, offset: number): string {
  const lines = source.slice(0, offset).split("\n");
  return `line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`;
}

/** What matters of an expression before it is evaluated. */
export interface Survey {
  /** Names that stand for no variable of a macro, each with the node where it is first. */
  readonly free: Map<string, unknown>;
  /** Functions that are called by their name, the same. */
  readonly functions: Map<string, unknown>;
  /** For each macro, such as `all`, how many it stands in. */
  readonly macros: number[];
  /** The same for what compares values that may be long: `in`, and `==` of what is not written there. */
  readonly comparisons: number[];
  /** Members of the longest list or map that is written in it. */
  widest: number;
  /** How often it may put lists together. */
  joins: number;
}

/** Looks at a node of the tree, and at those below it. */
function look(node: unknown, survey: Survey, bound: ReadonlySet<string> = new Set(), depth = 0, id?: unknown): void {
  if (Array.isArray(node)) {
    for (const each of node) look(each, survey, bound, depth);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  const { case: kind, value } = node as { case?: unknown; value?: unknown };
  const at = "id" in node ? node.id : id;
  switch (kind) {
    case "identExpr": {
      const { name } = value as { name: string };
      if (!bound.has(name) && !survey.free.has(name)) survey.free.set(name, id);
      return;
    }
    case "listExpr":
      survey.widest = Math.max(survey.widest, (value as { elements: unknown[] }).elements.length);
      break;
    case "structExpr":
      survey.widest = Math.max(survey.widest, (value as { entries: unknown[] }).entries.length);
      break;
    case "callExpr": {
      const { function: name, args } = value as { function: string; args: Node[] };
      if (/^[a-z]/i.test(name) && !survey.functions.has(name)) survey.functions.set(name, id);
      // A macro adds to its own result, which gets no longer than what it goes through.
      if (name === "_+_" && !(args[0]?.exprKind.value as { name?: string } | undefined)?.name?.startsWith("@")) {
        survey.joins += 1;
      }
      const isLong = name === "@in" ? depth > 0 || !isWritten(args[1]) : args.every((each) => !isWritten(each));
      if (isLong && COMPARISONS.has(name)) survey.comparisons.push(depth);
      break;
    }
    case "comprehensionExpr":
      lookAtMacro(value as Macro, survey, bound, depth);
      return;
  }
  for (const each of Object.values(node)) look(each, survey, bound, depth, at);
}

/** Whether it is a constant, or a list of constants: as long as the expression says, whatever it is compared with. */
function isWritten(node: Node | undefined): boolean {
  const { case: kind, value } = node?.exprKind ?? {};
  if (kind === "constExpr") return true;
  return kind === "listExpr" && (value as { elements: Node[] }).elements.every(isWritten);
}

const COMPARISONS = new Set(["@in", "_==_", "_!=_"]);

interface Node {
  readonly exprKind: { readonly case?: string; readonly value?: unknown };
}

interface Macro {
  readonly iterVar: string;
  readonly iterVar2: string;
  readonly accuVar: string;
  readonly iterRange: unknown;
  readonly accuInit: unknown;
  readonly loopCondition: unknown;
  readonly loopStep: unknown;
  readonly result: unknown;
}

function lookAtMacro(macro: Macro, survey: Survey, bound: ReadonlySet<string>, depth: number): void {
  survey.macros.push(depth);
  look([macro.iterRange, macro.accuInit], survey, bound, depth);
  const inner = new Set([...bound, macro.iterVar, macro.iterVar2, macro.accuVar]);
  look([macro.loopCondition, macro.loopStep, macro.result], survey, inner, depth + 1);
}

/** At most so many steps does an expression take over that value, when it is all that it goes through. */
export function stepsOf({ macros, comparisons, widest, joins }: Survey, output: unknown): number {
  if (macros.length + comparisons.length === 0) return 0;
  const size = measure(output);
  const longest = Math.max(widest, size.longest) * (joins + 1);
  const total = Math.max(widest, size.total) * (joins + 1);
  const within = (depths: readonly number[], each: number): number =>
    depths.reduce((sum, depth) => sum + longest ** depth * each, 0);
  return within(macros, longest) + within(comparisons, total);
}

/** Members of the longest list or object of a JSON value, and all its members, however deep. */
function measure(json: unknown): { longest: number; total: number } {
  if (typeof json !== "object" || json === null || json instanceof Uint8Array) return { longest: 0, total: 0 };
  const members = Object.values(json);
  let [longest, total] = [members.length, members.length];
  for (const inner of members.map(measure)) {
    longest = Math.max(longest, inner.longest);
    total += inner.total;
  }
  return { longest, total };
}
