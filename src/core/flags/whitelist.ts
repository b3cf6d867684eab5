import type { JsonPath } from "../json-source.ts";
import { show, type Violation, violation } from "../violation.ts";
import { qualified } from "./listing.ts";

/** How many entries a flag's whitelist may have. */
export const WHITELIST_LIMIT = 10_000;
/** How long one may be, in characters. */
export const ENTRY_LIMIT = 256;

/** The first rule that a whitelist breaks. Entries of `known` were taken before there was a rule that they break. */
export function whitelistViolation(entries: unknown, known: readonly string[]): Violation | undefined {
  if (!Array.isArray(entries))
    return { path: ["whitelist"], problem: `${show(entries)} is not allowed`, expected: LIST };
  if (entries.length > WHITELIST_LIMIT) {
    return { path: ["whitelist"], problem: `${entries.length} entries`, expected: `at most ${WHITELIST_LIMIT}` };
  }
  const seen = new Set<unknown>();
  const before = new Set<unknown>(known);
  for (const [index, entry] of entries.entries()) {
    const path = ["whitelist", index];
    if (seen.has(entry)) return { path, problem: `${show(entry)} comes twice`, expected: "each entry once" };
    seen.add(entry);
    const found = before.has(entry) ? undefined : entryViolation(path, entry);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The first rule that entries to add break; one may come twice. */
export function additionViolation(entries: unknown): Violation | undefined {
  return firstOf(entries, entryViolation);
}

/** The first rule that entries to take off break; what could be on a whitelist once can be taken off it. */
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

function sizeViolation(path: JsonPath, entry: unknown): Violation | undefined {
  if (typeof entry !== "string") return violation(path, entry, "a text");
  if (entry === "") return violation(path, entry, `a text of 1 to ${ENTRY_LIMIT} characters`);
  // Characters are code points, as everywhere in the contract; the cheap bound first.
  const length = entry.length <= ENTRY_LIMIT ? entry.length : [...entry].length;
  return length <= ENTRY_LIMIT
    ? undefined
    : { path, problem: `${length} characters`, expected: `at most ${ENTRY_LIMIT}` };
}

/** White space, and what is as invisible. */
const BLANK_AT_AN_END = /^[\s\u200B-\u200D\u2060]|[\s\u200B-\u200D\u2060]$/u;
const CONTROL = /\p{Cc}/u;

function entryViolation(path: JsonPath, entry: unknown): Violation | undefined {
  const size = sizeViolation(path, entry);
  if (size !== undefined) return size;
  const text = entry as string;
  const { value, field } = qualified(text) ?? { value: text, field: undefined };
  if (field !== undefined && value === "") {
    return { path, problem: `${show(text)} names a field and no value`, expected: `a value, such as ${text}alice` };
  }
  if (CONTROL.test(text)) {
    return { path, problem: `${show(text)} has a control character`, expected: "a text without control characters" };
  }
  if (!BLANK_AT_AN_END.test(text) && !BLANK_AT_AN_END.test(value)) return undefined;
  return { path, problem: `${show(text)} begins or ends with a blank`, expected: "a text without blanks at its ends" };
}
