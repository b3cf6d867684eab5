import { invalid } from "../../errors/invalid.ts";
import type { StandIns } from "../../modules/record/stand-ins.ts";
import type { RunProgress } from "./job.ts";
import type { TestTarget } from "./record.ts";

/**
 * `stubs` and `allowDependencies` say what the instance reaches instead of the modules that it depends on. For each
 * dependency they take precedence over those of the suite, and these over those of the module's registration. Not with the
 * target ACTIVE.
 */
export interface RunOptions extends StandIns {
  /** Default FRESH: an instance that is started for the run. ACTIVE: the instance that serves. */
  readonly target?: TestTarget;
  /** Test this code instead of the registered file. Only with the target FRESH. */
  readonly modulePath?: string | undefined;
  /** The assets of that code. Absent or empty: the registered ones. Only with the target FRESH. */
  readonly assets?: readonly string[] | undefined;
  /** Values of the suite's settings. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Aborting it cancels the run. */
  readonly signal?: AbortSignal;
  readonly progress?: RunProgress;
}

/** ARGUMENT_INVALID for options that the target ACTIVE does not take. */
export function checkRunOptions({ target, modulePath, assets, stubs = {}, allowDependencies = [] }: RunOptions): void {
  if (target !== "ACTIVE") return;
  const refuse = (field: string, problem: string): never => {
    throw invalid(field, `cannot be given with the target ACTIVE, ${problem}`);
  };
  const ownCode = "which tests the code that serves";
  if (modulePath) refuse("module_path", ownCode);
  if (assets?.length) refuse("assets", ownCode);
  const ownCalls = "whose calls go to the modules that serve";
  if (Object.keys(stubs).length > 0) refuse("stubs", ownCalls);
  if (allowDependencies.length > 0) refuse("allow_dependencies", ownCalls);
}
