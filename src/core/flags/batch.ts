import type { By } from "../change.ts";
import { HeliosError } from "../errors/error.ts";
import { invalid } from "../errors/invalid.ts";
import { checkEtag, type Decision } from "../store/collection.ts";
import type { PlannedFlags } from "./changes/decide.ts";
import type { UpdateOptions } from "./changes/options.ts";
import { growsBy } from "./changes/prerequisites.ts";
import { withPauseOf } from "./changes/schedule.ts";
import {
  asFlag,
  type Flag,
  type FlagDefinition,
  type FlagFields,
  type FlagRecord,
  isTombstone,
  withFields,
} from "./record.ts";
import type { FlagView } from "./view.ts";
import type { FlagWriter } from "./write.ts";

/** The update of one flag in a batch. */
export interface FlagUpdate extends UpdateOptions {
  readonly name: string;
  /** As in `Flags.update`. */
  readonly fields: FlagFields;
  /** If given and not empty, the flag must have it; otherwise the whole batch is refused with ETAG_MISMATCH. */
  readonly etag?: string | undefined;
}

export interface BatchUpdated {
  /** In the order of the updates, with the flags that did not change. */
  readonly flags: readonly Flag[];
  /** The revision at which all flags changed; the store's revision if none changed. */
  readonly revision: number;
}

/** Flags that one `BatchUpdateFlags` changes; more are refused with `ARGUMENT_INVALID`. @limit flags */
export const BATCH_UPDATES_LIMIT = 1000;

const ACTION = "BatchUpdateFlags";

/**
 * Updates several flags at one revision, all or none. Prerequisites are checked against the flags as they are afterwards.
 * An error carries the `index` of its update in its metadata, or in the field of an ARGUMENT_INVALID:
 * `requests[2].flag.salt`.
 */
export async function updateTogether(
  view: FlagView,
  writer: FlagWriter,
  updates: readonly FlagUpdate[],
  by: By | undefined,
): Promise<BatchUpdated & { readonly changed: boolean }> {
  checkBatch(updates);
  const plan = (): readonly Decision<FlagRecord>[] => {
    const after = intended(view, updates);
    const decisions = updates.map((update, index) => ({
      name: update.name,
      record: placed(index, `requests[${index}].flag`, () => decideUpdate(view, writer, update, after)),
    }));
    const grows = updates.findIndex(({ name }) =>
      growsBy(view.find(name)?.record.prerequisites, after.get(name)?.prerequisites),
    );
    if (grows >= 0) placed(grows, "", () => writer.checkClosures((updates[grows] as FlagUpdate).name, after));
    return decisions;
  };
  const { revision, resources } = await writer.together({ action: ACTION, plan }, by);
  const flags = resources.map(asFlag).filter((flag) => flag !== undefined);
  const newest = flags.reduce((most, flag) => Math.max(most, flag.revision), 0);
  return { flags, revision: revision ?? newest, changed: revision !== undefined };
}

function checkBatch(updates: readonly FlagUpdate[]): void {
  if (updates.length === 0 || updates.length > BATCH_UPDATES_LIMIT) {
    const problem = `has ${updates.length || "no"} requests; expected 1 to ${BATCH_UPDATES_LIMIT}`;
    throw invalid("requests", problem);
  }
  const seen = new Map<string, number>();
  for (const [index, { name }] of updates.entries()) {
    const first = seen.get(name);
    if (first !== undefined) {
      const field = `requests[${index}].flag.name`;
      throw invalid(field, `${name} comes twice, first in requests[${first}]; expected each flag once`);
    }
    seen.set(name, index);
  }
}

/** The flags as they will be if all updates are valid. */
function intended(view: FlagView, updates: readonly FlagUpdate[]): PlannedFlags {
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

function decideUpdate(
  view: FlagView,
  writer: FlagWriter,
  { name, fields, etag, ...options }: FlagUpdate,
  others: PlannedFlags,
): FlagDefinition | undefined {
  const current = view.collection.get(name);
  const isDeleted = current !== undefined && isTombstone(current.record);
  if (isDeleted && options.allowMissing) throw HeliosError.of("FLAG_DELETED", { name });
  const decide = (flag: FlagDefinition | undefined): FlagDefinition =>
    withPauseOf(flag, withFields(name, flag, fields));
  const record = writer.decideUpdate({ name, action: ACTION, decide, ...options }, others);
  checkEtag(name, current, etag);
  return record;
}

/**
 * Runs `run` for one of several requests. Its errors name the request: `path` precedes the field of an ARGUMENT_INVALID,
 * other errors carry the `index`.
 */
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
