import { Failure, type FailureKind, OverBudget, Run } from "./budget.ts";
import { type Build, buildNode } from "./build.ts";
import type { Evaluate, Variables } from "./evaluator.ts";
import { matcherOf } from "./pattern.ts";
import { PROGRAM_MAX_DEPTH, PROGRAM_VERSION, type Program, ProgramError } from "./program.ts";
import type { SharedBudget } from "./shared.ts";
import type { Value } from "./values.ts";

/** Why an expression could not be evaluated. */
export interface Failed {
  readonly kind: FailureKind;
  readonly message: string;
  /** The node. -1: the whole program. */
  readonly node: number;
}

/** The result of one evaluation, and the steps and bytes that it used, without those of earlier evaluations. */
export interface ProgramOutcome {
  /** Undefined: it failed. */
  readonly value: Value | undefined;
  readonly failed: Failed | undefined;
  readonly steps: number;
  readonly bytes: number;
}

/**
 * Evaluates a program for a subject. Never throws. It uses at most the steps and bytes that its program allows. With a shared
 * budget, it uses at most the rest that other evaluations have left.
 */
export type Interpreter<Subject> = (subject: Subject, shared?: SharedBudget) => ProgramOutcome;

/** Prepares a program. Throws a ProgramError if this interpreter cannot evaluate it. */
export function interpreterOf<Subject>(program: Program, variables: Variables<Subject>): Interpreter<Subject> {
  const evaluate = build(program, variables as Variables<unknown>);
  const { maxSteps, maxBytes } = program;
  return (subject, shared) => {
    const run = new Run(maxSteps, maxBytes, shared);
    let value: Value | undefined;
    let failed: Failed | undefined;
    try {
      const answer = evaluate(run, subject);
      if (answer instanceof Failure) failed = { kind: "VALUE", message: answer.message, node: answer.node };
      else value = answer;
    } catch (error) {
      failed = thrown(error, shared);
    }
    if (shared === undefined) return { value, failed, steps: run.steps, bytes: run.bytes };
    const [steps, bytes] = [run.steps - shared.steps, run.bytes - shared.bytes];
    shared.steps = run.steps;
    shared.bytes = run.bytes;
    return { value, failed, steps, bytes };
  };
}

/** Converts a thrown error. Besides an exceeded limit, only reading a value can throw: a getter, or a proxy. */
function thrown(error: unknown, shared: SharedBudget | undefined): Failed {
  if (!(error instanceof OverBudget)) return { kind: "VALUE", message: "a value cannot be read", node: -1 };
  const isAmongOthers = shared !== undefined && shared.steps + shared.bytes > 0;
  const message = isAmongOthers ? `${error.message} with the conditions before it` : error.message;
  if (shared !== undefined) shared.exceeded = message;
  return { kind: error.kind, message, node: -1 };
}

function build(program: Program, variables: Variables<unknown>): Evaluate {
  const { version, nodes, patterns, zones } = program;
  if (version !== PROGRAM_VERSION) throw new ProgramError(`version ${version} is not known, only ${PROGRAM_VERSION}`);
  const built: Evaluate[] = [];
  const constants: (Value | undefined)[] = [];
  const depths: number[] = [];
  const matchers = patterns.map(matcherOf);
  for (const [index, node] of nodes.entries()) {
    if (node.args.some((arg) => !(arg >= 0 && arg < index)))
      throw new ProgramError(`node ${index} has an operand that does not come before it`);
    const depth = 1 + node.args.reduce((deepest, arg) => Math.max(deepest, depths[arg] ?? 0), 0);
    if (depth > PROGRAM_MAX_DEPTH) throw new ProgramError(`nodes are nested deeper than ${PROGRAM_MAX_DEPTH}`);
    const context: Build = { node, index, built, constants, matchers, zones, variables };
    const { evaluate, constant } = buildNode(context);
    built.push(evaluate);
    constants.push(constant);
    depths.push(depth);
  }
  const last = built.at(-1);
  if (last === undefined) throw new ProgramError("the program has no nodes");
  return last;
}
