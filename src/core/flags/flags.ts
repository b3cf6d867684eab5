import type { Clock } from "../../kernel/clock.ts";
import { type Evaluation, type EvaluationContext, missingFlag } from "../../kernel/flags/evaluate.ts";
import type { By } from "../change.ts";
import { HeliosError } from "../errors/error.ts";
import { refuse } from "../errors/violation.ts";
import type { Log } from "../log.ts";
import type { Delta } from "../store/collection.ts";
import type { Feed } from "../store/feed.ts";
import type { Hub } from "../watch/hub.ts";
import { type BatchUpdated, type FlagUpdate, updateTogether } from "./batch.ts";
import {
  type EnableOptions,
  enabled,
  type GradualOptions,
  paused,
  resumed,
  type WhitelistOptions,
  withEntries,
  withGradual,
  withoutEntries,
  withPercentage,
} from "./changes/operations.ts";
import { comeBack, withPauseOf } from "./changes/schedule.ts";
import type { ConditionCompiler } from "./condition.ts";
import { type Explanation, explain } from "./evaluation/explain.ts";
import { createFlagPast } from "./evaluation/past.ts";
import { type AsOf, pastScene, type Scene, sceneAt } from "./evaluation/scene.ts";
import { inSlices, pauseForOthers } from "./evaluation/slices.ts";
import type { Follower } from "./file/follow.ts";
import { type FileEntry, flagsFileShape } from "./file/print.ts";
import type { ReloadOptions, ReloadResult } from "./file/reload.ts";
import { createFlagSource } from "./file/source.ts";
import {
  type Flag,
  type FlagDefinition,
  type FlagFields,
  flagDelta,
  flagNotFound,
  killedOff,
  withFields,
} from "./record.ts";
import { checkContext } from "./rules/context.ts";
import { additionViolation, removalViolation } from "./rules/whitelist.ts";
import { percentageViolation, timeViolation } from "./validate.ts";
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
  /** Reloads a changed file by itself, in that mode, while the flags are open. Absent: only when asked. */
  readonly followFile?: "MERGE" | "REPLACE" | undefined;
  /** Compiles the conditions of flags. Absent: flags with a condition are refused, and those that are stored are off. */
  readonly compileCondition?: ConditionCompiler | undefined;
  /** Lets others have their turn while many flags are evaluated. Absent: those that wait for the event loop. */
  readonly pause?: (() => Promise<void>) | undefined;
}

export interface AllowMissing {
  /** Create the flag where it does not exist. Default false: FLAG_NOT_FOUND. */
  readonly allowMissing?: boolean | undefined;
}

export interface CreateOptions {
  /** Create the flag even if one of that name was deleted. Default false: FLAG_DELETED. */
  readonly revive?: boolean | undefined;
  /** Take a schedule that has arrived already. Default false: ARGUMENT_INVALID. */
  readonly allowPast?: boolean | undefined;
}

export interface UpdateOptions extends AllowMissing {
  /**
   * Let keys of an enabled flag get another answer by another salt, bucket_by or other variants. Default false:
   * FLAG_REBUCKETS.
   */
  readonly rebucket?: boolean | undefined;
  /** Take a schedule that has arrived already. Default false: ARGUMENT_INVALID. */
  readonly allowPast?: boolean | undefined;
}

export interface DisableOptions {
  /** Nothing but `enable` with a reason brings the flag back then. Default false. */
  readonly kill?: boolean | undefined;
}

export interface RevertOptions {
  /** As in `UpdateOptions`. */
  readonly rebucket?: boolean | undefined;
  /** Bring a flag back that was deleted since. Default false: FLAG_DELETED. */
  readonly revive?: boolean | undefined;
}

/** Answers for one context, at one time and revision. */
export interface Evaluations {
  readonly evaluations: readonly Evaluation[];
  readonly revision: number;
}

/**
 * The feature flags. Every mutation resolves to the flag at its new revision once it is durable; one that would change
 * nothing writes nothing and resolves to the flag as it is. All of them can reject with ARGUMENT_INVALID, ETAG_MISMATCH
 * (where `by.etag` is given) and STORE_UNAVAILABLE; those that take `allowMissing` with FLAG_NOT_FOUND without it, and
 * with FLAG_DELETED with it where the name was deleted; those that enable a flag with FLAG_KILLED where it was killed;
 * those that set conditions or prerequisites with FLAG_CONDITION_INVALID, FLAG_PREREQUISITE_MISSING,
 * FLAG_PREREQUISITE_CYCLE and FLAG_PREREQUISITES_TOO_MANY.
 *
 * `asOf` evaluates over the flags as they were at that revision of the store (a number, or `revision`), and at the time
 * at which it was made, or at `time`; with `time` alone over the flags as they were then, or are now where it is yet to
 * come. FLAG_REVISION_UNAVAILABLE where that is not known any more, or a revision is yet to come.
 */
