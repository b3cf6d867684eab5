/** How it is decided for whom an enabled flag is on. */
export type Strategy = "ALL_ON" | "ALL_OFF" | "PERCENTAGE" | "WHITELIST" | "GRADUAL";

/** The field of the context whose value chooses the bucket. `SESSION_ID` falls back to the user id where it is empty. */
export type BucketBy = "SESSION_ID" | "USER_ID" | "SYMBOL" | "SYSTEM";

/** What a client does with a flag once its copy is older than `maxStalenessMs`. */
export type OnStale = "KEEP" | "OFF";

/** A value of JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** One of the values that a flag gives to those for whom it is on. */
export interface Variant {
  /** Unique in its flag; never `off`. */
  readonly name: string;
  /** Its share is `weight` of the sum of all weights. A whole number, 0 or more. */
  readonly weight: number;
  readonly value: Json;
}

/** The schedule of GRADUAL. Without times the share stays at `initialPercentage`. */
export interface Gradual {
  /** The share before and at `startTime`, 0 to 100. */
  readonly initialPercentage: number;
  /** The share at and after `endTime`, 0 to 100. */
  readonly targetPercentage: number;
  /** Wall time in ms; given together with `endTime` or not at all. */
  readonly startTime?: number;
  /** Wall time in ms, after `startTime`. */
  readonly endTime?: number;
  /** Wall time in ms at which the schedule was paused: the share stays where it was then. Only where there are times. */
  readonly pausedAt?: number;
}

/** What an evaluation needs to know of a flag. */
export interface FlagRule {
  readonly name: string;
  readonly revision: number;
  readonly enabled: boolean;
  readonly strategy: Strategy;
  /** 0 to 100, at most three decimals. */
  readonly percentage: number;
  /** Values that any field of a context may have, or one field alone, such as `user_id:alice`. */
  readonly whitelist: readonly string[];
  /** With PERCENTAGE and GRADUAL: the flag is on for whoever is on the whitelist, whatever the bucket. */
  readonly whitelistFirst?: true;
  readonly gradual?: Gradual;
  readonly bucketBy: BucketBy;
  readonly salt: string;
  /** The version of the algorithm that turns a key into a bucket. */
  readonly bucketingVersion: 1;
  /** Those for whom the flag is on get one of these. The sum of the weights is above 0. Absent: they get `on`. */
  readonly variants?: readonly Variant[];
  /** An expression that must hold for the context. Absent: every context will do. */
  readonly condition?: string;
  /** Names of the flags that must be on for the same context. */
  readonly prerequisites?: readonly string[];
  /** Switched off so that only EnableFlag switches it on again. Never together with `enabled`. */
  readonly killed?: true;
}
