import type { Cause } from "../../../store/store.ts";
import type { ResolvedModule } from "../../host/types/host.ts";
import type { VersionChoice } from "../../host/values/version.ts";
import type { VerifiedCode } from "../../operations/context.ts";
import type { Module, Registration } from "../../record/record.ts";
import type { Serving } from "./serving.ts";
import type { Terms } from "./swap-options.ts";

/** The source of a new version's code. */
export type Source =
  /** The files, with the content that they have in the step `verify`. */
  | { readonly type: "FILES"; readonly files: VerifiedCode }
  /** The code of an earlier generation, which is kept. */
  | { readonly type: "KEPT"; readonly code: ResolvedModule };

/** How the version of a candidate is chosen. */
export interface PlannedVersion extends VersionChoice {
  /** Whether the commit registers the chosen version. If not, the registration keeps its own. */
  readonly isRegistered: boolean;
}

/** The change of one module by a swap. All options are resolved. */
export interface ModulePlan {
  readonly name: string;
  /** The module at the beginning of the swap. `serving` is what served then. */
  readonly before: Module;
  readonly serving: Serving;
  readonly source: Source;
  /** The registration of the new version. Its version is filled in by `registrationOf`. */
  readonly registration: Registration;
  readonly configVersion: number;
  readonly version: PlannedVersion;
  /** The suite to run. Empty: no suite. */
  readonly suite: string;
  /** An earlier run that counts instead of the suite. Empty: no such run. */
  readonly testRun: string;
  /** Whether the new version takes traffic, even if the old one took none. */
  readonly activate: boolean;
  /** Whether to swap even if nothing would change. */
  readonly force: boolean;
  /** Whether the new version starts without the state of the old one. */
  readonly discardState: boolean;
}

/** The plan of a swap of one or several modules, of a forced reload, or of a rollback. */
export interface SwapPlan {
  readonly swapId: string;
  /** The content of the request, as canonical JSON. */
  readonly content: string;
  /** The names of the modules, sorted. */
  readonly modules: readonly string[];
  readonly cause: Cause;
  readonly terms: Terms;
  /** In the order of `modules`. */
  readonly changes: readonly ModulePlan[];
}

/** Returns the registration that the commit stores, if that version runs. */
export function registrationOf({ registration, version: { isRegistered } }: ModulePlan, running: string): Registration {
  return isRegistered ? { ...registration, version: running } : registration;
}
