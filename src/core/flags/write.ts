import { type By, causeOf } from "../change.ts";
import { HeliosError } from "../errors.ts";
import { refuse } from "../violation.ts";
import { asFlag, type Flag, type FlagDefinition, flagNotFound, sameDefinition } from "./definition.ts";
import type { FlagDifference } from "./reload.ts";
import { definitionViolation, nameViolation } from "./validate.ts";
import type { FlagView } from "./view.ts";

/** What to write, decided over the flag as it is. Pure: it is asked again when another writer was faster. */
type Decide<Present> = (flag: Present) => FlagDefinition;

/** The ways to write a flag. A decision that changes nothing writes nothing. */
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
  /** Leaves a tombstone. FLAG_NOT_FOUND. */
  remove(name: string, by: By | undefined): Promise<{ readonly flag: Flag; readonly revision: number }>;
  /** Makes a difference to the flags file come true, unless the flag has been deleted since. */
  apply(difference: FlagDifference, by: By | undefined): Promise<void>;
}

export function createFlagWriter({ collection, get }: FlagView): FlagWriter {
  const write = async (
    name: string,
    action: string,
    by: By | undefined,
    decide: (flag: FlagDefinition | undefined, deleted: boolean) => FlagDefinition,
  ): Promise<Flag> => {
    const written = await collection.change(
      name,
      causeOf(action, by),
      (current) => {
        const before = asFlag(current)?.record;
        const after = decide(before, before === undefined && current !== undefined);
        refuse((before === undefined ? nameViolation(name) : undefined) ?? definitionViolation(after));
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
    change,

    create: (name, definition, revive, by) =>
      write(name, "CreateFlag", { ...by, etag: undefined }, (flag, deleted) => {
        if (flag !== undefined) throw HeliosError.of("FLAG_ALREADY_EXISTS", { name });
        if (deleted && !revive) throw HeliosError.of("FLAG_DELETED", { name });
        return definition;
      }),

    async changeOrCreate(name, action, by, allowMissing, decide) {
      if (!allowMissing) return change(name, action, by, decide);
      return write(name, action, by, (flag, deleted) => {
        if (deleted) throw HeliosError.of("FLAG_DELETED", { name });
        return decide(flag);
      });
    },

    async remove(name, by) {
      let flag = get(name);
      const tombstone = await collection.change(
        name,
        causeOf("DeleteFlag", by),
        (current) => {
          const before = asFlag(current);
          if (before === undefined) throw flagNotFound(name);
          flag = before;
          return { deleted: true };
        },
        by?.etag,
      );
      return { flag, revision: tombstone?.revision ?? flag.revision };
    },

    async apply({ name, after }, by) {
      await collection.change(name, causeOf("ReloadFlags", by), (current) => {
        const before = asFlag(current)?.record;
        if (after === undefined) return before === undefined ? undefined : { deleted: true };
        if (before === undefined ? current !== undefined : sameDefinition(before, after)) return undefined;
        return after;
      });
    },
  };
}
