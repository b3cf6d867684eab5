import type { By } from "../change.ts";
import type { Clock } from "../clock.ts";
import { HeliosError } from "../errors.ts";
import type { Log } from "../log.ts";
import { Collection, type Delta } from "../store/collection.ts";
import type { Feed } from "../store/feed.ts";
import { refuse } from "../violation.ts";
import type { Hub } from "../watch/hub.ts";
import { DEFAULT_FLAGS } from "./defaults.ts";
import { type Flag, type FlagDefinition, type FlagFields, flagDelta, flagNotFound, withFields } from "./definition.ts";
import { type Evaluation, type EvaluationContext, missingFlag } from "./evaluate.ts";
import { type FileEntry, fileInvalid, flagsFileShape } from "./file.ts";
import {
  type EnableOptions,
  enabled,
  type GradualOptions,
  type WhitelistOptions,
  withEntries,
  withGradual,
  withoutEntries,
  withPercentage,
} from "./operations.ts";
import { differences, type ReloadOptions, type ReloadResult, readFlagsFile } from "./reload.ts";
import { checkContext, entriesViolation, percentageViolation } from "./validate.ts";
import { createFlagView } from "./view.ts";
import { createFlagWriter } from "./write.ts";

export interface FlagsDeps {
  /** Not started yet. */
  readonly feed: Feed;
  readonly clock: Clock;
  readonly log: Log;
  /** The flags file's text; undefined where there is no file. */
  readonly readFile: () => Promise<string | undefined>;
  /** The flags file's name in messages. */
  readonly fileName: string;
}

export interface AllowMissing {
  /** Create the flag where it does not exist. Default false: FLAG_NOT_FOUND. */
  readonly allowMissing?: boolean | undefined;
}

/**
 * The feature flags. Every mutation resolves to the flag at its new revision once it is durable; one that would change
 * nothing writes nothing and resolves to the flag as it is. All of them can reject with ARGUMENT_INVALID, ETAG_MISMATCH
 * (where `by.etag` is given) and STORE_UNAVAILABLE; those that take `allowMissing` with FLAG_NOT_FOUND without it, and
 * with FLAG_DELETED with it where the name was deleted.
 */
export interface Flags {
  /** Tells of flags and their changes; a deleted flag is gone. */
  readonly hub: Hub<Delta<FlagDefinition>, Flag>;
  /** After the feed was started: fills an empty store from the file, or with the defaults where there is no file. */
  start(): Promise<void>;
  /** FLAG_ALREADY_EXISTS; FLAG_DELETED for a deleted name, unless `revive` is set. `by.etag` plays no part. */
  create(name: string, fields: FlagFields, options?: { readonly revive?: boolean | undefined }, by?: By): Promise<Flag>;
  /** FLAG_NOT_FOUND. */
  get(name: string): Flag;
  /** All flags, by name. */
  list(): readonly Flag[];
  /** Sets the fields that are given. FLAG_NOT_FOUND. */
  update(name: string, fields: FlagFields, by?: By): Promise<Flag>;
  /** Resolves to the flag as it was and the revision of the deletion. The name is kept back. FLAG_NOT_FOUND. */
  delete(name: string, by?: By): Promise<{ readonly flag: Flag; readonly revision: number }>;
  /** Switches the flag on, with its own strategy or a new one. */
  enable(name: string, options?: EnableOptions, by?: By): Promise<Flag>;
  /** Switches the flag off and keeps its strategy. FLAG_NOT_FOUND. */
  disable(name: string, by?: By): Promise<Flag>;
  /** Switches the flag on for a share of traffic. */
  setPercentage(name: string, percentage: number, options?: AllowMissing, by?: By): Promise<Flag>;
  /** Switches the flag on for a share that moves with time. */
  setGradual(name: string, options: GradualOptions, by?: By): Promise<Flag>;
  /**
   * Adds to the whitelist and switches to it, or not: see `WhitelistOptions`. `strategyChanged` says whether the
   * strategy was another one before, or the flag is new.
   */
  addToWhitelist(
    name: string,
    entries: readonly string[],
    options?: WhitelistOptions,
    by?: By,
  ): Promise<{ readonly flag: Flag; readonly strategyChanged: boolean }>;
  /** Entries that are not on the whitelist are passed over. FLAG_NOT_FOUND. */
  removeFromWhitelist(name: string, entries: readonly string[], by?: By): Promise<Flag>;
  /** FLAG_NOT_FOUND. No I/O. */
  evaluate(name: string, context?: EvaluationContext): Evaluation;
  /** One answer for each name, or for all flags by name, at one time and revision; an unknown name is an answer too. */
  evaluateMany(
    names: readonly string[] | "all",
    context?: EvaluationContext,
  ): { readonly evaluations: readonly Evaluation[]; readonly revision: number };
  /** FLAG_NOT_FOUND. No I/O. */
  isEnabled(name: string, context?: EvaluationContext): boolean;
  /** Reads the flags file again. FLAGS_FILE_INVALID, also where there is no file; nothing is changed then. */
  reload(options?: ReloadOptions, by?: By): Promise<ReloadResult>;
  /** All flags in the shape of the flags file. */
  export(): { readonly flags: Readonly<Record<string, FileEntry>>; readonly revision: number };
  /** The newest changes, newest first, below `beforeRevision` if given. FLAG_NOT_FOUND where there never was one. */
  history(
    name: string,
    options: { readonly limit: number; readonly beforeRevision?: number | undefined },
  ): Promise<readonly Delta<FlagDefinition>[]>;
}

