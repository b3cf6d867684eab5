import { type CelResult, celEnv, isCelError, plan } from "@bufbuild/cel";
import { type ConditionCompiler, ConditionError, type EvaluationContext } from "../core/index.ts";
import { parserError, type Surveyed, stepsOf, surveyOf } from "./cel-survey.ts";
import { type CelNode, CelTypeError, typeOf } from "./cel-types.ts";

const ENV = celEnv();

/** What a condition is about, with its types. */
const NAMES = {
  context: { session_id: "string", user_id: "string", symbol: "string", system: "string", attributes: "map" },
};

/** How much a condition may go through: some 50 ms at the worst, in which nothing else is done. */
const MAX_STEPS = 10_000;
/** How much text of a context `matches` may look at, for the same reason. */
const MAX_MATCHED_CHARS = 65_536;

/**
 * Compiles conditions in CEL over `context`, with the names of the contract. What is not there is an empty text, or no
 * attribute. Numbers of attributes are doubles. A condition throws where it cannot be evaluated, is neither true nor
 * false, or has too much to go through.
 */
export const compileCondition: ConditionCompiler = (source) => {
  const surveyed = surveyOf(source, attempt);
  const { parsed, survey, placeOf } = surveyed;
  check(surveyed);
  const evaluate = attempt(() => plan(ENV, parsed)) as (variables: Record<string, unknown>) => CelResult;
  const matches = survey.functions.has("matches");
  return ({ sessionId = "", userId = "", symbol = "", system = "", attributes = {} }: EvaluationContext) => {
    const steps = stepsOf(survey, attributes);
    if (steps > MAX_STEPS) throw new Error(`it would take some ${steps.toExponential(0)} steps, over ${MAX_STEPS}`);
    if (matches && charsOf(attributes) > MAX_MATCHED_CHARS) {
      throw new Error(`the attributes have more than ${MAX_MATCHED_CHARS} characters, too many for matches`);
    }
    const context = { session_id: sessionId, user_id: userId, symbol, system, attributes };
    const result = evaluate({ context });
    if (isCelError(result)) {
      const place = placeOf(result.exprId);
      throw new Error(`cannot be evaluated: ${result.message}${place === undefined ? "" : ` (${place})`}`);
    }
    if (typeof result !== "boolean") throw new Error(`is neither true nor false, but ${String(result)}`);
    return result;
  };
};

function check({ parsed, survey, names, placeOf }: Surveyed): void {
  for (const [name, id] of names) {
    if (name !== "context") throw new ConditionError(`${name} is not known`, "context", placeOf(id));
  }
  for (const [name, id] of survey.functions) {
    if (ENV.funcs.find(name) !== undefined) continue;
    throw new ConditionError(`there is no function ${name}`, "a function of CEL, such as startsWith", placeOf(id));
  }
  try {
    const type = typeOf(ENV, parsed.expr as CelNode, NAMES);
    if (type === "bool" || type === "json" || type === "dyn") return;
    throw new ConditionError(`it is of type ${type}`, "true or false", placeOf(parsed.expr.id));
  } catch (error) {
    if (error instanceof CelTypeError) throw new ConditionError(error.message, error.expected, placeOf(error.id));
    if (error instanceof RangeError) throw new ConditionError("it is nested too deeply", "less of it");
    throw error;
  }
}

function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { message, position } = parserError(error);
    // The parser says both in one.
    const [problem = message, expected = "an expression of CEL"] = message.split(" but expecting ");
    throw new ConditionError(problem, expected, position);
  }
}

/** Characters of all texts of a value of JSON. */
function charsOf(json: unknown): number {
  if (typeof json === "string") return json.length;
  if (typeof json !== "object" || json === null) return 0;
  return Object.values(json).reduce((sum: number, each) => sum + charsOf(each), 0);
}
