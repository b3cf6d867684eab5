import type { Clock } from "../../kernel/clock.ts";
import { Serial } from "../async/serial.ts";
import { type By, causeOf } from "../change.ts";
import { HeliosError } from "../errors/error.ts";
import type { Decided, Decision } from "../store/collection.ts";
import {
  type Consent,
  createFlagDecider,
  type FlagChange,
  type FlagDecider,
  type PlannedFlags,
} from "./changes/decide.ts";
import type { AllowMissing, AllowRebucketing, AllowRevival, CreateOptions } from "./changes/options.ts";
import type { ConditionCompiler } from "./condition.ts";
import { asFlag, type Flag, type FlagDefinition, type FlagRecord, flagNotFound, tombstoneOf } from "./record.ts";
import type { FlagView } from "./view.ts";

/** Computes the new definition from the present one. Pure: it runs again if another writer was faster. */
type Decide<Present> = (present: Present) => FlagDefinition;

/** A change of a flag that exists. */
export interface FlagEdit<Present = FlagDefinition> extends Consent {
  /** The operation, for the cause of the change and for errors. */
  readonly action: string;
  readonly decide: Decide<Present>;
}

/** A change of a flag that is created if it is missing, and if the caller allows it. */
export interface FlagUpsert extends FlagEdit<FlagDefinition | undefined>, AllowMissing {}

/** The creation of a flag. */
export interface FlagCreation extends CreateOptions {
  readonly definition: FlagDefinition;
}

/** The return of a flag to a state that it had before. */
export interface FlagRestoration extends AllowRevival, AllowRebucketing {
  readonly decide: Decide<FlagDefinition | undefined>;
}

/** A change of several flags at one revision. */
export interface FlagBatch {
  readonly action: string;
  /** Computes what to write of each flag. Pure. It runs while no other write runs, and again if another writer was faster. */
  readonly plan: () => readonly Decision<FlagRecord>[];
}

/** One update of a batch. */
export interface PlannedUpdate extends FlagChange, AllowMissing {}

/**
 * Writes flags. A decision that changes nothing writes nothing. Every change of a flag passes the rules of `FlagDecider`,
 * whose errors are those of all methods here.
 */