export function createFlags({ feed, clock, log, readFile, fileName }: FlagsDeps): Flags {
  const view = createFlagView(feed, log);
  const writer = createFlagWriter(view);
  const { hub, get, list, compiled } = view;
  // There while a first start is filling the store, so that the next one completes what a crash cut short.
  const filling = new Collection<Record<string, never>>(feed, "flag-setup/");

  const evaluate = (name: string, context: EvaluationContext = {}): Evaluation => {
    checkContext(context);
    const flag = compiled(name);
    if (flag === undefined) throw flagNotFound(name);
    return flag.evaluate(context, clock.now());
  };

  return {
    hub,
    get,
    list,
    evaluate,

    async start() {
      if (view.collection.size > 0 && filling.size === 0) return;
      const file = await readFlagsFile(readFile, fileName);
      const from = file === undefined ? "the built-in defaults" : fileName;
      const flags = file ?? DEFAULT_FLAGS;
      const cause = { action: "InstallFlags", reason: `first start, from ${from}` };
      await filling.change("first-start", cause, () => ({}));
      for (const { name, definition } of flags) {
        await view.collection.change(name, cause, (current) => (current === undefined ? definition : undefined));
      }
      await filling.remove("first-start", cause);
      log("flags", "info", "flags installed", { count: flags.length, from });
    },

    create: async (name, fields, { revive = false } = {}, by) =>
      writer.create(name, withFields(name, undefined, fields), revive, by),

    update: (name, fields, by) => writer.change(name, "UpdateFlag", by, (flag) => withFields(name, flag, fields)),

    delete: (name, by) => writer.remove(name, by),

    enable: (name, options = {}, by) =>
      writer.changeOrCreate(name, "EnableFlag", by, options.allowMissing, (flag) => enabled(name, flag, options)),

    disable: (name, by) => writer.change(name, "DisableFlag", by, (flag) => withFields(name, flag, { enabled: false })),

    async setPercentage(name, percentage, options = {}, by) {
      refuse(percentageViolation(["percentage"], percentage));
      return writer.changeOrCreate(name, "SetPercentage", by, options.allowMissing, (flag) =>
        withPercentage(name, flag, percentage),
      );
    },

    async setGradual(name, options, by) {
      const now = clock.now();
      return writer.changeOrCreate(name, "SetGradual", by, options.allowMissing, (flag) =>
        withGradual(name, flag, options, now),
      );
    },

    async addToWhitelist(name, entries, options = {}, by) {
      refuse(entriesViolation(entries));
      let strategyChanged = false;
      const flag = await writer.changeOrCreate(name, "AddToWhitelist", by, options.allowMissing, (before) => {
        const after = withEntries(name, before, entries, options);
        strategyChanged = after.strategy !== before?.strategy;
        return after;
      });
      return { flag, strategyChanged };
    },

    async removeFromWhitelist(name, entries, by) {
      refuse(entriesViolation(entries));
      return writer.change(name, "RemoveFromWhitelist", by, (flag) => withoutEntries(name, flag, entries));
    },

    evaluateMany(names, context = {}) {
      checkContext(context);
      const now = clock.now();
      const asked = names === "all" ? list().map(({ name }) => name) : names;
      const evaluations = asked.map((name) => compiled(name)?.evaluate(context, now) ?? missingFlag(name));
      return { evaluations, revision: feed.revision };
    },

    isEnabled: (name, context) => evaluate(name, context).enabled,

    async reload({ mode = "MERGE", dryRun = false } = {}, by) {
      if (mode !== "MERGE" && mode !== "REPLACE") {
        throw HeliosError.of("ARGUMENT_INVALID", { field: "mode", problem: `${mode} is neither MERGE nor REPLACE` });
      }
      const file = await readFlagsFile(readFile, fileName);
      if (file === undefined) throw fileInvalid(fileName, 0, "(file)", "does not exist", "a flags file");
      const passedOver = file.map(({ name }) => name).filter(view.isDeleted);
      const planned = differences(
        list(),
        file.filter(({ name }) => !passedOver.includes(name)),
        mode,
      );
      if (!dryRun) for (const difference of planned) await writer.apply(difference, by);
      if (passedOver.length > 0) {
        log("flags", "warn", "flags in the file stay deleted", { names: passedOver, fileName });
      }
      return { differences: planned, passedOver, revision: feed.revision };
    },

    export() {
      const flags = list().map(({ name, record, updateTime }) => ({ name, definition: record, updatedAt: updateTime }));
      return { flags: flagsFileShape(flags), revision: feed.revision };
    },

    async history(name, { limit, beforeRevision }) {
      if (view.collection.get(name) === undefined) throw flagNotFound(name);
      return (await view.collection.history(name, limit, beforeRevision)).map(flagDelta);
    },
  };
}
