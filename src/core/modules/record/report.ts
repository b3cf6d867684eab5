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
  /** The deadline of the step. Absent if it has no deadline. */
  readonly deadlineMs?: number;
  readonly outcome: "done" | "skipped" | "failed";
  /** Details, or why it was skipped or failed. May be empty. */
  readonly detail: string;
}

/** A difference between the answers of two versions. */
export interface ShadowDifference {
  readonly method: string;
  /** The place in the answer, such as `output.price`. Empty if the candidate failed. */
  readonly path: string;
  /** The two values as short texts. */
  readonly current: string;
  readonly candidate: string;
}

/** The result of the calls that were mirrored to a candidate. */
export interface ShadowReport {
  readonly mirrored: number;
  readonly equal: number;
  readonly different: number;
  /** Calls that the candidate failed. */
  readonly failed: number;
  /** Calls that were not mirrored because too many were under way. */
  readonly dropped: number;
  /** The first differences. */
  readonly differences: readonly ShadowDifference[];
}

/** The results of calls of one version. */
export interface Sample {
  readonly calls: number;
  /** Calls that failed through the fault of the module. */
  readonly failures: number;
  readonly p99Ms: number;
}

/**
 * The result of a canary. REFUSED: the candidate is worse than its limits allow, beyond reasonable doubt, has ended or
 * is unhealthy. INCONCLUSIVE: there were too few calls to decide, or the canary was given up.
 */
export type CanaryVerdict = "PASSED" | "REFUSED" | "INCONCLUSIVE";

/** The result of a canary: the calls of the candidate and of the version that serves. */
export interface CanaryReport {
  readonly candidate: Sample;
  /** The calls of the current version that could have gone to the candidate: those with a `routing_key`. */
  readonly current: Sample;
  /** Earlier versions of the service did not store it. */
  readonly verdict?: CanaryVerdict;
}

/** The report of a swap, or of a forced reload, for one module. */
export interface SwapReport {
  readonly swapId: string;
  /** Whether the requested version serves. If not, the old one does. */
  readonly swapped: boolean;
  /** Nothing was done, because the same code with the same configuration served already. */
  readonly unchanged: boolean;
  /**
   * Whether the version that serves now lacks the state of the one before, although nobody asked for that with
   * `discardState`: that one ended before it handed its state over, or the new one takes no state.
   */
  readonly stateLost: boolean;
  readonly fromVersion: string;
  readonly toVersion: string;
  /** Absent if no step failed. */
  readonly failedStep?: StepName;
  readonly failure?: string;
  readonly steps: readonly SwapStep[];
  readonly shadow?: ShadowReport;
  readonly canary?: CanaryReport;
  /** Wall time in ms at which it ended. */
  readonly time: number;
}
