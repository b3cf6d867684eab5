import { HeliosError } from "../errors/error.ts";
import { MAX_KNOWN_REQUESTS } from "./answers.ts";

/**
 * Changes that are kept for watchers that resume. Beyond them the oldest are forgotten: a watcher with an older token
 * is refused with `REVISION_COMPACTED`, or starts with a snapshot. @limit changes, HELIOS_JOURNAL_MAX_CHANGES
 */
export const KEPT_CHANGES = 100_000;
/**
 * Age up to which changes are kept for watchers that resume; older ones are forgotten.
 * @limit ms, HELIOS_JOURNAL_MAX_AGE
 */
export const KEPT_MS = 30 * 86_400_000;
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
export const KEPT_HISTORY_BYTES = 256 * 1024 * 1024;
/** What a change takes beside its texts, in bytes. */
export const CHANGE_OVERHEAD = 64;
/** How many changes are compacted away at a time: few enough not to be felt, enough to touch each page but once. */
export const COMPACTION_STEP = 32;
/** How often old changes are deleted; they are deleted at most that much later. @limit ms */
export const SWEEP_MS = 60_000;

/** Keys whose changes are kept by their age, apart from the journal. */
export interface LongHistory {
  readonly prefix: string;
  /** Changes that are older are forgotten, but for the one that was in force when that time began. */
  readonly maxMs: number;
  /** Beyond them the oldest are forgotten early, but for the newest of each key. */
  readonly maxBytes: number;
}

/** What a store remembers of the past. Absent: the constants above, and no long histories. */
export interface RetentionOptions {
  /** Changes kept for `changes` and `watch`; older ones are compacted away. */
  readonly keptChanges?: number | undefined;
  /** For how long, in ms. */
  readonly keptMs?: number | undefined;
  /** How many bytes of them. */
  readonly keptBytes?: number | undefined;
  readonly histories?: readonly LongHistory[] | undefined;
  /** Of the keys that have no long history: bytes that outlive a compaction. */
  readonly historyBytes?: number | undefined;
  /** Bytes of answers that are kept; absent: by where they are kept. */
  readonly answerBytes?: number | undefined;
  /** Requests that are known, with or without their answer. */
  readonly knownRequests?: number | undefined;
  /** Calls with a key that are known; absent: by where they are kept. */
  readonly knownCalls?: number | undefined;
}

export interface Retention {
  readonly keptChanges: number;
  readonly keptMs: number;
  readonly keptBytes: number;
  readonly answerBytes: number | undefined;
  readonly knownRequests: number;
  readonly knownCalls: number | undefined;
  /** The last one is that of all other keys: its prefix is empty. */
  readonly histories: readonly LongHistory[];
}

/** ARGUMENT_INVALID where a number is not one above 0. */
export function checkRetention(options: RetentionOptions): Retention {
  const { keptChanges = KEPT_CHANGES, keptMs = KEPT_MS, keptBytes = KEPT_BYTES, histories = [] } = options;
  const { historyBytes = KEPT_HISTORY_BYTES, answerBytes, knownCalls, knownRequests = MAX_KNOWN_REQUESTS } = options;
  const ofAnswers = { answerBytes: answerBytes ?? 1, knownRequests, knownCalls: knownCalls ?? 1 };
  const limits = { keptChanges, keptMs, keptBytes, historyBytes, ...ofAnswers };
  for (const [field, value] of Object.entries(limits)) checkAbove(field, value);
  for (const { maxMs, maxBytes } of histories) {
    checkAbove("histories.maxMs", maxMs);
    checkAbove("histories.maxBytes", maxBytes);
  }
  const others = { prefix: "", maxMs: Number.POSITIVE_INFINITY, maxBytes: historyBytes };
  return { keptChanges, keptMs, keptBytes, answerBytes, knownRequests, knownCalls, histories: [...histories, others] };
}

/** Which history a key's changes belong to. */
export function historyOf(key: string, { histories }: Retention): LongHistory {
  const found = histories.find(({ prefix }) => key.startsWith(prefix));
  if (found === undefined) throw new Error("the last history is that of every key");
  return found;
}

/** Whether its changes are kept by age, and not by number. */
export function isLong({ prefix }: LongHistory): boolean {
  return prefix !== "";
}

/** About how many bytes a change takes. */
export function changeSize(key: string, cause: string, value: string | undefined): number {
  return key.length + cause.length + (value?.length ?? 0) + CHANGE_OVERHEAD;
}

function checkAbove(field: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw HeliosError.of("ARGUMENT_INVALID", { field, problem: `must be a whole number above 0, is ${value}` });
}