export interface FlagWriter {
  /** Rejects with FLAG_ALREADY_EXISTS, and without `revive` with FLAG_DELETED if the flag was deleted. */
  create(name: string, creation: FlagCreation, by: By | undefined): Promise<Flag>;
  /** Rejects with FLAG_NOT_FOUND. */
  change(name: string, edit: FlagEdit, by: By | undefined): Promise<Flag>;
  /** If there is no such flag: rejects with FLAG_NOT_FOUND; with `allowMissing`, creates it, or rejects with FLAG_DELETED. */
  changeOrCreate(name: string, upsert: FlagUpsert, by: By | undefined): Promise<Flag>;
  /** Without `revive`, rejects with FLAG_DELETED if the flag was deleted since. */
  restore(name: string, restoration: FlagRestoration, by: By | undefined): Promise<Flag>;
  /** Leaves a tombstone. Rejects with FLAG_NOT_FOUND and FLAG_HAS_DEPENDENTS. */
  delete(name: string, by: By | undefined): Promise<{ readonly flag: Flag; readonly revision: number }>;
  /** Changes several flags, all or none. Rejects with what `plan` throws, BATCH_TOO_LARGE and ETAG_MISMATCH. */
  together(batch: FlagBatch, by: By | undefined): Promise<Decided<FlagRecord>>;
  /** Throws what `together` would reject with now, and writes nothing. */
  checkTogether(batch: FlagBatch, by: By | undefined): void;
  /** The record that an update writes, for a plan; undefined if nothing changes. `others`: all flags of the plan. */
  decideUpdate(update: PlannedUpdate, others: PlannedFlags): FlagDefinition | undefined;
  readonly checkClosures: FlagDecider["checkClosures"];
  /**
   * Runs work that concerns more than one flag, such as prerequisites, while no other such work runs. `create`, `restore`
   * and `delete` run so by themselves.
   */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

export function createFlagWriter(
  view: FlagView,
  clock: Clock,
  compileCondition: ConditionCompiler | undefined,
): FlagWriter {
  const { collection, find, get, list } = view;
  const decider = createFlagDecider({ clock, compileCondition, find, list, dependentsOf: view.dependentsOf });
  const turns = new Serial();
  const alone: FlagWriter["alone"] = (work) => turns.run(work);

  const write = async (change: FlagChange, by: By | undefined): Promise<Flag> => {
    const { name, action } = change;
    const decide = (current: Parameters<FlagDecider["decide"]>[0]) => decider.decide(current, change);
    const written = await collection.change(name, causeOf(action, by), decide, by?.etag);
    return asFlag(written) ?? get(name);
  };

  const change: FlagWriter["change"] = async (name, edit, by) => {
    // FLAG_NOT_FOUND comes before ETAG_MISMATCH: a flag that does not exist has no etag.
    get(name);
    const decide = (flag: FlagDefinition | undefined): FlagDefinition => {
      if (flag === undefined) throw flagNotFound(name);
      return edit.decide(flag);
    };
    return write({ ...edit, name, decide }, by);
  };

  return {
    alone,
    change,

    create: (name, { definition, revive = false, allowPast }, by) =>
      alone(() => {
        const decide: FlagChange["decide"] = (flag, tombstone) => {
          if (flag !== undefined) throw HeliosError.of("FLAG_ALREADY_EXISTS", { name });
          if (tombstone !== undefined && !revive) throw HeliosError.of("FLAG_DELETED", { name });
          return tombstone?.killed ? { ...definition, killed: true } : definition;
        };
        return write({ name, action: "CreateFlag", decide, allowPast }, { ...by, etag: undefined });
      }),

    async changeOrCreate(name, { allowMissing, ...edit }, by) {
      if (!allowMissing) return change(name, edit, by);
      const decide: FlagChange["decide"] = (flag, tombstone) => {
        if (tombstone !== undefined) throw HeliosError.of("FLAG_DELETED", { name });
        return edit.decide(flag);
      };
      return write({ ...edit, name, decide }, by);
    },

    restore: (name, { decide, revive = false, rebucket }, by) =>
      alone(() => {
        const decideAlive: FlagChange["decide"] = (flag, tombstone) => {
          if (tombstone !== undefined && !revive) throw HeliosError.of("FLAG_DELETED", { name });
          const definition = decide(flag);
          return (flag ?? tombstone)?.killed ? { ...definition, killed: true } : definition;
        };
        const terms = { rebucket, allowPast: true, wasStored: true };
        return write({ name, action: "RevertFlag", decide: decideAlive, ...terms }, by);
      }),

    delete: (name, by) =>
      alone(async () => {
        let flag = get(name);
        const tombstone = await collection.change(
          name,
          causeOf("DeleteFlag", by),
          (current) => {
            const before = asFlag(current);
            if (before === undefined) throw flagNotFound(name);
            flag = before;
            const dependents = [...view.dependentsOf(name)].sort();
            if (dependents.length === 0) return tombstoneOf(before.record);
            throw HeliosError.of("FLAG_HAS_DEPENDENTS", { name, dependents: dependents.join(", ") });
          },
          by?.etag,
        );
        return { flag, revision: tombstone?.revision ?? flag.revision };
      }),

    checkClosures: decider.checkClosures,

    together: ({ action, plan }, by) => collection.batch(causeOf(action, by), plan),

    checkTogether({ action, plan }, by) {
      causeOf(action, by);
      collection.checkBatch(plan());
    },

    decideUpdate({ allowMissing, ...update }, others) {
      if (!allowMissing) get(update.name);
      return decider.decide(collection.get(update.name), update, others);
    },
  };
}
