import { HeliosError } from "../errors.ts";
import { RevisionCompacted } from "./store.ts";

/** How many changes a store keeps for watchers that come back, unless told otherwise. */
export const KEPT_CHANGES = 100_000;
/** How many changes are compacted away at a time: few enough not to be felt, enough to touch each page but once. */
export const COMPACTION_STEP = 32;

/** Whether a write that has reached `head` compacts a step: `COMPACTION_STEP` revisions more are kept than need be. */
export function isStepDue(head: number, compacted: number, kept: number): boolean {
  return head - compacted >= kept + COMPACTION_STEP;
}

export function checkKey(key: string): void {
  if (key === "" || !key.isWellFormed()) invalid("key", "must be well-formed text and not empty");
}

export function checkValue(value: string): void {
  if (!value.isWellFormed()) invalid("value", "must be well-formed text");
}

export function checkLimit(limit: number): void {
  if (!Number.isSafeInteger(limit) || limit < 1) invalid("limit", `must be a whole number above 0, is ${limit}`);
}

export function checkKeptChanges(kept: number): number {
  if (Number.isSafeInteger(kept) && kept >= 1) return kept;
  return invalid("keptChanges", `must be a whole number above 0, is ${kept}`);
}

export function checkRevision(revision: number): void {
  if (!Number.isSafeInteger(revision)) invalid("revision", `must be a whole number, is ${revision}`);
}

/** The journal can tell what came after `revision` only if that is neither compacted nor in the future. */
export function checkKept(revision: number, compacted: number, head: number): void {
  checkRevision(revision);
  if (revision < compacted || revision > head) throw new RevisionCompacted(revision, compacted);
}

export function storeClosed(): HeliosError {
  return HeliosError.of("STORE_UNAVAILABLE", { problem: "the store is closed" });
}

function invalid(field: string, problem: string): never {
  throw HeliosError.of("ARGUMENT_INVALID", { field, problem });
}
