import { HeliosError } from "../errors/error.ts";
import { invalid } from "../errors/invalid.ts";
import { type BatchWrite, type Change, MAX_BATCH_BYTES, MAX_BATCH_WRITES, RevisionCompacted } from "./store.ts";

export function checkKey(key: string): void {
  if (key === "" || !key.isWellFormed()) throw invalid("key", "must be well-formed text and not empty");
}

export function checkValue(value: string): void {
  if (!value.isWellFormed()) throw invalid("value", "must be well-formed text");
}

export function checkLimit(limit: number): void {
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw invalid("limit", `must be a whole number above 0, but is ${limit}`);
}

export function checkRevision(revision: number): void {
  if (!Number.isSafeInteger(revision)) throw invalid("revision", `must be a whole number, but is ${revision}`);
}

/**
 * Throws if the changes after `revision` cannot be listed, because some were compacted or the revision is in the future.
 */
export function checkKept(revision: number, compacted: number, head: number): void {
  checkRevision(revision);
  if (revision < compacted || revision > head) throw new RevisionCompacted(revision, compacted);
}

export function storeClosed(): HeliosError {
  return HeliosError.of("STORE_UNAVAILABLE", { problem: "the store is closed" });
}

/** Refuses a batch that is too large, or that writes a key twice. */
export function checkBatch(writes: readonly BatchWrite[]): void {
  if (writes.length > MAX_BATCH_WRITES) {
    throw HeliosError.of("BATCH_TOO_LARGE", {
      size: `${writes.length} writes`,
      limit: `${MAX_BATCH_WRITES} writes`,
    });
  }
  const keys = new Set<string>();
  let bytes = 0;
  for (const { key, value = "" } of writes) {
    checkKey(key);
    checkValue(value);
    if (keys.has(key)) throw invalid("key", `${key} is written twice in one batch`);
    keys.add(key);
    bytes += byteLength(key) + byteLength(value);
  }
  if (bytes > MAX_BATCH_BYTES) {
    throw HeliosError.of("BATCH_TOO_LARGE", { size: `${bytes} bytes`, limit: `${MAX_BATCH_BYTES} bytes` });
  }
}

const encoder = new TextEncoder();

/** Length of a string in UTF-8. */
export function byteLength(text: string): number {
  return encoder.encode(text).length;
}

/** Groups changes, which are in ascending order of revision, by revision. */
export function byRevision(changes: readonly Change[]): readonly (readonly Change[])[] {
  const groups: Change[][] = [];
  for (const change of changes) {
    const group = groups.at(-1);
    if (group?.[0]?.revision === change.revision) group.push(change);
    else groups.push([change]);
  }
  return groups;
}
