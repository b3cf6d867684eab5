import { type BreakerRecord, storedState } from "../breakers/record.ts";
import type { Feed } from "../store/feed.ts";
import { type Cause, type Change, RevisionCompacted } from "../store/store.ts";
import type { EventDomain } from "./events.ts";

/** Time before a breaker opened within which a change is listed as a possible cause. @limit ms */
export const RECENT_MS = 60_000;
/**
 * Revisions before a breaker opened that are searched for such changes; earlier ones are not listed. @limit revisions
 */
const LOOKBACK = 1000;
/** Changes that are listed as possible causes; earlier ones are omitted. @limit changes */
export const MOST_RECENT = 10;
/** Answers that are cached. What came before a revision never changes. */
const REMEMBERED = 1000;
/** Changes of a breaker that are read to find what first opened it. @limit changes */
const BREAKER_HISTORY = 100;

const SOURCES: readonly { readonly prefix: string; readonly domain: EventDomain }[] = [
  { prefix: "flag/", domain: "FLAGS" },
  { prefix: "module/", domain: "MODULES" },
];

/** A change of a flag or a module shortly before a breaker opened. It is not necessarily the cause. */
export interface RecentChange {
  readonly domain: EventDomain;
  readonly name: string;
  readonly revision: number;
  /** Wall time in ms. */
  readonly time: number;
  readonly cause: Cause;
}

/** Why a breaker is not closed. */
export interface OpenedBy {
  /** The change that opened it first since it was last closed. */
  readonly cause: Cause;
  /** Wall time in ms. */
  readonly time: number;
  /** Newest first. Empty if a person opened the breaker. */
  readonly recent: readonly RecentChange[];
}

/** Explanations of the current state, from the journal. */
export interface Hints {
  /**
   * Returns the flags and modules that were changed shortly before that revision, newest first. `time` is when the revision
   * was made.
   */
  before(revision: number, time: number): Promise<readonly RecentChange[]>;
  /** Undefined if the breaker is closed, or the change is not known. */
  openedBy(breaker: string): Promise<OpenedBy | undefined>;
}

/** Whether a breaker made this change by itself, without a request. */
export function isAutomatic({ action }: Cause): boolean {
  return AUTOMATIC.has(action);
}

const AUTOMATIC: ReadonlySet<string> = new Set(["Trip", "WouldTrip", "Reopen", "LeaseExpired", "ClientLost"]);

export function createHints({ store }: Pick<Feed, "store">): Hints {
  const known = new Map<number, Promise<readonly RecentChange[]>>();

  const read = async (revision: number, time: number): Promise<readonly RecentChange[]> => {
    const found = await Promise.all(
      SOURCES.map(async ({ prefix, domain }) =>
        (await changesUntil(prefix, revision)).map((change) => ({ ...change, prefix, domain })),
      ),
    );
    return found
      .flat()
      .filter((change) => change.time >= time - RECENT_MS)
      .sort((a, b) => b.revision - a.revision)
      .slice(0, MOST_RECENT)
      .map(({ domain, prefix, key, revision: made, time: at, cause }) => {
        return { domain, name: key.slice(prefix.length), revision: made, time: at, cause };
      });
  };

  const changesUntil = async (prefix: string, end: number): Promise<readonly Change[]> => {
    const changes: Change[] = [];
    let after = Math.max(0, end - 1 - LOOKBACK);
    while (after < end - 1) {
      try {
        const page = await store.changes(prefix, after, LOOKBACK);
        if (page.through <= after) return changes;
        changes.push(...page.changes.filter(({ revision }) => revision < end));
        after = page.through;
      } catch (error) {
        if (!(error instanceof RevisionCompacted) || error.oldest <= after || error.oldest >= end) return changes;
        after = error.oldest;
      }
    }
    return changes;
  };

  const before = (revision: number, time: number): Promise<readonly RecentChange[]> => {
    const remembered = known.get(revision);
    if (remembered !== undefined) return remembered;
    const reading = read(revision, time);
    known.set(revision, reading);
    // A failed read may succeed when it is tried again.
    reading.catch(() => known.delete(revision));
    const [oldest] = known.keys();
    if (known.size > REMEMBERED && oldest !== undefined) known.delete(oldest);
    return reading;
  };

  return {
    before,
    async openedBy(breaker) {
      const history = await store.history(`breaker/${breaker}`, BREAKER_HISTORY);
      let first: Change | undefined;
      for (const change of history) {
        const record = change.value === undefined ? undefined : (JSON.parse(change.value) as BreakerRecord);
        if (record === undefined || storedState(record) === "CLOSED") break;
        first = change;
      }
      if (first === undefined) return undefined;
      const { cause, revision, time } = first;
      return { cause, time, recent: isAutomatic(cause) ? await before(revision, time) : [] };
    },
  };
}
