/** The steps of a swap, in order. */
export type StepName =
  | "verify"
  | "start"
  | "health"
  | "gate"
  | "warm_up"
  | "shadow"
  | "canary"
  | "hand_over"
  | "commit"
  | "drain"
  | "bake"
  | "stop";

/** One step of a swap. */
export interface SwapStep {
  readonly name: StepName;
  readonly durationMs: number;
  /** How long it could have taken; absent where nothing ends it. */
  readonly deadlineMs?: number;
  readonly outcome: "done" | "skipped" | "failed";
  /** More about it; why it was skipped or failed. Empty where there is nothing to say. */
  readonly detail: string;
}

/** Where the answers of two versions differ. */
export interface ShadowDifference {
  readonly method: string;
  /** Where in the answer: `output.price`; empty where the candidate failed. */
  readonly path: string;
  /** Short texts. */
  readonly current: string;
  readonly candidate: string;
}

/** What came of the calls that were mirrored to a candidate. */
export interface ShadowReport {
  readonly mirrored: number;
  readonly equal: number;
  readonly different: number;
  /** Calls that the candidate failed. */
  readonly failed: number;
  /** Calls that were not mirrored because too many were under way. */
  readonly dropped: number;
  /** The first ones. */
  readonly differences: readonly ShadowDifference[];
}

/** How the calls of one version went. */
export interface Sample {
  readonly calls: number;
  /** Those that the module has to answer for. */
  readonly failures: number;
  readonly p99Ms: number;
}

/**
 * What a canary came to. REFUSED: the candidate is worse than its limits allow, beyond reasonable doubt, has ended or is
 * unhealthy. INCONCLUSIVE: too little was seen to say so, or that it is not; or the canary was given up.
 */
export type CanaryVerdict = "PASSED" | "REFUSED" | "INCONCLUSIVE";

/** How a candidate did with its share of the callers, beside the version that serves. */
export interface CanaryReport {
  readonly candidate: Sample;
  /** Of its calls that could have gone to the candidate: those with a `routing_key`. */
  readonly current: Sample;
  /** Absent in what earlier versions stored. */
  readonly verdict?: CanaryVerdict;
}

/** How a swap, or a forced reload, went for one module. */
export interface SwapReport {
  readonly swapId: string;
  /** Whether the version that was asked for serves. If not, the old one does. */
  readonly swapped: boolean;
  /** Nothing was done: the same code with the same configuration serves already. */
  readonly unchanged: boolean;
  /**
   * Whether the version that serves now does without what the one before it knew, though nobody had asked for that with
   * `discardState`: it ended before it handed its state over, or the new one takes none.
   */
  readonly stateLost: boolean;
  readonly fromVersion: string;
  readonly toVersion: string;
  /** Absent where none failed. */
  readonly failedStep?: StepName;
  readonly failure?: string;
  readonly steps: readonly SwapStep[];
  readonly shadow?: ShadowReport;
  readonly canary?: CanaryReport;
  /** Wall time in ms at which it ended. */
  readonly time: number;
}
