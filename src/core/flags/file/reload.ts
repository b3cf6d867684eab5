import type { AllowRebucketing } from "../changes/options.ts";
import type { FlagDefinition } from "../record.ts";

/** What happens to flags that the file does not name: MERGE keeps them, REPLACE deletes them. */
export type ReloadMode = "MERGE" | "REPLACE";

export interface ReloadOptions extends AllowRebucketing {
  /** Default MERGE. */
  readonly mode?: ReloadMode | undefined;
  /** Only return what would change. It fails as the reload would fail now. Default false. */
  readonly dryRun?: boolean | undefined;
}

/** A flag before and after a reload. */
export interface FlagDifference {
  readonly name: string;
  /** Absent if the flag is new. */
  readonly before?: FlagDefinition;
  /** Absent if the flag is deleted. */
  readonly after?: FlagDefinition;
}

export interface ReloadResult {
  /** What changed or, in a dry run, would change; by name. */
  readonly differences: readonly FlagDifference[];
  /** Flags in the file that stay deleted, because a caller deleted them. `create` with `revive` brings them back. */
  readonly passedOver: readonly string[];
  /** Killed flags that the file does not kill. They stay killed until they are enabled with a reason. */
  readonly stillKilled: readonly string[];
  /** The store's revision afterwards. */
  readonly revision: number;
}

/** The changes of a reload, before they are written. */
export interface ReloadPlan {
  /** In the order of writing: each flag after its prerequisites, deletions last. */
  readonly differences: readonly FlagDifference[];
  readonly passedOver: readonly string[];
  readonly stillKilled: readonly string[];
}
