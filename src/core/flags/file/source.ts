import type { Clock } from "../../../kernel/clock.ts";
import { atOnce, type Steps } from "../../async/steps.ts";
import { type By, causeOf, REASON_LIMIT } from "../../change.ts";
import { invalid } from "../../errors/invalid.ts";
import { encodedSize } from "../../json/size.ts";
import { readSourceFile, type SourceFile } from "../../json/source-file.ts";
import type { Log } from "../../log.ts";
import { Collection, type Decision } from "../../store/collection.ts";
import type { Feed } from "../../store/feed.ts";
import { MAX_BATCH_BYTES, MAX_BATCH_WRITES } from "../../store/store.ts";
import { settled } from "../changes/schedule.ts";
import type { ConditionCompiler } from "../condition.ts";
import { stepsInSlices } from "../evaluation/slices.ts";
import { type FlagRecord, fileTombstoneOf } from "../record.ts";
import type { FlagView } from "../view.ts";
import type { FlagWriter } from "../write.ts";
import { DEFAULT_FLAGS } from "./defaults.ts";
import { digestingOf } from "./digest.ts";
import { type Follower, followFile } from "./follow.ts";
import { type FlagsFile, fileInvalid, parsingFlagsFile } from "./parse.ts";
import { planningReload } from "./plan.ts";
import type { FileFlag } from "./read-flag.ts";
import type { ReloadMode, ReloadOptions, ReloadPlan, ReloadResult } from "./reload.ts";

export interface FlagSourceDeps {
  /** Not started yet. */
  readonly feed: Feed;
  readonly clock: Clock;
  readonly log: Log;
  readonly view: FlagView;
  readonly writer: FlagWriter;
  readonly file: SourceFile;
  readonly compileCondition: ConditionCompiler | undefined;
  /** Lets other work run while a large file is read. */
  readonly pause: () => Promise<void>;
}

/** The flags that no caller created: those of the flags file, or the defaults. */
export interface FlagSource {
  /** Call it after the feed was started. It fills an empty store from the file, or with the defaults if there is no file. */
  fill(): Promise<void>;
  /** Rejects with FLAGS_FILE_INVALID, also if there is no file, and with FLAG_REBUCKETS. Then nothing is changed. */
  reload(options: ReloadOptions, by: By | undefined): Promise<ReloadResult>;
  /** Reloads the file in this mode whenever its text differs from the one that was read last. */
  follow(mode: ReloadMode): Follower;
}

