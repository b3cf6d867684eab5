import { type CelResult, celEnv, isCelError, parse, plan } from "@bufbuild/cel";
import { type ExpectationCompiler, ExpectationError, messageOf } from "../core/index.ts";

const VARIABLES: ReadonlySet<string> = new Set(["output", "error", "duration_ms"]);

/** Compiles expectations in CEL over `output`, `error` and `duration_ms`. Numbers of the output are CEL doubles. */
export const compileExpectation: ExpectationCompiler = (source) => {
  const evaluate = prepare(source);
  return ({ output, error, durationMs }) => {
    const result = evaluate({ output, error, duration_ms: durationMs });
    if (isCelError(result)) throw new Error(`cannot be evaluated: ${result.message}`);
    if (typeof result !== "boolean") throw new Error(`is neither true nor false, but ${String(result)}`);
    return result;
  };
};

function prepare(source: string): (variables: Record<string, unknown>) => CelResult {
  const parsed = attempt(() => parse(source));
  const unknown = [...identifiers(parsed.expr)].find((name) => !VARIABLES.has(name));
  if (unknown !== undefined) {
    throw new ExpectationError(`${unknown} is not known; there are ${[...VARIABLES].join(", ")}`);
  }
  return attempt(() => plan(celEnv(), parsed)) as (variables: Record<string, unknown>) => CelResult;
}

function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const start = (error as { location?: { start?: { line: number; column: number } } }).location?.start;
    throw new ExpectationError(messageOf(error), start && `line ${start.line}, column ${start.column}`);
  }
}

/** The free identifiers of an expression, wherever in its tree they stand. */
function* identifiers(node: unknown, bound: ReadonlySet<string> = new Set()): Generator<string> {
  if (Array.isArray(node)) {
    for (const each of node) yield* identifiers(each, bound);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  const { case: kind, value } = node as { case?: unknown; value?: unknown };
  if (kind === "identExpr") {
    const { name } = value as { name: string };
    if (!bound.has(name)) yield name;
    return;
  }
  let inner = bound;
  if (kind === "comprehensionExpr") {
    const { iterVar, iterVar2, accuVar } = value as { iterVar: string; iterVar2: string; accuVar: string };
    inner = new Set([...bound, iterVar, iterVar2, accuVar]);
  }
  for (const each of Object.values(node)) yield* identifiers(each, inner);
}
