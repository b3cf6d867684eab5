import type { Evaluation, EvaluationContext, Evaluations, Flags } from "../../core/index.ts";
import { type PageRequest, pageLimit, startOf } from "./paging.ts";

/** Answers for many flags. */
export interface Answers {
  /** Of the flags that are answered for, in order. */
  readonly names: readonly Placed[];
  readonly revision: number;
  /** Of one that the request is answered with. */
  evaluationAt(at: number): Evaluation;
}

/** A flag's name, and its place among those that are asked for. */
export interface Placed {
  readonly name: string;
  readonly at: number;
}

/** What is asked for. */
export interface Asked extends PageRequest {
  /** Empty: all. */
  readonly names: readonly string[];
  readonly keyOf: (one: Placed) => string;
  /** Ends the work. */
  readonly signal: AbortSignal;
}

/**
 * Answers as things are now, made in slices between which other calls have their turn; of a page only those that it may
 * hold: it must not cost what the whole list does.
 */
export async function answersNow(flags: Flags, context: EvaluationContext, asked: Asked): Promise<Answers> {
  const { names, pageSize, pageToken, keyOf, signal } = asked;
  if (pageSize === 0 && pageToken === "") {
    return answersOf(await flags.evaluateManyInSlices(names.length === 0 ? "all" : names, context, signal));
  }
  const all = placed(names.length === 0 ? flags.list().map(({ name }) => name) : names);
  const from = startOf(all, pageToken, keyOf);
  const page = all.slice(from, from + pageLimit(pageSize)).map(({ name }) => name);
  const { evaluations, revision } = await flags.evaluateManyInSlices(page, context, signal);
  return { names: all, revision, evaluationAt: (at) => evaluations[at - from] as Evaluation };
}

/** Answers that are there already. */
export function answersOf({ evaluations, revision }: Evaluations): Answers {
  return {
    names: placed(evaluations.map(({ name }) => name)),
    revision,
    evaluationAt: (at) => evaluations[at] as Evaluation,
  };
}

function placed(names: readonly string[]): readonly Placed[] {
  return names.map((name, at) => ({ name, at }));
}