export function createFlagSource(deps: FlagSourceDeps): FlagSource {
  const { feed, clock, log, view, writer, file: source, compileCondition, pause } = deps;
  const slicing = { clock, pause };
  // Has an entry while the first start fills the store, so that the next start completes it after a crash.
  const filling = new Collection<Record<string, never>>(feed, "flag-setup/");
  // The digest of the file that was read last, so that a restart notices whether the file has changed since.
  const lastRead = new Collection<{ readonly digest: string }>(feed, "flag-file/");

  const { name: fileName } = source;
  /** Undefined if there is no file. Rejects with FLAGS_FILE_INVALID. */
  const read = async (file: SourceFile): Promise<FlagsFile | undefined> => {
    const text = await readSourceFile(file, fileInvalid);
    if (text === undefined) return undefined;
    return stepsInSlices(parsingFlagsFile(text, file.name, compileCondition), slicing);
  };
  const digestOf = (text: string): Promise<string> => stepsInSlices(digestingOf(text), slicing);

  const remember = async ({ text }: FlagsFile): Promise<void> => {
    const digest = await digestOf(text);
    await lastRead.change(LAST, { action: "RememberFlagsFile" }, (last) =>
      last?.record.digest === digest ? undefined : { digest },
    );
  };

  const reload = async (
    from: SourceFile,
    { mode = "MERGE", dryRun = false, rebucket = false }: ReloadOptions,
    by: By | undefined,
  ): Promise<ReloadResult> => {
    if (mode !== "MERGE" && mode !== "REPLACE") {
      throw invalid("mode", `${mode} is neither MERGE nor REPLACE`);
    }
    const file = await read(from);
    if (file === undefined) throw fileInvalid(fileName, 0, "(file)", "does not exist", "a flags file");
    const { differences, passedOver, stillKilled } = await writer.alone(async (): Promise<ReloadPlan> => {
      const planning = (): Steps<ReloadPlan> =>
        planningReload(view.list(), view.tombstone, file, { mode, rebucket }, clock.now());
      const planned = view.collection.list();
      let plan = await stepsInSlices(planning(), slicing);
      const replan = (): void => {
        // Single flags may have changed meanwhile. A new plan is made in one piece: in slices, it might never end.
        if (view.collection.list() !== planned) plan = atOnce(planning());
      };
      if (dryRun) {
        replan();
        writer.checkTogether({ action: "ReloadFlags", plan: () => decisionsOf(plan) }, by);
        return plan;
      }
      const write = (): readonly Decision<FlagRecord>[] => {
        replan();
        return decisionsOf(plan);
      };
      await writer.together({ action: "ReloadFlags", plan: write }, by);
      await remember(file);
      return plan;
    });
    if (passedOver.length > 0) log("flags", "warn", "flags in the file stay deleted", { names: passedOver, fileName });
    if (stillKilled.length > 0) log("flags", "warn", "killed flags stay killed", { names: stillKilled, fileName });
    const byName = [...differences].sort((a, b) => (a.name < b.name ? -1 : 1));
    return { differences: byName, passedOver, stillKilled, revision: feed.revision };
  };

  return {
    async fill() {
      if (view.collection.size > 0 && filling.size === 0) return;
      const file = await read(source);
      const from = file === undefined ? "the built-in defaults" : fileName;
      const now = clock.now();
      const flags = file?.flags ?? DEFAULT_FLAGS;
      // The plan for an empty store is not used; it throws the mistakes in prerequisites.
      const options = { mode: "MERGE", rebucket: true } as const;
      const check = file && planningReload([], () => undefined, file, options, now);
      if (check !== undefined) await stepsInSlices(check, slicing);
      const by = { reason: `first start, from ${from}` };
      const cause = causeOf("InstallFlags", by);
      const parts = inBatches(flags);
      // A single batch is atomic.
      if (parts.length > 1) await filling.change("first-start", cause, () => ({}));
      for (const part of parts) {
        const plan = (): readonly Decision<FlagRecord>[] =>
          part.map(({ name, definition }) => ({
            name,
            record: view.collection.get(name) === undefined ? settled(definition, now) : undefined,
          }));
        await writer.together({ action: "InstallFlags", plan }, by);
      }
      if (file !== undefined) await remember(file);
      await filling.delete("first-start", cause);
      log("flags", "info", "flags installed", { count: flags.length, from });
    },

    reload: (options, by) => reload(source, options, by),

    follow: (mode) =>
      followFile({
        clock,
        log,
        file: source,
        digestOf,
        lastDigest: () => lastRead.get(LAST)?.record.digest,
        reload: async (text) => {
          const by = { reason: `${fileName.slice(-REASON_LIMIT / 2)} has changed` };
          const { differences } = await reload({ name: fileName, read: async () => text }, { mode }, by);
          log("flags", "info", "flags file reloaded", { fileName, mode, changed: differences.map(({ name }) => name) });
        },
      }),
  };
}

const LAST = "last-read";

function decisionsOf({ differences }: ReloadPlan): readonly Decision<FlagRecord>[] {
  return differences.map(({ name, before, after }) => ({ name, record: after ?? (before && fileTombstoneOf(before)) }));
}

/** The flags in parts that each fit into one batch of the store. */
function inBatches(flags: readonly FileFlag[]): readonly (readonly FileFlag[])[] {
  const parts: FileFlag[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const flag of flags) {
    // The record as JSON is not larger than this. The margin is for the name, which has at most 128 characters.
    const size = encodedSize(flag.definition) + 1024;
    if (bytes + size > MAX_BATCH_BYTES || (parts.at(-1)?.length ?? 0) >= MAX_BATCH_WRITES) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(flag);
    bytes += size;
  }
  return parts;
}
