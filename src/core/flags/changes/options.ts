import type { Strategy } from "../../../kernel/flags/rule.ts";

export interface AllowMissing {
  /** Create the flag if it does not exist. Default false: FLAG_NOT_FOUND. */
  readonly allowMissing?: boolean | undefined;
}

export interface AllowPast {
  /** Accept a schedule whose end is in the past. Default false: ARGUMENT_INVALID. */
  readonly allowPast?: boolean | undefined;
}

export interface AllowRebucketing {
  /**
   * Accept a new salt, `bucketBy` or variants that give keys of an enabled flag other answers. Default false:
   * FLAG_REBUCKETS.
   */
  readonly rebucket?: boolean | undefined;
}

export interface AllowRevival {
  /** Create the flag even if a flag of this name was deleted. Default false: FLAG_DELETED. */
  readonly revive?: boolean | undefined;
}

export interface CreateOptions extends AllowRevival, AllowPast {}

export interface UpdateOptions extends AllowMissing, AllowPast, AllowRebucketing {}

export interface RevertOptions extends AllowRevival, AllowRebucketing {}

export interface EnableOptions extends AllowMissing {
  /** Absent: the flag keeps its own, except that ALL_OFF becomes ALL_ON. A new flag gets ALL_ON. */
  readonly strategy?: Strategy | undefined;
  /** False: set the strategy if one is given, and switch the flag off. Default true. */
  readonly enabled?: boolean | undefined;
  /** Resume a paused schedule. Default false: it stays paused. FLAG_NOT_SCHEDULED for a flag without a schedule. */
  readonly resume?: boolean | undefined;
}

export interface DisableOptions {
  /** Kill the flag: from then on only `enable` with a reason switches it on. Default false. */
  readonly kill?: boolean | undefined;
}

export interface GradualOptions extends AllowMissing, AllowPast {
  /** Absent: the present share if the flag is enabled with PERCENTAGE or GRADUAL, else 0. */
  readonly initialPercentage?: number | undefined;
  readonly targetPercentage: number;
  /** Wall time in ms. Absent: now. */
  readonly startTime?: number | undefined;
  /** Wall time in ms, after `startTime`. */
  readonly endTime: number;
}

export interface WhitelistOptions extends AllowMissing {
  /** Switch the strategy to WHITELIST, or do not. Absent: switch it if the flag is new or not enabled. */
  readonly setStrategy?: boolean | undefined;
}
