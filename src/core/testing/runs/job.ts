import type { TestedInstance } from "../../modules/swap/steps/gate.ts";
import type { TestTrial } from "../stand-ins/trial.ts";
import type { OpenSuite, TestSource } from "../suites/source.ts";
import type { Run, RunRecord } from "./record.ts";
import type { Progress } from "./runner.ts";

/** A run to execute. */
export interface Job {
  readonly record: Pick<RunRecord, "module" | "suite" | "target" | "config" | "cause"> & CodeUnderTest;
  readonly source: TestSource;
  /**
   * Makes the trial of the instance, which limits what it calls; `open` is the suite's file, if it is one. Absent: the
   * instance calls whatever it calls otherwise, because it serves. Aborting the signal ends what starts for it.
   */
  readonly trial?: ((open: OpenSuite | undefined, signal: AbortSignal) => Promise<TestTrial>) | undefined;
  /** Starts the instance to test, or finds it. Aborting the signal ends it while it starts. */
  readonly start: (trial: TestTrial | undefined, signal: AbortSignal) => Promise<TestedInstance>;
  /** Whether the run stops the instance afterwards. */
  readonly owned: boolean;
  /** Whether it goes before runs that are not urgent: a swap waits for it. */
  readonly urgent: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: RunProgress | undefined;
}

export type CodeUnderTest = Pick<RunRecord, "modulePath" | "version" | "sha256" | "artifact">;

/** Callbacks during a run. An error that one of them throws ends the run. */
export interface RunProgress extends Progress {
  /** The run was accepted. */
  runStarted?(run: Run): void;
}
