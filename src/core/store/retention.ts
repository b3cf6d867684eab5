import { invalid } from "../errors/invalid.ts";
import { MAX_KNOWN_REQUESTS } from "./answers.ts";

/**
 * Changes that are kept for watchers that resume. Beyond them the oldest are forgotten: a watcher with an older token
 * is refused with `REVISION_COMPACTED`, or starts with a snapshot. @limit changes, HELIOS_JOURNAL_MAX_CHANGES
 */
const KEPT_CHANGES = 100_000;
/**
 * Age up to which changes are kept for watchers that resume; older ones are forgotten.
 * @limit ms, HELIOS_JOURNAL_MAX_AGE
 */
const KEPT_MS = 30 * 86_400_000;
/**
 * Size of the changes that are kept for watchers that resume; beyond it the oldest are forgotten.
 * @limit bytes, HELIOS_JOURNAL_MAX_BYTES
 */
export const KEPT_BYTES = 256 * 1024 * 1024;
/**
 * Changes of one module, flag, breaker or suite that are kept as its history beyond the journal; older ones are
 * forgotten. @limit changes
 */
export const KEPT_CHANGES_PER_KEY = 100;
/**
 * Size of that history of one module, flag, breaker or suite, except for a single larger change; older changes are
 * forgotten. @limit bytes
 */
export const KEPT_BYTES_PER_KEY = 4 * 1024 * 1024;
/**
 * Size of all histories together. Beyond it the oldest changes are forgotten, except the newest of each module, flag,
 * breaker or suite. @limit bytes
 */
const KEPT_HISTORY_BYTES = 256 * 1024 * 1024;
/** Bytes that a change takes in addition to its texts. */
export const CHANGE_OVERHEAD = 64;
/**
 * Changes that are compacted at a time. Few enough that no call notices the pause, enough to touch each database page only
 * once.
 */
export const COMPACTION_STEP = 32;
/** How often old changes are deleted; they are deleted at most that much later. @limit ms */
export const SWEEP_MS = 60_000;

/** Keys whose changes are stored by age, independently of the journal. */
export interface LongHistory {
  readonly prefix: string;
  /** Older changes are forgotten, except the one that was in force when this period began. In ms. */
  readonly maxMs: number;
  /** Beyond this size the oldest changes are forgotten early, except the newest one of each key. */
  readonly maxBytes: number;
}

/**
 * How much of the past a store keeps. If a member is absent, the constants above apply; by default there are no long
 * histories.
 */
export interface RetentionOptions {
  /** Number of changes for `changes` and `watch`. Older ones are compacted. */
  readonly keptChanges?: number | undefined;
  /** Age of these changes, in ms. */
  readonly keptMs?: number | undefined;
  /** Size of these changes, in bytes. */
  readonly keptBytes?: number | undefined;
  readonly histories?: readonly LongHistory[] | undefined;
  /** Size of the changes that stay after a compaction, of keys without a long history, in bytes. */
  readonly historyBytes?: number | undefined;
  /** Size of all stored answers, in bytes. Absent: the default for the disk or for memory. */
  readonly answerBytes?: number | undefined;
  /** Number of requests whose ids are stored, with or without an answer. */
  readonly knownRequests?: number | undefined;
  /** Number of calls with an idempotency key that are stored. Absent: the default for the disk or for memory. */
  readonly knownCalls?: number | undefined;
  /** Size of all records by day, in bytes. Absent: the default for the disk or for memory. */
  readonly dailyBytes?: number | undefined;
}

export interface Retention {
  readonly keptChanges: number;
  readonly keptMs: number;
  readonly keptBytes: number;
  readonly answerBytes: number | undefined;
  readonly knownRequests: number;
  readonly knownCalls: number | undefined;
  readonly dailyBytes: number | undefined;
  /** The last history has an empty prefix, and holds all other keys. */
  readonly histories: readonly LongHistory[];
}

/** Returns the complete options. Throws ARGUMENT_INVALID if a number is not a whole number above 0. */
export function checkRetention(options: RetentionOptions): Retention {
  const { keptChanges = KEPT_CHANGES, keptMs = KEPT_MS, keptBytes = KEPT_BYTES, histories = [] } = options;
  const { historyBytes = KEPT_HISTORY_BYTES, knownRequests = MAX_KNOWN_REQUESTS } = options;
  const { answerBytes, knownCalls, dailyBytes } = options;
  const ofAnswers = { answerBytes: answerBytes ?? 1, knownRequests, knownCalls: knownCalls ?? 1 };
  const limits = { keptChanges, keptMs, keptBytes, historyBytes, ...ofAnswers, dailyBytes: dailyBytes ?? 1 };
  for (const [field, value] of Object.entries(limits)) checkAbove(field, value);
  for (const { maxMs, maxBytes } of histories) {
    checkAbove("histories.maxMs", maxMs);
    checkAbove("histories.maxBytes", maxBytes);
  }
  const others = { prefix: "", maxMs: Number.POSITIVE_INFINITY, maxBytes: historyBytes };
  const ofState = { keptChanges, keptMs, keptBytes, histories: [...histories, others] };
  return { ...ofState, answerBytes, knownRequests, knownCalls, dailyBytes };
}

/** Returns the history that a key's changes belong to. */
export function historyOf(key: string, { histories }: Retention): LongHistory {
  const found = histories.find(({ prefix }) => key.startsWith(prefix));
  if (found === undefined) throw new Error("no history matches every key");
  return found;
}

/** Whether changes of this history are stored by age rather than by number. */
export function isLong({ prefix }: LongHistory): boolean {
  return prefix !== "";
}

/** Returns the approximate size of a change, in bytes. */
export function changeSize(key: string, cause: string, value: string | undefined): number {
  return key.length + cause.length + (value?.length ?? 0) + CHANGE_OVERHEAD;
}

function checkAbove(field: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw invalid(field, `must be a whole number above 0, but is ${value}`);
}