export interface Flags {
  /** Tells of flags and their changes; a deleted flag is gone. */
  readonly hub: Hub<Delta<FlagDefinition>, Flag>;
  /** After the feed was started: fills an empty store from the file, or with the defaults where there is no file. */
  start(): Promise<void>;
  /** FLAG_ALREADY_EXISTS; FLAG_DELETED for a deleted name, unless `revive` is set. `by.etag` plays no part. */
  create(name: string, fields: FlagFields, options?: CreateOptions, by?: By): Promise<Flag>;
  /** FLAG_NOT_FOUND. */
  get(name: string): Flag;
  /** All flags, by name. */
  list(): readonly Flag[];
  /**
   * Sets the fields that are given. A paused schedule that is given again without its pause stays paused. FLAG_NOT_FOUND,
   * FLAG_REBUCKETS.
   */
  update(name: string, fields: FlagFields, options?: UpdateOptions, by?: By): Promise<Flag>;
  /**
   * Updates several flags at one revision, all or none: see `updateTogether`. BATCH_TOO_LARGE, and what `update` can be
   * refused with.
   */
  updateTogether(updates: readonly FlagUpdate[], by?: By): Promise<BatchUpdated>;
  /**
   * Resolves to the flag as it was and the revision of the deletion. The name is kept back; a killed flag stays killed
   * when it is taken again. FLAG_NOT_FOUND, FLAG_HAS_DEPENDENTS.
   */
  delete(name: string, by?: By): Promise<{ readonly flag: Flag; readonly revision: number }>;
  /**
   * Switches the flag on, with its own strategy or a new one. A killed one only where `by` says why: FLAG_KILLED. A
   * schedule that was paused, as it is while the flag is off, stays at the share that it had, unless `resume` is set.
   */
  enable(name: string, options?: EnableOptions, by?: By): Promise<Flag>;
  /** Switches the flag off and keeps its strategy. FLAG_NOT_FOUND. */
  disable(name: string, options?: DisableOptions, by?: By): Promise<Flag>;
  /**
   * Makes the flag what it was at that revision; a schedule that was under way then comes back paused, at the share that
   * was in force then. FLAG_REBUCKETS, FLAG_ABSENT_AT_REVISION, FLAG_REVISION_UNAVAILABLE, FLAG_KILLED.
   */
  revert(name: string, toRevision: number, options?: RevertOptions, by?: By): Promise<Flag>;
  /** Switches the flag on for a share of traffic. */
  setPercentage(name: string, percentage: number, options?: AllowMissing, by?: By): Promise<Flag>;
  /** Switches the flag on for a share that moves with time. */
  setGradual(name: string, options: GradualOptions, by?: By): Promise<Flag>;
  /** Holds the share of a schedule where it is now. FLAG_NOT_FOUND, FLAG_NOT_SCHEDULED. */
  pauseGradual(name: string, by?: By): Promise<Flag>;
  /** Lets it move on, with what was left of its time. FLAG_NOT_FOUND, FLAG_NOT_SCHEDULED. */
  resumeGradual(name: string, by?: By): Promise<Flag>;
  /**
   * Adds to the whitelist and switches to it, or not: see `WhitelistOptions`. A flag that stays with PERCENTAGE or GRADUAL
   * lets who is listed in before its share (`whitelistFirst`). `strategyChanged` says whether the strategy was another one
   * before, or the flag is new.
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
  /** FLAG_NOT_FOUND where there was no such flag then. */
  evaluateAsOf(name: string, context: EvaluationContext, asOf: number | AsOf): Promise<Evaluation>;
  /**
   * One answer for each name, or for all flags by name, at one time and revision; an unknown name is an answer too. All
   * at once: where there may be many flags with conditions, `evaluateManyInSlices` lets others have their turn.
   */
  evaluateMany(names: readonly string[] | "all", context?: EvaluationContext): Evaluations;
  /** The same, over the flags as they are when it begins. Rejects with the signal's reason once that is aborted. */
  evaluateManyInSlices(
    names: readonly string[] | "all",
    context?: EvaluationContext,
    signal?: AbortSignal,
  ): Promise<Evaluations>;
  evaluateManyAsOf(
    names: readonly string[] | "all",
    context: EvaluationContext,
    asOf: number | AsOf,
    signal?: AbortSignal,
  ): Promise<Evaluations>;
  /** Why the flag answers as it does, or did. FLAG_NOT_FOUND. */
  explain(name: string, context?: EvaluationContext, asOf?: number | AsOf): Promise<Explanation>;
  /** FLAG_NOT_FOUND. No I/O. */
  isEnabled(name: string, context?: EvaluationContext): boolean;
  /**
   * Reads the flags file again. FLAGS_FILE_INVALID, also where there is no file, and FLAG_REBUCKETS; nothing is changed
   * then.
   */
  reload(options?: ReloadOptions, by?: By): Promise<ReloadResult>;
  /** All flags, or those that are given, in the shape of the flags file. */
  export(only?: readonly Flag[]): { readonly flags: Readonly<Record<string, FileEntry>>; readonly revision: number };
  /** The newest changes, newest first, below `beforeRevision` if given. FLAG_NOT_FOUND where there never was one. */
  history(
    name: string,
    options: { readonly limit: number; readonly beforeRevision?: number | undefined },
  ): Promise<readonly Delta<FlagDefinition>[]>;
  /** Ends the following of the file. */
  close(): Promise<void>;
}

