import type { Pattern } from "./pattern.ts";
import type { Value } from "./values.ts";
import type { Zone } from "./zone.ts";

/** The version of programs that this interpreter evaluates. */
export const PROGRAM_VERSION = 1;

/**
 * Steps of one evaluation: of a flag's condition together with those of its prerequisites, or of a test's expectation.
 * Beyond them, the flag is off for that caller with `CONDITION_FAILED`, or the test is `ERRORED`. @limit steps
 */
export const CONDITION_MAX_STEPS = 10_000;

/**
 * Size of the strings, lists, maps and bytes that one evaluation creates. Beyond it, the flag is off for that caller
 * with `CONDITION_FAILED`, or the test is `ERRORED`. @limit bytes
 */
export const CONDITION_MAX_BYTES = 1_048_576;

/**
 * Nesting of the program that a condition is compiled to; a condition with a deeper one is refused with
 * `FLAG_CONDITION_INVALID`. @limit levels
 */
export const PROGRAM_MAX_DEPTH = 128;

/**
 * The operations of nodes. The contract (`proto/helios/v1/condition.proto`) has the same names, and says what each takes and
 * returns.
 */
export const OPS = [
  "CONSTANT",
  "LIST",
  "MAP",
  "VARIABLE",
  "HAS_VARIABLE",
  "LOCAL",
  "SELECT",
  "HAS",
  "INDEX",
  "NOT",
  "NEGATE",
  "AND",
  "OR",
  "CONDITIONAL",
  "ADD",
  "SUBTRACT",
  "MULTIPLY",
  "DIVIDE",
  "MODULO",
  "EQUAL",
  "NOT_EQUAL",
  "LESS",
  "LESS_OR_EQUAL",
  "GREATER",
  "GREATER_OR_EQUAL",
  "IN",
  "ALL",
  "EXISTS",
  "EXISTS_ONE",
  "FILTER",
  "TRANSFORM",
  "SIZE",
  "CONTAINS",
  "STARTS_WITH",
  "ENDS_WITH",
  "MATCHES",
  "TO_INT",
  "TO_UINT",
  "TO_DOUBLE",
  "TO_BOOL",
  "TO_STRING",
  "TO_BYTES",
  "TO_TIMESTAMP",
  "TO_DURATION",
  "TYPE_OF",
  "GET_FULL_YEAR",
  "GET_MONTH",
  "GET_DATE",
  "GET_DAY_OF_MONTH",
  "GET_DAY_OF_WEEK",
  "GET_DAY_OF_YEAR",
  "GET_HOURS",
  "GET_MINUTES",
  "GET_SECONDS",
  "GET_MILLISECONDS",
] as const;

export type Op = (typeof OPS)[number];

/** One node of a program. */
export interface ProgramNode {
  readonly op: Op;
  /** The indices of its operands. Each is below its own index. */
  readonly args: readonly number[];
  /** For LOCAL its slot, for MATCHES its pattern, for GET_… its zone (0: UTC, n: zone n - 1), otherwise 0. */
  readonly index: number;
  /** The name of a variable, or of the member for SELECT and HAS; otherwise empty. */
  readonly name: string;
  /** Set for CONSTANT. */
  readonly constant?: Value;
}

/** An expression in the form in which every client evaluates it. */
export interface Program {
  readonly version: number;
  /** Operands come before the nodes that use them. The last node is the whole expression. */
  readonly nodes: readonly ProgramNode[];
  readonly patterns: readonly Pattern[];
  readonly zones: readonly Zone[];
  readonly maxSteps: number;
  readonly maxBytes: number;
}

/** The error for a program that this interpreter cannot evaluate. */
export class ProgramError extends Error {
  override readonly name = "ProgramError";
}
