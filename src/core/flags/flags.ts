import type { Clock } from "../../kernel/clock.ts";
import type { Steps } from "../async/steps.ts";
import { HeliosError } from "../errors/error.ts";
import { refuse } from "../errors/violation.ts";
import type { SourceFile } from "../json/source-file.ts";
import type { Log } from "../log.ts";
import type { Feed } from "../store/feed.ts";
import { updateTogether } from "./batch.ts";
import {
  enabled,
  paused,
  resumed,
  withEntries,
  withGradual,
  withoutEntries,
  withPercentage,
} from "./changes/operations.ts";
import { comeBack, withPauseOf } from "./changes/schedule.ts";
import type { ConditionCompiler } from "./condition.ts";
import { createFlagEvaluator } from "./evaluation/evaluator.ts";
import { createFlagPast } from "./evaluation/past.ts";
import { pauseForOthers, stepsInSlices } from "./evaluation/slices.ts";
import type { Follower } from "./file/follow.ts";
import { flagsFileShape } from "./file/print.ts";
import type { ReloadMode } from "./file/reload.ts";
import { createFlagSource } from "./file/source.ts";
import { type Flag, type FlagDefinition, flagDelta, flagNotFound, killedOff, withFields } from "./record.ts";
import { additionViolation, removalViolation } from "./rules/whitelist.ts";
import type { Flags } from "./types.ts";
import { createFlagUsage } from "./usage/usage.ts";
import { percentageViolation } from "./validate.ts";
import { createFlagView, type FlagView } from "./view.ts";
import { createFlagWriter } from "./write.ts";

export interface FlagsDeps {
  /** Not started yet. */
  readonly feed: Feed;
  readonly clock: Clock;
  readonly log: Log;
  /** The flags file. */
  readonly file: SourceFile;
  /** Follows the file: reloads it in this mode whenever it changes, until `close`. Absent: only `reload` reads it. */
  readonly followFile?: ReloadMode | undefined;
  /** Compiles conditions. Absent: flags with a condition are refused, and stored flags with a condition are off. */
  readonly compileCondition?: ConditionCompiler | undefined;
  /** Lets other work run while many flags are evaluated. Default: whatever waits for the event loop. */
  readonly pause?: (() => Promise<void>) | undefined;
}

/** Whether a text has a character that people can see. A reason of invisible characters does not count as one. */
const hasVisible = (text: string): boolean => /[^\p{C}\p{Z}]/u.test(text);

/**
 * Sorts the flags, so that the first list need not wait for it. Then logs the stored flags that cannot be evaluated, so that
 * they are known from the start. The other flags are compiled when they are first evaluated: most of many flags are not
 * evaluated soon, and a compiled flag takes memory.
 */
function* preparing(view: FlagView): Steps<void> {
  yield* view.preparing();
  for (const { name } of view.collection.values()) {
    if (view.isBroken(name)) view.compiled(name);
    yield;
  }
}