/** Characters that nobody sees give no reason. */
const hasVisible = (text: string): boolean => /[^\p{C}\p{Z}]/u.test(text);

export function createFlags(deps: FlagsDeps): Flags {
  const { feed, clock, log, compileCondition, pause = pauseForOthers } = deps;
  const view = createFlagView(feed, log, compileCondition);
  const writer = createFlagWriter(view, clock, compileCondition);
  const past = createFlagPast(feed, view);
  const source = createFlagSource({ ...deps, compileCondition, view, writer, pause });
  const { hub, get, list, find, compiled, own, condition } = view;
  let follower: Follower | undefined;

  const evaluate = (name: string, context: EvaluationContext = {}): Evaluation => {
    checkContext(context);
    const flag = compiled(name);
    if (flag === undefined) throw flagNotFound(name);
    return flag.evaluate(context, clock.now());
  };

  /** The names are those that will be asked for. */
  const sceneOf = (names: readonly string[], asOf: number | AsOf | undefined): Scene | Promise<Scene> => {
    const { revision, time } = typeof asOf === "number" ? { revision: asOf } : { ...asOf };
    const now = clock.now();
    if (time !== undefined) refuse(timeViolation(["at_time"], time));
    if (revision !== undefined) {
      past.check("as_of_revision", revision);
      return pastScene(past, names, revision, time, compileCondition);
    }
    if (time !== undefined && time < now) return sceneAt(past, names, time, compileCondition);
    return { revision: feed.revision, nowMs: time ?? now, find, compiled, own, condition };
  };

  const explained = async (name: string, context: EvaluationContext, asOf?: number | AsOf): Promise<Explanation> => {
    checkContext(context);
    const scene = await sceneOf([name], asOf);
    const [flag, ready] = [scene.find(name), scene.compiled(name)];
    if (flag !== undefined && ready !== undefined) return explain(scene, flag, ready, context);
    throw asOf === undefined
      ? flagNotFound(name)
      : HeliosError.of("FLAG_NOT_FOUND", { name, as_of_revision: scene.revision });
  };

  return {
    hub,
    get,
    list,
    evaluate,

    async start() {
      await source.fill();
      // Ahead of the first who asks; conditions that cannot be read are told now.
      void inSlices(list(), ({ name }) => compiled(name), { clock, pause });
      if (deps.followFile !== undefined) follower = source.follow(deps.followFile);
    },

    create: async (name, fields, { revive = false, ...consent } = {}, by) =>
      writer.create(name, withFields(name, undefined, fields), revive, by, consent),

    async update(name, fields, { allowMissing, ...consent } = {}, by) {
      const decide = (flag: FlagDefinition | undefined): FlagDefinition =>
        withPauseOf(flag, withFields(name, flag, fields));
      const write = (): Promise<Flag> => writer.changeOrCreate(name, "UpdateFlag", by, allowMissing, decide, consent);
      return fields.prerequisites === undefined ? write() : writer.alone(write);
    },

    async updateTogether(updates, by) {
      const { flags, revision, changed } = await writer.alone(() => updateTogether(view, writer, updates, by));
      return { flags, revision: changed ? revision : feed.revision };
    },

    delete: (name, by) => writer.delete(name, by),

    async revert(name, toRevision, { revive = false, rebucket } = {}, by) {
      past.check("to_revision", toRevision);
      const was = await past.at(name, toRevision);
      if (was === "not yet" && view.collection.get(name) === undefined) throw flagNotFound(name);
      if (typeof was !== "string") {
        const thenMs = was.revision === toRevision ? was.updateTime : await past.timeOf(toRevision);
        const { record, updateTime } = was;
        // Where the time of that revision is not kept, the share is that of the flag's own change before it.
        const decide = (flag: FlagDefinition | undefined): FlagDefinition =>
          comeBack(record, thenMs ?? updateTime, flag, clock.now());
        return writer.restore(name, decide, revive, by, { rebucket });
      }
      const problem = was === "deleted" ? "it was deleted" : "it was created later";
      throw HeliosError.of("FLAG_ABSENT_AT_REVISION", { name, revision: toRevision, problem });
    },

    enable: (name, options = {}, by) =>
      writer.changeOrCreate(
        name,
        "EnableFlag",
        by,
        options.allowMissing,
        (flag) => enabled(name, flag, options, hasVisible(by?.reason ?? ""), clock.now()),
        { allowPast: options.resume },
      ),

    disable: (name, { kill = false } = {}, by) =>
      writer.change(name, "DisableFlag", by, (flag) =>
        kill ? killedOff(flag) : withFields(name, flag, { enabled: false }),
      ),

    async setPercentage(name, percentage, options = {}, by) {
      refuse(percentageViolation(["percentage"], percentage));
      return writer.changeOrCreate(name, "SetPercentage", by, options.allowMissing, (flag) =>
        withPercentage(name, flag, percentage),
      );
    },

    async setGradual(name, options, by) {
      const now = clock.now();
      const decide = (flag: FlagDefinition | undefined): FlagDefinition => withGradual(name, flag, options, now);
      return writer.changeOrCreate(name, "SetGradual", by, options.allowMissing, decide, {
        allowPast: true,
      });
    },

    async pauseGradual(name, by) {
      const now = clock.now();
      return writer.change(name, "PauseGradual", by, (flag) => paused(name, flag, now));
    },

    async resumeGradual(name, by) {
      const now = clock.now();
      return writer.change(name, "ResumeGradual", by, (flag) => resumed(name, flag, now), { allowPast: true });
    },

    async addToWhitelist(name, entries, options = {}, by) {
      refuse(additionViolation(entries));
      let strategyChanged = false;
      const flag = await writer.changeOrCreate(name, "AddToWhitelist", by, options.allowMissing, (before) => {
        const after = withEntries(name, before, entries, options);
        strategyChanged = after.strategy !== before?.strategy;
        return after;
      });
      return { flag, strategyChanged };
    },

    async removeFromWhitelist(name, entries, by) {
      refuse(removalViolation(entries));
      return writer.change(name, "RemoveFromWhitelist", by, (flag) => withoutEntries(name, flag, entries));
    },

    evaluateAsOf: async (name, context, asOf) => (await explained(name, context, asOf)).evaluation,

    evaluateMany(names, context = {}) {
      checkContext(context);
      const now = clock.now();
      const asked = names === "all" ? list().map(({ name }) => name) : names;
      const evaluations = asked.map((name) => compiled(name)?.evaluate(context, now) ?? missingFlag(name));
      return { evaluations, revision: feed.revision };
    },

    async evaluateManyInSlices(names, context = {}, signal) {
      checkContext(context);
      const asked = names === "all" ? list().map(({ name }) => name) : names;
      const slicing = { clock, pause, signal };
      // What is not compiled yet is, before all are taken at one revision.
      await inSlices(asked, compiled, slicing);
      const [revision, now] = [feed.revision, clock.now()];
      const there = names === "all" ? list().map(({ name }) => name) : names;
      const taken = there.map((name) => compiled(name) ?? name);
      const evaluations = await inSlices(
        taken,
        (flag) => (typeof flag === "string" ? missingFlag(flag) : flag.evaluate(context, now)),
        slicing,
      );
      return { evaluations, revision };
    },

    async evaluateManyAsOf(names, context, asOf, signal) {
      checkContext(context);
      // Those that were deleted since are still known by their tombstones.
      const asked = names === "all" ? view.collection.list().map(({ name }) => name) : names;
      const scene = await sceneOf(asked, asOf);
      const there = names === "all" ? asked.filter((name) => scene.find(name) !== undefined) : asked;
      const evaluations = await inSlices(
        there,
        (name) => scene.compiled(name)?.evaluate(context, scene.nowMs) ?? missingFlag(name),
        { clock, pause, signal },
      );
      return { evaluations, revision: scene.revision };
    },

    explain: (name, context = {}, asOf) => explained(name, context, asOf),

    isEnabled: (name, context) => evaluate(name, context).enabled,

    reload: (options = {}, by) => source.reload(options, by),

    export(only = list()) {
      const flags = only.map(({ name, record, updateTime }) => ({ name, definition: record, updatedAt: updateTime }));
      return { flags: flagsFileShape(flags), revision: feed.revision };
    },

    async history(name, { limit, beforeRevision }) {
      if (view.collection.get(name) === undefined) throw flagNotFound(name);
      return (await view.collection.history(name, limit, beforeRevision)).map(flagDelta);
    },

    close: async () => follower?.close(),
  };
}
