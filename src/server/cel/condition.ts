import {
  CONDITION_MAX_BYTES,
  CONDITION_MAX_STEPS,
  type Condition,
  type ConditionCompiler,
  ConditionError,
  conditionOf,
  type Program,
} from "../../core/index.ts";
import { encodedSize } from "../map/condition.ts";
import { type Compiled, compile, type Purpose } from "./compile.ts";
import { CelError } from "./tree.ts";

const FIELDS = ["session_id", "user_id", "symbol", "system", "attributes"];

const PURPOSE: Purpose = {
  names: {
    variables: new Set(["context"]),
    unknown: (name) => ({ problem: `${name} is not known`, expected: "context" }),
  },
  types: {
    context: { session_id: "string", user_id: "string", symbol: "string", system: "string", attributes: "map" },
  },
  roots: { variables: [], object: { name: "context", fields: FIELDS } },
  limits: { maxSteps: CONDITION_MAX_STEPS, maxBytes: CONDITION_MAX_BYTES },
};

/**
 * Size of the program that a condition is compiled to; a condition with a larger one is refused with
 * `FLAG_CONDITION_INVALID`. @limit bytes
 */
const MAX_PROGRAM_BYTES = 65_536;

/**
 * Compiled conditions that are kept, so that the same text is not compiled again. Beyond them the oldest are forgotten.
 * @limit conditions
 */
const KEPT = 10_000;
/** Approximate size of the compiled conditions that are kept. Beyond it the oldest are forgotten. @limit bytes */
const KEPT_BYTES = 33_554_432;

interface Known {
  readonly program: Program;
  readonly condition: Condition;
  readonly size: number;
}

const known = new Map<string, Known>();
let knownBytes = 0;

/**
 * Compiles conditions in CEL over `context`, with the field names of the contract. A missing field is an empty text, and a
 * missing attribute does not exist. Numbers of attributes are doubles. A compiled condition throws a ConditionFailed if it
 * cannot be evaluated, is neither true nor false, or exceeds its limit of steps or memory.
 */
export const compileCondition: ConditionCompiler = (source) => knownOf(source).condition;

/** Returns the program of a condition. Throws a ConditionError if it cannot be compiled. */
export function programOf(source: string): Program {
  return knownOf(source).program;
}

function knownOf(source: string): Known {
  const kept = known.get(source);
  if (kept !== undefined) {
    // The most recently used condition is evicted last.
    known.delete(source);
    known.set(source, kept);
    return kept;
  }
  const { program, placeOf } = compiled(source);
  const size = encodedSize(program);
  if (size > MAX_PROGRAM_BYTES) {
    throw new ConditionError(`its program has ${size} bytes`, `at most ${MAX_PROGRAM_BYTES}; use simpler patterns`);
  }
  const fresh = { program, condition: conditionOf(program, placeOf), size: size + source.length * 2 };
  known.set(source, fresh);
  knownBytes += fresh.size;
  for (const [oldest, { size: freed }] of known) {
    if (known.size <= KEPT && knownBytes <= KEPT_BYTES) break;
    known.delete(oldest);
    knownBytes -= freed;
  }
  return fresh;
}

function compiled(source: string): Compiled {
  try {
    return compile(source, PURPOSE);
  } catch (error) {
    if (error instanceof CelError) throw new ConditionError(error.message, error.expected, error.position);
    throw error;
  }
}
