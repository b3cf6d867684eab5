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
 * What a node does. The contract (`proto/helios/v1/condition.proto`) says of each what it takes and answers; the names
 * are the same.
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
  /** Indices of the nodes that it is made of; each below its own. */
  readonly args: readonly number[];
  /** Of a local: its slot; of MATCHES: its pattern; of GET_…: 0 is UTC, n the zone n - 1. Else 0. */
  readonly index: number;
  /** Of a variable: its name; of SELECT and HAS: the member's. Else empty. */
  readonly name: string;
  /** Of CONSTANT. */
  readonly constant?: Value;
}

/** An expression as it is evaluated: the same in every language. */
export interface Program {
  readonly version: number;
  /** What a node is made of comes before it; the last is the expression. */
  readonly nodes: readonly ProgramNode[];
  readonly patterns: readonly Pattern[];
  readonly zones: readonly Zone[];
  readonly maxSteps: number;
  readonly maxBytes: number;
}

/** A program cannot be evaluated by this interpreter. */
export class ProgramError extends Error {
  override readonly name = "ProgramError";
}
