import type { Clock } from "../../../kernel/clock.ts";
import { type Evaluation, type EvaluationContext, missingFlag } from "../../../kernel/flags/evaluation.ts";
import { HeliosError } from "../../errors/error.ts";
import { refuse } from "../../errors/violation.ts";
import type { Feed } from "../../store/feed.ts";
import type { AskedFlag } from "../compile.ts";
import type { ConditionCompiler } from "../condition.ts";
import type { Tallies } from "../counts/tally.ts";
import { flagNotFound } from "../record.ts";
import { checkContext } from "../rules/context.ts";
import { timeViolation } from "../validate.ts";
import type { FlagView } from "../view.ts";
import { type Explanation, explain } from "./explain.ts";
import type { FlagPast } from "./past.ts";
import { inSlices } from "./slices.ts";
import { type AsOf, type FlagSnapshot, snapshotAtRevision, snapshotAtTime } from "./snapshot.ts";

/** Answers for one context, at one time and revision. */
export interface Evaluations {
  readonly evaluations: readonly Evaluation[];
  readonly revision: number;
}

/**
 * The evaluation of flags; it changes nothing. All of it fails with ARGUMENT_INVALID for a context that is wrong.
 *
 * `asOf` evaluates the flags of the past. A number, or `revision`, takes the flags of that revision, at the time when it was
 * made or at `time`. `time` alone takes the flags of that time, or the present ones if it is in the future. Rejects with
 * FLAG_REVISION_UNAVAILABLE if that state is no longer kept, or the revision is in the future.
 */
export interface FlagEvaluator {
  /** Throws FLAG_NOT_FOUND. No I/O. */
  evaluate(name: string, context?: EvaluationContext): Evaluation;
  /** Throws FLAG_NOT_FOUND. No I/O. */
  isEnabled(name: string, context?: EvaluationContext): boolean;
  /** Rejects with FLAG_NOT_FOUND if there was no such flag then. */
  evaluateAsOf(name: string, context: EvaluationContext, asOf: number | AsOf): Promise<Evaluation>;
  /**
   * One answer for each name, or for all flags by name, at one time and revision. An unknown name is answered too. It runs
   * in one piece: if there may be many flags with conditions, use `evaluateManyInSlices`, which lets other work run between.
   */
  evaluateMany(names: readonly string[] | "all", context?: EvaluationContext): Evaluations;
  /**
   * Like `evaluateMany`, over the flags of one revision, taken when all are compiled. Rejects with the signal's reason once
   * that is aborted.
   */
  evaluateManyInSlices(
    names: readonly string[] | "all",
    context?: EvaluationContext,
    signal?: AbortSignal,
  ): Promise<Evaluations>;
  evaluateManyAsOf(
    names: readonly string[] | "all",
    context: EvaluationContext,
    asOf: number | AsOf,
    signal?: AbortSignal,
  ): Promise<Evaluations>;
  /** Says step by step why the flag answers as it does, or did. Rejects with FLAG_NOT_FOUND. */
  explain(name: string, context?: EvaluationContext, asOf?: number | AsOf): Promise<Explanation>;
}

export interface FlagEvaluatorDeps {
  readonly feed: Feed;
  readonly clock: Clock;
  readonly view: FlagView;
  readonly past: FlagPast;
  /** Counts the answers of the present. */
  readonly tallies: Tallies;
  readonly compileCondition: ConditionCompiler | undefined;
  /** Lets other work run. */
  readonly pause: () => Promise<void>;
}

export function createFlagEvaluator(deps: FlagEvaluatorDeps): FlagEvaluator {
  const { feed, clock, view, past, tallies, compileCondition, pause } = deps;
  const { list, find, asked, compiled, own, condition } = view;

  const answerOf = (flag: AskedFlag, context: EvaluationContext, now: number): Evaluation => {
    const evaluation = flag.linked.evaluate(context, now);
    tallies.count(flag, evaluation, now);
    return evaluation;
  };

  const evaluate: FlagEvaluator["evaluate"] = (name, context = {}) => {
    checkContext(context);
    const flag = asked(name);
    if (flag === undefined) throw flagNotFound(name);
    return answerOf(flag, context, clock.now());
  };

  /** `names`: all flags that will be evaluated. */
  const snapshotOf = (
    names: readonly string[],
    asOf: number | AsOf | undefined,
  ): FlagSnapshot | Promise<FlagSnapshot> => {
    const { revision, time } = typeof asOf === "number" ? { revision: asOf } : { ...asOf };
    const now = clock.now();
    if (time !== undefined) refuse(timeViolation(["at_time"], time));
    if (revision !== undefined) {
      past.check("as_of_revision", revision);
      return snapshotAtRevision(past, names, revision, time, compileCondition);
    }
    if (time !== undefined && time < now) return snapshotAtTime(past, names, time, compileCondition);
    return { revision: feed.revision, nowMs: time ?? now, find, compiled, own, condition };
  };

  const explained: FlagEvaluator["explain"] = async (name, context = {}, asOf) => {
    checkContext(context);
    const snapshot = await snapshotOf([name], asOf);
    const [flag, ready] = [snapshot.find(name), snapshot.compiled(name)];
    if (flag !== undefined && ready !== undefined) return explain(snapshot, flag, ready, context);
    throw asOf === undefined
      ? flagNotFound(name)
      : HeliosError.of("FLAG_NOT_FOUND", { name, as_of_revision: snapshot.revision });
  };

  const namesOf = (names: readonly string[] | "all"): readonly string[] =>
    names === "all" ? list().map(({ name }) => name) : names;

  return {
    evaluate,
    isEnabled: (name, context) => evaluate(name, context).enabled,
    evaluateAsOf: async (name, context, asOf) => (await explained(name, context, asOf)).evaluation,
    explain: explained,

    evaluateMany(names, context = {}) {
      checkContext(context);
      const now = clock.now();
      const evaluations = namesOf(names).map((name) => {
        const flag = asked(name);
        return flag === undefined ? missingFlag(name) : answerOf(flag, context, now);
      });
      return { evaluations, revision: feed.revision };
    },

    async evaluateManyInSlices(names, context = {}, signal) {
      checkContext(context);
      const slicing = { clock, pause, signal };
      // Compiling takes the longest, and needs no common revision.
      await inSlices(namesOf(names), compiled, slicing);
      const [revision, now] = [feed.revision, clock.now()];
      const taken = namesOf(names).map((name) => asked(name) ?? name);
      const evaluations = await inSlices(
        taken,
        (flag) => (typeof flag === "string" ? missingFlag(flag) : answerOf(flag, context, now)),
        slicing,
      );
      return { evaluations, revision };
    },

    async evaluateManyAsOf(names, context, asOf, signal) {
      checkContext(context);
      // Flags that were deleted since still have a tombstone.
      const wanted = names === "all" ? view.collection.list().map(({ name }) => name) : names;
      const snapshot = await snapshotOf(wanted, asOf);
      const there = names === "all" ? wanted.filter((name) => snapshot.find(name) !== undefined) : wanted;
      const evaluations = await inSlices(
        there,
        (name) => snapshot.compiled(name)?.evaluate(context, snapshot.nowMs) ?? missingFlag(name),
        { clock, pause, signal },
      );
      return { evaluations, revision: snapshot.revision };
    },
  };
}
