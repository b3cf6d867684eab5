import type { By } from "../change.ts";
import { HeliosError } from "../errors/error.ts";
import { checkEtag } from "../store/collection.ts";
import { growsBy } from "./changes/prerequisites.ts";
import { withPauseOf } from "./changes/schedule.ts";
import { asFlag, type Flag, type FlagDefinition, type FlagFields, isTombstone, withFields } from "./record.ts";
import type { FlagView } from "./view.ts";
import type { Consent, FlagWriter } from "./write.ts";

/** One flag's part of a batch. */
export interface FlagUpdate extends Consent {
  readonly name: string;
  /** As in `Flags.update`. */
  readonly fields: FlagFields;
  /** Create the flag where it does not exist. Default false: FLAG_NOT_FOUND. */
  readonly allowMissing?: boolean | undefined;
  /** If given and not empty, the flag must have it: else ETAG_MISMATCH for the whole batch. */
  readonly etag?: string | undefined;
}

/** What became of a batch. */
export interface BatchUpdated {
  /** In the order of the updates, those that it left as they were too. */
  readonly flags: readonly Flag[];
  /** The store's revision at which all of them changed, or stands where none did. */
  readonly revision: number;
}

/** Flags that one `BatchUpdateFlags` changes; more are refused with `ARGUMENT_INVALID`. @limit flags */
export const BATCH_UPDATES_LIMIT = 1000;

/**
 * Updates several flags at one revision, all or none. What they need of each other is judged by how they are afterwards.
 * Errors have the update's `index` in their metadata; in ARGUMENT_INVALID it is in the field: `requests[2].flag.salt`.
 */
export async function updateTogether(
  view: FlagView,
  writer: FlagWriter,
  updates: readonly FlagUpdate[],
  by: By | undefined,
): Promise<BatchUpdated & { readonly changed: boolean }> {
  checkBatch(updates);
  const { revision, resources } = await writer.together("BatchUpdateFlags", by, () => {
    const after = intended(view, updates);
    const records = updates.map((update, index) => ({
      name: update.name,
      record: placed(index, `requests[${index}].flag`, () => decidedRecord(view, writer, update, after)),
    }));
    const grows = updates.findIndex(({ name }) =>
      growsBy(view.find(name)?.record.prerequisites, after.get(name)?.prerequisites),
    );
    if (grows >= 0) placed(grows, "", () => writer.checkClosures((updates[grows] as FlagUpdate).name, after));
    return records;
  });
  const flags = resources.map(asFlag).filter((flag) => flag !== undefined);
  const newest = flags.reduce((most, flag) => Math.max(most, flag.revision), 0);
  return { flags, revision: revision ?? newest, changed: revision !== undefined };
}

function checkBatch(updates: readonly FlagUpdate[]): void {
  if (updates.length === 0 || updates.length > BATCH_UPDATES_LIMIT) {
    const problem = `has ${updates.length || "no"} requests; expected 1 to ${BATCH_UPDATES_LIMIT}`;
    throw HeliosError.of("ARGUMENT_INVALID", { field: "requests", problem });
  }
  const seen = new Map<string, number>();
  for (const [index, { name }] of updates.entries()) {
    const first = seen.get(name);
    if (first !== undefined) {
      const field = `requests[${index}].flag.name`;
      throw HeliosError.of("ARGUMENT_INVALID", {
        field,
        problem: `${name} comes twice, first in requests[${first}]; expected each flag once`,
      });
    }
    seen.set(name, index);
  }
}

/** The flags as they are meant to be afterwards, whatever is wrong with them. */
function intended(view: FlagView, updates: readonly FlagUpdate[]): ReadonlyMap<string, FlagDefinition> {
  const after = new Map<string, FlagDefinition>();
  for (const { name, fields, allowMissing } of updates) {
    const current = view.collection.get(name);
    const flag = asFlag(current);
    if (flag !== undefined || (current === undefined && allowMissing)) {
      after.set(name, withFields(name, flag?.record, fields));
    }
  }
  return after;
}

function decidedRecord(
  view: FlagView,
  writer: FlagWriter,
  { name, fields, allowMissing = false, etag, ...consent }: FlagUpdate,
  others: ReadonlyMap<string, FlagDefinition>,
): FlagDefinition | undefined {
  const current = view.collection.get(name);
  const isDeleted = current !== undefined && isTombstone(current.record);
  if (isDeleted && allowMissing) throw HeliosError.of("FLAG_DELETED", { name });
  const decide = (flag: FlagDefinition | undefined): FlagDefinition =>
    withPauseOf(flag, withFields(name, flag, fields));
  const record = writer.updated({ name, action: "BatchUpdateFlags", decide, allowMissing, consent }, others);
  checkEtag(name, current, etag);
  return record;
}

/** Runs what is about one of several requests; its errors say which: in the field below `path`, or by `index`. */
export function placed<T>(index: number, path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof HeliosError)) throw error;
    const { reason, metadata } = error;
    if (reason === "ARGUMENT_INVALID") {
      const { field = "", problem = "" } = metadata;
      throw HeliosError.of(reason, { field: `${path}.${field}`, problem }, { cause: error });
    }
    // Every reason takes the metadata that it had.
    throw HeliosError.of(reason, { ...metadata, index } as never, { cause: error });
  }
}
