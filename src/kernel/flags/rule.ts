/** The rule by which an enabled flag is on for some contexts. */
export type Strategy = "ALL_ON" | "ALL_OFF" | "PERCENTAGE" | "WHITELIST" | "GRADUAL";

/** The field of the context whose value chooses the bucket. `SESSION_ID` uses the user id if the session id is empty. */
export type BucketBy = "SESSION_ID" | "USER_ID" | "SYMBOL" | "SYSTEM";

/** What a client does with a flag if its copy is older than `maxStalenessMs`. */
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
  /** Wall time in ms at which the schedule was paused. The share stays as it was then. Set only together with the times. */
  readonly pausedAt?: number;
}

/** The part of a flag that decides its answers. */
export interface FlagRule {
  readonly name: string;
  readonly revision: number;
  readonly enabled: boolean;
  readonly strategy: Strategy;
  /** 0 to 100, at most three decimals. */
  readonly percentage: number;
  /** Entries: a value that any field of a context may have, or a field with its value, such as `user_id:alice`. */
  readonly whitelist: readonly string[];
  /** With PERCENTAGE and GRADUAL: whether the flag is on for listed contexts, whatever their buckets. */
  readonly whitelistFirst?: true;
  readonly gradual?: Gradual;
  readonly bucketBy: BucketBy;
  readonly salt: string;
  /** The version of the algorithm that turns a key into a bucket. */
  readonly bucketingVersion: 1;
  /** A context for which the flag is on gets one of these. The sum of the weights is above 0. Absent: it gets `on`. */
  readonly variants?: readonly Variant[];
  /** An expression that must hold for the context. Absent: the flag has no condition. */
  readonly condition?: string;
  /** Names of the flags that must be on for the same context. */
  readonly prerequisites?: readonly string[];
  /** Switched off so that only EnableFlag switches it on again. Never together with `enabled`. */
  readonly killed?: true;
}

/** The part of a flag that its answers need. A compiled flag keeps no more of its rule, because there may be many of them. */
export type Identity = Pick<FlagRule, "name" | "revision">;
