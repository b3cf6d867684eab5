import { HeliosError } from "../../errors/error.ts";
import { invalid } from "../../errors/invalid.ts";
import type { Delta } from "../../store/collection.ts";
import type { Feed } from "../../store/feed.ts";
import type { LongHistory } from "../../store/retention.ts";
import { RevisionCompacted } from "../../store/store.ts";
import { printTime } from "../../text/rfc3339.ts";
import { asFlag, type Flag, type FlagRecord, isTombstone } from "../record.ts";
import type { FlagView } from "../view.ts";

/** Flags at earlier revisions and times. */
export interface FlagPast {
  /**
   * The flag at that revision, or that it was deleted or not created yet. FLAG_REVISION_UNAVAILABLE if that state is no
   * longer kept.
   */
  at(name: string, revision: number): Promise<Flag | "deleted" | "not yet">;
  /**
   * The flag at that wall time in ms, with the revision of its last change by then; 0 if it was not created yet. It searches
   * by bisection, so the result is one of several possible ones if the clock was set back. FLAG_REVISION_UNAVAILABLE if that
   * state is no longer kept.
   */
  atTime(
    name: string,
    time: number,
  ): Promise<{ readonly flag: Flag | "deleted" | "not yet"; readonly revision: number }>;
  /** The wall time of that revision in ms; undefined if it is no longer kept. */
  timeOf(revision: number): Promise<number | undefined>;
  /** Throws ARGUMENT_INVALID unless it is a revision, and FLAG_REVISION_UNAVAILABLE if it is in the future. */
  check(field: string, revision: number): void;
}

/**
 * Age up to which changes of flags are kept. Older ones are forgotten, except the newest of each flag. A request for a
 * flag as it was before is refused with `FLAG_REVISION_UNAVAILABLE`. @limit ms, HELIOS_FLAG_HISTORY_MAX_AGE
 */
const FLAG_HISTORY_MS = 400 * 86_400_000;
/**
 * Size of the kept changes of all flags. Beyond it, the oldest are forgotten early, except the newest of each flag.
 * @limit bytes
 */
const FLAG_HISTORY_BYTES = 512 * 1024 * 1024;
const PREFIX = "flag/";

/** How long the store keeps the changes of flags. */
export function flagHistory(maxMs = FLAG_HISTORY_MS): LongHistory {
  return { prefix: PREFIX, maxMs, maxBytes: FLAG_HISTORY_BYTES };
}

export function createFlagPast(feed: Feed, { collection }: FlagView): FlagPast {
  /** Whether all changes of the flag are kept, from its creation on. */
  const isWhole = async (name: string): Promise<boolean> => {
    const oldest = await collection.oldest(name);
    return oldest?.before === undefined && oldest?.beforeUnknown !== true;
  };

  return {
    async at(name, revision) {
      const present = collection.get(name);
      if (present === undefined) return "not yet";
      const found =
        present.revision <= revision ? present : (await collection.history(name, 1, revision + 1))[0]?.resource;
      if (found !== undefined) return isTombstone(found.record) ? "deleted" : (asFlag(found) ?? "deleted");
      if (await isWhole(name)) return "not yet";
      const problem = `the state of flag ${name} at that revision is no longer stored`;
      throw HeliosError.of("FLAG_REVISION_UNAVAILABLE", { revision, problem, name });
    },

    async atTime(name, time) {
      const present = collection.get(name);
      if (present === undefined) return { flag: "not yet", revision: 0 };
      if (present.updateTime <= time) return { flag: asFlag(present) ?? "deleted", revision: present.revision };
      let [low, high] = [1, present.revision - 1];
      let found: Delta<FlagRecord> | undefined;
      let younger = (await collection.history(name, 1))[0];
      while (low <= high) {
        const middle = Math.ceil((low + high) / 2);
        const [change] = await collection.history(name, 1, middle + 1);
        if (change !== undefined && change.time > time) {
          younger = change;
          high = change.revision - 1;
        } else {
          found = change ?? found;
          low = middle + 1;
        }
      }
      if (found !== undefined) return { flag: asFlag(found.resource) ?? "deleted", revision: found.revision };
      if (younger?.before === undefined) return { flag: "not yet", revision: 0 };
      const problem = `the state of flag ${name} at ${printTime(time)} is no longer stored`;
      throw HeliosError.of("FLAG_REVISION_UNAVAILABLE", { revision: younger.revision - 1, problem, name });
    },

    async timeOf(revision) {
      try {
        const { changes } = await feed.store.changes("", revision - 1, 1);
        return changes[0]?.time;
      } catch (error) {
        if (error instanceof RevisionCompacted) return undefined;
        throw error;
      }
    },

    check(field, revision) {
      if (!Number.isSafeInteger(revision) || revision < 1) {
        throw invalid(field, `must be a revision above 0, but is ${revision}`);
      }
      const head = feed.revision;
      if (revision <= head) return;
      const problem = `it is in the future; the newest revision is ${head}`;
      throw HeliosError.of("FLAG_REVISION_UNAVAILABLE", { revision, problem, head_revision: head });
    },
  };
}
