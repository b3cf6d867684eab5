import { qualified } from "../../../kernel/flags/listing.ts";
import { lengthViolation, show, textViolation, type Violation, violation } from "../../errors/violation.ts";
import type { JsonPath } from "../../json/path.ts";

/** Entries of a flag's whitelist; more are refused with `ARGUMENT_INVALID`. @limit entries */
const WHITELIST_LIMIT = 10_000;
/** Length of an entry of a whitelist; a longer one is refused with `ARGUMENT_INVALID`. @limit characters */
const ENTRY_LIMIT = 256;

/** Everything that is wrong with a whitelist. Entries of `known` are accepted: they may be older than the rule they break. */
export function whitelistViolations(entries: unknown, known: readonly string[]): readonly Violation[] {
  if (entries === known) return [];
  if (!Array.isArray(entries)) return [violation(["whitelist"], entries, LIST)];
  if (entries.length > WHITELIST_LIMIT) {
    return [{ path: ["whitelist"], problem: `${entries.length} entries`, expected: `at most ${WHITELIST_LIMIT}` }];
  }
  const seen = new Set<unknown>();
  const before = new Set<unknown>(known);
  const found: Violation[] = [];
  for (const [index, entry] of entries.entries()) {
    const path = ["whitelist", index];
    const isTwice = seen.has(entry);
    seen.add(entry);
    if (isTwice) found.push({ path, problem: `${show(entry)} comes twice`, expected: "each entry once" });
    const wrong = isTwice || before.has(entry) ? undefined : entryViolation(path, entry);
    if (wrong !== undefined) found.push(wrong);
  }
  return found;
}

/** Returns what is wrong with entries that are added. An entry may come twice. */
export function additionViolation(entries: unknown): Violation | undefined {
  return firstOf(entries, entryViolation);
}

/** Returns what is wrong with entries that are removed. Every entry that a whitelist may contain can be removed. */
export function removalViolation(entries: unknown): Violation | undefined {
  return firstOf(entries, sizeViolation);
}

const LIST = "a list of texts";

function firstOf(
  entries: unknown,
  check: (path: JsonPath, entry: unknown) => Violation | undefined,
): Violation | undefined {
  if (!Array.isArray(entries)) return { path: ["entries"], problem: `${show(entries)} is not allowed`, expected: LIST };
  for (const [index, entry] of entries.entries()) {
    const found = check(["entries", index], entry);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Returns what is wrong with a text that must have no control characters, and no blanks at either end. */
export function lineViolation(path: JsonPath, value: unknown, limit: number): Violation | undefined {
  const wrong = textViolation(path, value, limit);
  if (wrong !== undefined || typeof value !== "string") return wrong;
  if (CONTROL.test(value)) {
    return { path, problem: `${show(value)} has a control character`, expected: "a text without control characters" };
  }
  if (!BLANK_AT_AN_END.test(value)) return undefined;
  return { path, problem: `${show(value)} begins or ends with a blank`, expected: "a text without blanks at its ends" };
}

/** White space, and other invisible characters. */
const BLANK_AT_AN_END = /^[\s\u200B-\u200D\u2060]|[\s\u200B-\u200D\u2060]$/u;
const CONTROL = /\p{Cc}/u;

function sizeViolation(path: JsonPath, entry: unknown): Violation | undefined {
  return entry === ""
    ? violation(path, entry, `a text of 1 to ${ENTRY_LIMIT} characters`)
    : lengthViolation(path, entry, ENTRY_LIMIT);
}

function entryViolation(path: JsonPath, entry: unknown): Violation | undefined {
  const wrong = sizeViolation(path, entry) ?? lineViolation(path, entry, ENTRY_LIMIT);
  const named = wrong === undefined ? qualified(entry as string) : undefined;
  if (named === undefined) return wrong;
  if (named.value !== "") return lineViolation(path, named.value, ENTRY_LIMIT);
  return { path, problem: `${show(entry)} names a field and no value`, expected: `a value, such as ${entry}alice` };
}
