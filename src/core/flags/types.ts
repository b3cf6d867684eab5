import type { By } from "../change.ts";
import type { Delta } from "../store/collection.ts";
import type { Hub } from "../watch/hub.ts";
import type { BatchUpdated, FlagUpdate } from "./batch.ts";
import type {
  AllowMissing,
  CreateOptions,
  DisableOptions,
  EnableOptions,
  GradualOptions,
  RevertOptions,
  UpdateOptions,
  WhitelistOptions,
} from "./changes/options.ts";
import type { FlagEvaluator } from "./evaluation/evaluator.ts";
import type { FileEntry } from "./file/print.ts";
import type { ReloadOptions, ReloadResult } from "./file/reload.ts";
import type { Flag, FlagDefinition, FlagFields } from "./record.ts";
import type { FlagUsages } from "./usage/types.ts";
import type { FlagCount } from "./view.ts";

export interface HistoryOptions {
  /** At most this many changes. */
  readonly limit: number;
  /** Only changes below this revision. Default: all. */
  readonly beforeRevision?: number | undefined;
}

/**
 * The feature flags. Every mutation resolves to the flag at its new revision once the change is durable. A mutation that
 * would change nothing writes nothing and resolves to the flag as it is.
 *
 * All mutations can reject with ARGUMENT_INVALID, ETAG_MISMATCH (if `by.etag` is given) and STORE_UNAVAILABLE. Some mutations
 * have the option `allowMissing`. If the flag does not exist, they reject with FLAG_NOT_FOUND. If `allowMissing` is set, they
 * create it, or reject with FLAG_DELETED if it was deleted. Mutations that enable a flag reject with FLAG_KILLED if it was
 * killed. Mutations that set conditions or prerequisites reject with FLAG_CONDITION_INVALID, FLAG_PREREQUISITE_MISSING,
 * FLAG_PREREQUISITE_CYCLE and FLAG_PREREQUISITES_TOO_MANY.
 */
export interface Flags extends FlagEvaluator, FlagUsages {
  /** Publishes flags and their changes. A deleted flag is published as absent. */
  readonly hub: Hub<Delta<FlagDefinition>, Flag>;
  /**
   * Call it after the feed was started. It fills an empty store from the flags file, or with the defaults if there is no file.
   */
  start(): Promise<void>;
  /** Throws FLAG_NOT_FOUND. */
  get(name: string): Flag;
  /** All flags, by name. */
  list(): readonly Flag[];
  /** The number of flags, and of those that are enabled. Its cost does not grow with the number of flags. */
  count(): FlagCount;
  /**
   * Ignores `by.etag`. Rejects with FLAG_ALREADY_EXISTS, and with FLAG_DELETED if a flag of this name was deleted, unless
   * `revive` is set.
   */
  create(name: string, fields: FlagFields, options?: CreateOptions, by?: By): Promise<Flag>;
  /**
   * Sets the given fields. A paused schedule that is given again without its pause stays paused. Rejects with FLAG_REBUCKETS.
   */
  update(name: string, fields: FlagFields, options?: UpdateOptions, by?: By): Promise<Flag>;
  /** Updates several flags at one revision, all or none. Rejects with BATCH_TOO_LARGE and the errors of `update`. */
  updateTogether(updates: readonly FlagUpdate[], by?: By): Promise<BatchUpdated>;
  /**
   * Resolves to the flag before its deletion, and to the revision of the deletion. The name stays reserved. A killed flag
   * that is created again is still killed. Rejects with FLAG_NOT_FOUND and FLAG_HAS_DEPENDENTS.
   */
  delete(name: string, by?: By): Promise<{ readonly flag: Flag; readonly revision: number }>;
  /**
   * Switches the flag on, with its own strategy or a new one. The schedule of a flag that was off is paused; it
   * stays at its share unless `resume` is set. Rejects with FLAG_KILLED if the flag was killed and `by.reason` is empty.
   */
  enable(name: string, options?: EnableOptions, by?: By): Promise<Flag>;
  /** Switches the flag off and keeps its strategy. Rejects with FLAG_NOT_FOUND. */
  disable(name: string, options?: DisableOptions, by?: By): Promise<Flag>;
  /**
   * Restores the flag as it was at that revision. A schedule that was running then comes back paused, at the share of that
   * time. Rejects with FLAG_REBUCKETS, FLAG_ABSENT_AT_REVISION, FLAG_REVISION_UNAVAILABLE and FLAG_KILLED.
   */
  revert(name: string, toRevision: number, options?: RevertOptions, by?: By): Promise<Flag>;
  /** Switches the flag on for a fixed share of keys. */
  setPercentage(name: string, percentage: number, options?: AllowMissing, by?: By): Promise<Flag>;
  /** Switches the flag on for a share of keys that moves with time. */
  setGradual(name: string, options: GradualOptions, by?: By): Promise<Flag>;
  /** Pauses the schedule: its share stays where it is now. Rejects with FLAG_NOT_FOUND and FLAG_NOT_SCHEDULED. */
  pauseGradual(name: string, by?: By): Promise<Flag>;
  /** Resumes the schedule, with the rest of its time. Rejects with FLAG_NOT_FOUND and FLAG_NOT_SCHEDULED. */
  resumeGradual(name: string, by?: By): Promise<Flag>;
  /**
   * Adds entries to the whitelist, and may switch the strategy to WHITELIST: see `WhitelistOptions`. A flag that keeps
   * PERCENTAGE or GRADUAL gets `whitelistFirst`. `strategyChanged`: the strategy was another one before, or the flag is new.
   */
  addToWhitelist(
    name: string,
    entries: readonly string[],
    options?: WhitelistOptions,
    by?: By,
  ): Promise<{ readonly flag: Flag; readonly strategyChanged: boolean }>;
  /** Ignores entries that are not on the whitelist. Rejects with FLAG_NOT_FOUND. */
  removeFromWhitelist(name: string, entries: readonly string[], by?: By): Promise<Flag>;
  /**
   * Reads the flags file again. Rejects with FLAGS_FILE_INVALID, also if there is no file, and with FLAG_REBUCKETS. Then
   * nothing is changed.
   */
  reload(options?: ReloadOptions, by?: By): Promise<ReloadResult>;
  /** All flags, or only the given ones, in the shape of the flags file. */
  export(only?: readonly Flag[]): { readonly flags: Readonly<Record<string, FileEntry>>; readonly revision: number };
  /** Changes of the flag, newest first. Rejects with FLAG_NOT_FOUND if there never was a flag of this name. */
  history(name: string, options: HistoryOptions): Promise<readonly Delta<FlagDefinition>[]>;
  /** Stops following the file, and writes what was counted. */
  close(): Promise<void>;
}
