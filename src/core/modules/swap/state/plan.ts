import type { Cause } from "../../../store/store.ts";
import type { ResolvedModule } from "../../host/types/host.ts";
import type { VerifiedCode } from "../../operations/context.ts";
import type { Module, Registration } from "../../record/record.ts";
import type { Serving } from "./serving.ts";
import type { Terms } from "./swap-options.ts";

/** Where the code of a new version comes from. */
export type Source =
  /** From files, as they are when the swap verifies them. */
  | { readonly type: "FILES"; readonly files: VerifiedCode }
  /** From an earlier generation, whose code is kept. */
  | { readonly type: "KEPT"; readonly code: ResolvedModule };

/** How a new version is named. */
export interface PlannedVersion {
  /** Empty: as its class says. */
  readonly asked: string;
  /** Where neither the caller nor the class says anything. */
  readonly otherwise: string;
  /** Whether the name is registered with the commit; else the registration keeps its own. */
  readonly isRegistered: boolean;
}

/** What one module is to become by a swap, its options resolved against its record. */
export interface ModulePlan {
  readonly name: string;
  /** The module when the swap began, and what served it then. */
  readonly before: Module;
  readonly serving: Serving;
  readonly source: Source;
  /** Of the new version; `registrationOf` names that. */
  readonly registration: Registration;
  readonly configVersion: number;
  readonly version: PlannedVersion;
  /** Empty: no suite is run. */
  readonly suite: string;
  /** An earlier run that stands for the suite; empty: there is no such run. */
  readonly testRun: string;
  /** Whether it takes traffic, where what it replaces took none. */
  readonly activate: boolean;
  /** Whether the swap is done although nothing would change. */
  readonly force: boolean;
  /** Whether the new version starts without what the old one knows. */
  readonly discardState: boolean;
}

/** A swap as it is to go: the same data for a swap, a swap of several modules, a forced reload and a rollback. */
export interface SwapPlan {
  readonly swapId: string;
  /** Of the request. */
  readonly digest: string;
  /** Sorted. */
  readonly modules: readonly string[];
  readonly cause: Cause;
  readonly terms: Terms;
  /** In the order of `modules`. */
  readonly changes: readonly ModulePlan[];
}

/** The version of a candidate, given its class's own where it has one. */
export function versionOf({ version: { asked, otherwise } }: ModulePlan, ofClass?: string): string {
  return asked || (ofClass ?? otherwise);
}

/** The registration from the commit on, where that version runs. */
export function registrationOf({ registration, version: { isRegistered } }: ModulePlan, running: string): Registration {
  return isRegistered ? { ...registration, version: running } : registration;
}
