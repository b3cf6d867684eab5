import type { EvaluationErrorCode, EvaluationReason } from "../../../kernel/flags/evaluation.ts";

/** Why a flag could not be evaluated, by the service or by a client. The latter has a few reasons of its own. */
export type UsageErrorCode =
  | EvaluationErrorCode
  | "SEGMENT_UNKNOWN"
  | "WINDOW_UNKNOWN"
  | "PREREQUISITE_FAILED"
  | "UNSUPPORTED";

/** An answer of a flag, without what depends on the context alone. */
export interface UsageAnswer {
  /** As in `Evaluation`. Empty: a client answered the default of its caller. `OTHER_VARIANT`: one that the flag never had. */
  readonly variant: string;
  /** UNSPECIFIED: a reason that is not known here. */
  readonly reason: EvaluationReason | "UNSPECIFIED";
  /** Undefined if the flag could be evaluated, or the code is not known here. */
  readonly errorCode: UsageErrorCode | undefined;
}

/** How often an answer was given, and when last, in wall time in ms. */
export interface AnswerCount extends UsageAnswer {
  /** A whole number from 1 to `MAX_COUNT`, at which sums stop. */
  readonly count: number;
  readonly lastTime: number;
}

/** Stands for all variants that the flag never had. No variant can have this name. */
export const OTHER_VARIANT = "(other)";
/** Stands for all answers beyond the limits. */
const OTHER: UsageAnswer = { variant: OTHER_VARIANT, reason: "UNSPECIFIED", errorCode: undefined };

/** At which a count of the usage of flags stops: 2^53 - 1. @limit answers */
export const MAX_COUNT = Number.MAX_SAFE_INTEGER;
/**
 * Different answers of one flag that are counted apart, in a day and in a window; further ones are counted together as
 * variant `(other)`. @limit answers
 */
export const MAX_ANSWERS = 256;

/** The sums of counts, by answer. Whatever the limits, no count gets lost. */
export class AnswerSums {
  readonly #sums = new Map<string, AnswerCount>();

  /** The number of different answers. */
  get size(): number {
    return this.#sums.size;
  }

  /** Adds a count. If the answer is new, and `mayGrow` is false or there are `MAX_ANSWERS` already, it counts as another one. */
  add(added: AnswerCount, mayGrow = true): void {
    const key = keyOf(added);
    // One place is left for those that have none.
    const hasRoom = mayGrow && this.#sums.size < MAX_ANSWERS - 1;
    if (this.#sums.has(key) || hasRoom) this.#add(key, added);
    else this.#add(OTHER_KEY, { ...added, ...OTHER });
  }

  addAll(counts: Iterable<AnswerCount>): void {
    for (const count of counts) this.add(count);
  }

  /** The most frequent first; of equally frequent ones, by variant, reason and error. */
  list(): readonly AnswerCount[] {
    return [...this.#sums]
      .sort(([key, a], [other, b]) => b.count - a.count || (key < other ? -1 : 1))
      .map(([, count]) => count);
  }

  values(): Iterable<AnswerCount> {
    return this.#sums.values();
  }

  /** The sum of all counts. */
  total(): number {
    let total = 0;
    for (const { count } of this.#sums.values()) total = sum(total, count);
    return total;
  }

  /** Undefined if nothing was counted. */
  lastTime(): number | undefined {
    let last: number | undefined;
    for (const { lastTime } of this.#sums.values()) last = Math.max(last ?? lastTime, lastTime);
    return last;
  }

  #add(key: string, added: AnswerCount): void {
    const known = this.#sums.get(key);
    const { count = 0, lastTime = added.lastTime } = known ?? {};
    this.#sums.set(key, {
      ...added,
      count: sum(count, added.count),
      lastTime: Math.max(lastTime, added.lastTime),
    });
  }
}

const keyOf = ({ variant, reason, errorCode }: UsageAnswer): string => `${variant}\n${reason}\n${errorCode ?? ""}`;
const OTHER_KEY = keyOf(OTHER);

const sum = (a: number, b: number): number => Math.min(a + b, MAX_COUNT);
