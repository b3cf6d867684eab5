import { type By, causeOf } from "../change.ts";
import { HeliosError } from "../errors.ts";
import { refuse } from "../violation.ts";
import { type ConditionCompiler, conditionProblem, refuseCondition } from "./condition.ts";
import {
  asFlag,
  type Flag,
  type FlagDefinition,
  flagNotFound,
  isTombstone,
  sameDefinition,
  type Tombstone,
} from "./definition.ts";
import { checkPrerequisites } from "./prerequisites.ts";
import type { FlagDifference } from "./reload.ts";
import { definitionViolation, nameViolation } from "./validate.ts";
import type { FlagView } from "./view.ts";

/** What to write, decided over the flag as it is. Pure: it is asked again when another writer was faster. */
type Decide<Present> = (flag: Present) => FlagDefinition;

/**
 * The ways to write a flag. A decision that changes nothing writes nothing. Whatever is decided, a killed flag is not
 * enabled (FLAG_KILLED), and its condition and prerequisites are checked where they change.
 */
export interface FlagWriter {
  /** FLAG_ALREADY_EXISTS; FLAG_DELETED without `revive` where the name was deleted. */
  create(name: string, definition: FlagDefinition, revive: boolean, by: By | undefined): Promise<Flag>;
  /** FLAG_NOT_FOUND. */
  change(name: string, action: string, by: By | undefined, decide: Decide<FlagDefinition>): Promise<Flag>;
  /** FLAG_NOT_FOUND without `allowMissing`; with it FLAG_DELETED where the name was deleted. */
  changeOrCreate(
    name: string,
    action: string,
    by: By | undefined,
    allowMissing: boolean | undefined,
    decide: Decide<FlagDefinition | undefined>,
  ): Promise<Flag>;
  /** Makes the flag what it was. FLAG_DELETED without `revive` where it was deleted since. */
  restore(name: string, definition: FlagDefinition, revive: boolean, by: By | undefined): Promise<Flag>;
  /** Leaves a tombstone. FLAG_NOT_FOUND, FLAG_HAS_DEPENDENTS. */
  remove(name: string, by: By | undefined): Promise<{ readonly flag: Flag; readonly revision: number }>;
  /** Makes a difference to the flags file come true, unless the flag has been deleted or killed since. */
  apply(difference: FlagDifference, by: By | undefined): Promise<void>;
  /**
   * Runs work that is about more than one flag, such as what needs what, while no other such work runs. `create`,
   * `restore` and `remove` are such work by themselves.
   */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

export function createFlagWriter(view: FlagView, compileCondition: ConditionCompiler | undefined): FlagWriter {
  const { collection, find, get } = view;
  let last: Promise<unknown> = Promise.resolve();

  const alone: FlagWriter["alone"] = (work) => {
    const mine = last.then(work);
    last = mine.catch(() => {});
    return mine;
  };

  const check = (name: string, action: string, before: FlagDefinition | undefined, after: FlagDefinition): void => {
    if (after.killed && after.enabled) throw HeliosError.of("FLAG_KILLED", { name, attempted: action });
    refuse((before === undefined ? nameViolation(name) : undefined) ?? definitionViolation(after));
    if (after.condition !== undefined && after.condition !== before?.condition) {
      refuseCondition(name, conditionProblem(after.condition, compileCondition));
    }
    const { prerequisites = [] } = after;
    if (prerequisites.length === 0) return;
    const names = (): readonly string[] => view.list().map((flag) => flag.name);
    const needs = (each: string): readonly string[] | undefined => {
      const found = find(each);
      return found && (found.record.prerequisites ?? []);
    };
    checkPrerequisites(name, prerequisites, before?.prerequisites ?? [], needs, names);
  };

  const write = async (
    name: string,
    action: string,
    by: By | undefined,
    decide: (flag: FlagDefinition | undefined, tombstone: Tombstone | undefined) => FlagDefinition,
  ): Promise<Flag> => {
    const written = await collection.change(
      name,
      causeOf(action, by),
      (current) => {
        const before = asFlag(current)?.record;
        const tombstone = current !== undefined && isTombstone(current.record) ? current.record : undefined;
        const after = decide(before, tombstone);
        check(name, action, before, after);
        return before !== undefined && sameDefinition(before, after) ? undefined : after;
      },
      by?.etag,
    );
    return asFlag(written) ?? get(name);
  };

  const change: FlagWriter["change"] = async (name, action, by, decide) => {
    // Asked before the etag is compared: what does not exist has none.
    get(name);
    return write(name, action, by, (flag) => {
      if (flag === undefined) throw flagNotFound(name);
      return decide(flag);
    });
  };

  return {
    alone,
    change,

    create: (name, definition, revive, by) =>
      alone(() =>
        write(name, "CreateFlag", { ...by, etag: undefined }, (flag, tombstone) => {
          if (flag !== undefined) throw HeliosError.of("FLAG_ALREADY_EXISTS", { name });
          if (tombstone !== undefined && !revive) throw HeliosError.of("FLAG_DELETED", { name });
          return tombstone?.killed ? { ...definition, killed: true } : definition;
        }),
      ),

    async changeOrCreate(name, action, by, allowMissing, decide) {
      if (!allowMissing) return change(name, action, by, decide);
      return write(name, action, by, (flag, tombstone) => {
        if (tombstone !== undefined) throw HeliosError.of("FLAG_DELETED", { name });
        return decide(flag);
      });
    },

    restore: (name, definition, revive, by) =>
      alone(() =>
        write(name, "RevertFlag", by, (flag, tombstone) => {
          if (tombstone !== undefined && !revive) throw HeliosError.of("FLAG_DELETED", { name });
          return (flag ?? tombstone)?.killed ? { ...definition, killed: true } : definition;
        }),
      ),

    remove: (name, by) =>
      alone(async () => {
        let flag = get(name);
        const tombstone = await collection.change(
          name,
          causeOf("DeleteFlag", by),
          (current) => {
            const before = asFlag(current);
            if (before === undefined) throw flagNotFound(name);
            flag = before;
            const dependents = view.dependentsOf(name);
            if (dependents.length === 0) return tombstoneOf(before.record);
            throw HeliosError.of("FLAG_HAS_DEPENDENTS", { name, dependents: dependents.join(", ") });
          },
          by?.etag,
        );
        return { flag, revision: tombstone?.revision ?? flag.revision };
      }),

    async apply({ name, after }, by) {
      await collection.change(name, causeOf("ReloadFlags", by), (current) => {
        const before = asFlag(current)?.record;
        if (before?.killed && !after?.killed) return undefined;
        if (after === undefined) return before && tombstoneOf(before);
        if (before === undefined ? current !== undefined : sameDefinition(before, after)) return undefined;
        return after;
      });
    },
  };
}

function tombstoneOf({ killed }: FlagDefinition): Tombstone {
  return { deleted: true, ...(killed ? { killed } : {}) };
}
