import {
  CONDITION_MAX_BYTES,
  CONDITION_MAX_STEPS,
  type ExpectationCompiler,
  ExpectationError,
  interpreterOf,
  type Observed,
} from "../../core/index.ts";
import { type Compiled, compile, type Purpose } from "./compile.ts";
import { CelError } from "./tree.ts";

const READ = {
  output: ({ output }: Observed): unknown => output ?? null,
  error: ({ error }: Observed): unknown => error,
  duration_ms: ({ durationMs }: Observed): unknown => durationMs,
};
const VARIABLES = Object.keys(READ);

const PURPOSE: Purpose = {
  names: {
    variables: new Set(VARIABLES),
    unknown: (name) => ({ problem: `${name} is not known`, expected: VARIABLES.join(", ") }),
  },
  types: { output: "dyn", error: "dyn", duration_ms: "double" },
  roots: { variables: VARIABLES },
  limits: { maxSteps: CONDITION_MAX_STEPS, maxBytes: CONDITION_MAX_BYTES },
};

/**
 * Compiles expectations in CEL over `output`, `error` and `duration_ms`. Numbers of the output are CEL doubles. A compiled
 * expectation throws if it cannot be evaluated, is neither true nor false, or exceeds its limit of steps or memory.
 */
export const compileExpectation: ExpectationCompiler = (source) => {
  const { program, placeOf } = compiled(source);
  const evaluate = interpreterOf(program, READ);
  return (observed) => {
    const { value, failed } = evaluate(observed);
    if (failed !== undefined) {
      const place = placeOf(failed.node);
      throw new Error(`cannot be evaluated: ${failed.message}${place === undefined ? "" : ` (${place})`}`);
    }
    if (typeof value !== "boolean") throw new Error(`is neither true nor false, but ${shown(value)}`);
    return value;
  };
};

function compiled(source: string): Compiled {
  try {
    return compile(source, PURPOSE);
  } catch (error) {
    if (error instanceof CelError) {
      throw new ExpectationError(`${error.message}; expected ${error.expected}`, error.position);
    }
    throw error;
  }
}

function shown(value: unknown): string {
  const text =
    typeof value === "string" ? value : typeof value === "object" && value !== null ? "a value" : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
