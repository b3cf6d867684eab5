import type { Evaluation, EvaluationContext, Evaluations, Flags } from "../../core/index.ts";

/** Answers for many flags, each made when it is looked at. */
export interface Answers {
  /** Of the flags that are answered for, in order. */
  readonly names: readonly { readonly name: string; readonly at: number }[];
  readonly revision: number;
  evaluationAt(at: number): Evaluation;
}

/** Answers as things are now, `step` of them made at a time: a page must not cost what the whole list does. */
export function answersNow(flags: Flags, names: readonly string[], context: EvaluationContext, step: number): Answers {
  const asked = names.length === 0 ? flags.list().map(({ name }) => name) : names;
  // With nobody to answer for, what is wrong with the context is still said.
  const { revision } = flags.evaluateMany([], context);
  let [from, made]: [number, readonly Evaluation[]] = [0, []];
  return {
    names: placed(asked),
    revision,
    evaluationAt(at) {
      if (at < from || at >= from + made.length) {
        from = at;
        made = flags.evaluateMany(asked.slice(at, at + step), context).evaluations;
      }
      return made[at - from] as Evaluation;
    },
  };
}

/** Answers that are there already. */
export function answersOf({ evaluations, revision }: Evaluations): Answers {
  return {
    names: placed(evaluations.map(({ name }) => name)),
    revision,
    evaluationAt: (at) => evaluations[at] as Evaluation,
  };
}

function placed(names: readonly string[]): Answers["names"] {
  return names.map((name, at) => ({ name, at }));
}