export function createFlags(deps: FlagsDeps): Flags {
  const { feed, clock, log, compileCondition, pause = pauseForOthers } = deps;
  const view = createFlagView(feed, log, compileCondition);
  const writer = createFlagWriter(view, clock, compileCondition);
  const past = createFlagPast(feed, view);
  const recorder = createFlagUsage({ daily: feed.store.daily, clock, log, view, pause });
  const { tallies, usage, reportUsage } = recorder;
  const evaluator = createFlagEvaluator({ feed, clock, view, past, tallies, compileCondition, pause });
  const source = createFlagSource({ ...deps, compileCondition, view, writer, pause });
  const { hub, get, list, count } = view;
  let follower: Follower | undefined;

  return {
    ...evaluator,
    usage,
    reportUsage,
    hub,
    get,
    list,
    count,

    async start() {
      recorder.start();
      await source.fill();
      void stepsInSlices(preparing(view), { clock, pause });
      if (deps.followFile !== undefined) follower = source.follow(deps.followFile);
    },

    create: async (name, fields, options = {}, by) =>
      writer.create(name, { ...options, definition: withFields(name, undefined, fields) }, by),

    async update(name, fields, options = {}, by) {
      const decide = (flag: FlagDefinition | undefined): FlagDefinition =>
        withPauseOf(flag, withFields(name, flag, fields));
      const write = (): Promise<Flag> => writer.changeOrCreate(name, { ...options, action: "UpdateFlag", decide }, by);
      return fields.prerequisites === undefined ? write() : writer.alone(write);
    },

    async updateTogether(updates, by) {
      const { flags, revision, changed } = await writer.alone(() => updateTogether(view, writer, updates, by));
      return { flags, revision: changed ? revision : feed.revision };
    },

    delete: (name, by) => writer.delete(name, by),

    async revert(name, toRevision, options = {}, by) {
      past.check("to_revision", toRevision);
      const was = await past.at(name, toRevision);
      if (was === "not yet" && view.collection.get(name) === undefined) throw flagNotFound(name);
      if (typeof was === "string") {
        const problem = was === "deleted" ? "it was deleted" : "it was created later";
        throw HeliosError.of("FLAG_ABSENT_AT_REVISION", { name, revision: toRevision, problem });
      }
      const { record, updateTime } = was;
      const thenMs = was.revision === toRevision ? updateTime : await past.timeOf(toRevision);
      // If the time of that revision is no longer kept, the share is that of the flag's own last change before it.
      const decide = (flag: FlagDefinition | undefined): FlagDefinition =>
        comeBack(record, thenMs ?? updateTime, flag, clock.now());
      return writer.restore(name, { ...options, decide }, by);
    },

    enable(name, options = {}, by) {
      const liftsKill = hasVisible(by?.reason ?? "");
      const decide = (flag: FlagDefinition | undefined): FlagDefinition =>
        enabled(name, flag, options, liftsKill, clock.now());
      const { allowMissing, resume: allowPast } = options;
      return writer.changeOrCreate(name, { action: "EnableFlag", decide, allowMissing, allowPast }, by);
    },

    disable(name, { kill = false } = {}, by) {
      const decide = (flag: FlagDefinition): FlagDefinition =>
        kill ? killedOff(flag) : withFields(name, flag, { enabled: false });
      return writer.change(name, { action: "DisableFlag", decide }, by);
    },

    async setPercentage(name, percentage, { allowMissing } = {}, by) {
      refuse(percentageViolation(["percentage"], percentage));
      const decide = (flag: FlagDefinition | undefined): FlagDefinition => withPercentage(name, flag, percentage);
      return writer.changeOrCreate(name, { action: "SetPercentage", decide, allowMissing }, by);
    },

    async setGradual(name, options, by) {
      const now = clock.now();
      const decide = (flag: FlagDefinition | undefined): FlagDefinition => withGradual(name, flag, options, now);
      const { allowMissing } = options;
      return writer.changeOrCreate(name, { action: "SetGradual", decide, allowMissing, allowPast: true }, by);
    },

    async pauseGradual(name, by) {
      const now = clock.now();
      return writer.change(name, { action: "PauseGradual", decide: (flag) => paused(name, flag, now) }, by);
    },

    async resumeGradual(name, by) {
      const now = clock.now();
      const decide = (flag: FlagDefinition): FlagDefinition => resumed(name, flag, now);
      return writer.change(name, { action: "ResumeGradual", decide, allowPast: true }, by);
    },

    async addToWhitelist(name, entries, options = {}, by) {
      refuse(additionViolation(entries));
      let strategyChanged = false;
      const decide = (before: FlagDefinition | undefined): FlagDefinition => {
        const after = withEntries(name, before, entries, options);
        strategyChanged = after.strategy !== before?.strategy;
        return after;
      };
      const { allowMissing } = options;
      const flag = await writer.changeOrCreate(name, { action: "AddToWhitelist", decide, allowMissing }, by);
      return { flag, strategyChanged };
    },

    async removeFromWhitelist(name, entries, by) {
      refuse(removalViolation(entries));
      const decide = (flag: FlagDefinition): FlagDefinition => withoutEntries(name, flag, entries);
      return writer.change(name, { action: "RemoveFromWhitelist", decide }, by);
    },

    reload: (options = {}, by) => source.reload(options, by),

    export(only = list()) {
      const flags = only.map(({ name, record, updateTime }) => ({ name, definition: record, updatedAt: updateTime }));
      return { flags: flagsFileShape(flags), revision: feed.revision };
    },

    async history(name, { limit, beforeRevision }) {
      if (view.collection.get(name) === undefined) throw flagNotFound(name);
      return (await view.collection.history(name, limit, beforeRevision)).map(flagDelta);
    },

    async close() {
      await follower?.close();
      await recorder.close();
    },
  };
}
