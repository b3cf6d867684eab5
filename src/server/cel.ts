import { type CelResult, celEnv, isCelError, plan } from "@bufbuild/cel";
import { type ExpectationCompiler, ExpectationError } from "../core/index.ts";
import { parserError, stepsOf, surveyOf } from "./cel-survey.ts";

const VARIABLES: ReadonlySet<string> = new Set(["output", "error", "duration_ms"]);

const ENV = celEnv();

/** How much an expectation may go through: under half a second at the worst, in which nothing else is done. */
const MAX_STEPS = 100_000;

/**
 * Compiles expectations in CEL over `output`, `error` and `duration_ms`. Numbers of the output are CEL doubles. An
 * expectation throws where it cannot be evaluated, is neither true nor false, or has too much to go through.
 */
export const compileExpectation: ExpectationCompiler = (source) => {
  const { evaluate, survey, placeOf } = prepare(source);
  return ({ output, error, durationMs }) => {
    const steps = stepsOf(survey, output);
    if (steps > MAX_STEPS) {
      throw new Error(`it would take some ${steps.toExponential(0)} steps, more than ${MAX_STEPS}`);
    }
    const result = evaluate({ output, error, duration_ms: durationMs });
    if (isCelError(result)) {
      const place = placeOf(result.exprId);
      throw new Error(`cannot be evaluated: ${result.message}${place === undefined ? "" : ` (${place})`}`);
    }
    if (typeof result !== "boolean") throw new Error(`is neither true nor false, but ${String(result)}`);
    return result;
  };
};

function prepare(source: string) {
  const { parsed, survey, placeOf, names } = surveyOf(source, attempt);
  for (const [name, id] of names) {
    if (VARIABLES.has(name)) continue;
    throw new ExpectationError(`${name} is not known; there are ${[...VARIABLES].join(", ")}`, placeOf(id));
  }
  for (const [name, id] of survey.functions) {
    if (ENV.funcs.find(name) === undefined) throw new ExpectationError(`there is no function ${name}`, placeOf(id));
  }
  const evaluate = attempt(() => plan(ENV, parsed)) as (variables: Record<string, unknown>) => CelResult;
  return { evaluate, survey, placeOf };
}

function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { message, position } = parserError(error);
    throw new ExpectationError(message, position);
  }
}
