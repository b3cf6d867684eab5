import type { AnswerCount, UsageAnswer } from "../counts/answers.ts";

/** Answers of one flag that a client has given. */
export interface UsageReport {
  readonly name: string;
  readonly answers: readonly ReportedAnswer[];
}

export interface ReportedAnswer extends UsageAnswer {
  /** How often: a whole number from 1. */
  readonly count: number;
}

export interface UsageReported {
  /** The report had arrived before, so that nothing was counted now. */
  readonly duplicate: boolean;
  /** The flags of the report that do not exist, each once. */
  readonly unknownNames: readonly string[];
}

/** When a flag was last asked for, by how many clients, and with which answers. Times are wall times in ms. */
export interface FlagUsage {
  readonly name: string;
  /** Undefined: never since `recordedSince`. */
  readonly lastTime: number | undefined;
  readonly recordedSince: number;
  /** When the first day of the window begins, in UTC. */
  readonly windowStart: number;
  /** Clients that reported the flag in the window, at most `MAX_CLIENTS`. */
  readonly clients: number;
  /** Whether there may have been more. */
  readonly capped: boolean;
  /** The sum of `answers`, at most `MAX_COUNT`. */
  readonly count: number;
  /** The answers in the window, the most frequent first; at most `MAX_ANSWERS`. */
  readonly answers: readonly AnswerCount[];
}

/** How flags are used. What was counted is written each minute, and when the flags are closed. */
export interface FlagUsages {
  /**
   * The usage of a flag in the last days: 30, or as many as `windowMs` has, rounded up to whole UTC days; at most 90. Throws
   * FLAG_NOT_FOUND, ARGUMENT_INVALID and STORE_DAMAGED.
   */
  usage(name: string, windowMs?: number): FlagUsage;
  /**
   * Counts answers that a client has given by itself. A repetition with the same client, `reporterId` and `seq` counts
   * nothing. Rejects with ARGUMENT_INVALID, and with SERVER_DRAINING after the flags were closed.
   */
  reportUsage(
    clientId: string,
    seq: number | bigint,
    reports: readonly UsageReport[],
    reporterId?: string,
  ): Promise<UsageReported>;
}
