import type { JsonValue } from "@bufbuild/protobuf";
import { HALF_A_CHARACTER, type JsonPath, messageOf, numberProblem, pathText } from "../../core/index.ts";
import { below, invalid } from "./problem.ts";

/**
 * Parses the JSON of a field, or of the request itself if `field` is "". Throws ARGUMENT_INVALID if the text is not JSON,
 * with the message from `problem`, or if `scanJson` finds a problem.
 */
export function parseJson(text: string, field: string, problem: (why: string) => string): JsonValue {
  const found = scanJson(text);
  const at = (path: JsonPath): string => (field === "" ? pathText(path) : below(field, pathText(path)));
  // A deeply nested text is expensive to parse, so it is refused first.
  if (found?.kind === "deep") throw invalid(at(found.path), problemOf(found));
  let json: JsonValue;
  try {
    json = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw invalid(field, problem(messageOf(error)));
  }
  if (found !== undefined) throw invalid(at(found.path), problemOf(found));
  return json;
}

/** Nesting of a request's JSON; a deeper one is refused with `ARGUMENT_INVALID`. @limit levels */
const MAX_JSON_DEPTH = 100;

export interface Found {
  readonly kind: "deep" | "twice" | "half" | "digits";
  /** Path of the problem. If the JSON is nested too deeply, only its first member is named. */
  readonly path: JsonPath;
}

/** Describes a problem for an error. */
export function problemOf({ kind }: Found): string {
  switch (kind) {
    case "deep":
      return `is nested deeper than ${MAX_JSON_DEPTH}`;
    case "twice":
      return "is given twice";
    case "half":
      return `${HALF_A_CHARACTER.problem}; expected ${HALF_A_CHARACTER.expected}`;
    case "digits":
      return `${TOO_LARGE?.problem}; expected ${TOO_LARGE?.expected}`;
  }
}

/** Any number that is written with too many digits. */
const TOO_LARGE = numberProblem(1e21, "1000000000000000000000");

interface Open {
  /** The members so far. Undefined for a list. */
  readonly names: Set<string> | undefined;
  /** The member or position that is being read. */
  at: string | number;
}

/** Between two of these marks, there is at most one number or word. */
const MARK = /["{}[\],:]/g;
/** A number that is written out in digits, beyond everything that parsing can distinguish. */
const DIGITS = /^\s*-?\d{22,}\s*$/;
/** If this does not match, the text has neither a wrong string nor a number with too many digits. */
const SUSPECT = /\\u[dD][89a-fA-F]|\d{22}/;

/**
 * Returns the first part that `JSON.parse` would change, or that is nested deeper than `MAX_JSON_DEPTH`: a repeated member
 * of an object, half of a surrogate pair, or a number with too many digits. The result is meaningless for a text that is
 * not JSON.
 */
export function scanJson(text: string): Found | undefined {
  const open: Open[] = [];
  const isSuspect = SUSPECT.test(text);
  const here = (kind: Found["kind"]): Found => ({ kind, path: open.map(({ at }) => at) });
  let expectsName = false;
  let last = 0;
  MARK.lastIndex = 0;
  for (let match = MARK.exec(text); match !== null; match = MARK.exec(text)) {
    if (isSuspect && DIGITS.test(text.slice(last, match.index))) return here("digits");
    const inner = open.at(-1);
    last = match.index + 1;
    switch (match[0]) {
      case '"': {
        const end = endOfString(text, match.index);
        const string = isSuspect || expectsName ? stringOf(text.slice(match.index, end)) : "";
        if (expectsName && inner?.names !== undefined) {
          inner.at = string;
          if (inner.names.has(string)) return here("twice");
          inner.names.add(string);
          expectsName = false;
        }
        if (!string.isWellFormed()) return here("half");
        MARK.lastIndex = end;
        last = end;
        break;
      }
      case "{":
        open.push({ names: new Set(), at: "" });
        expectsName = true;
        break;
      case "[":
        open.push({ names: undefined, at: 0 });
        expectsName = false;
        break;
      case ",":
        if (typeof inner?.at === "number") inner.at += 1;
        expectsName = inner?.names !== undefined;
        break;
      case ":":
        break;
      default:
        open.pop();
        expectsName = false;
    }
    if (open.length > MAX_JSON_DEPTH) return { kind: "deep", path: open.slice(0, 1).map(({ at }) => at) };
  }
  return isSuspect && DIGITS.test(text.slice(last)) ? here("digits") : undefined;
}

/** A text that is not a JSON string is refused later. */
function stringOf(text: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    return text;
  }
}

/** Returns the position after the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; ; at += 1) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return text.length;
    let before = quote - 1;
    while (text[before] === "\\") before -= 1;
    if ((quote - before) % 2 === 1) return quote + 1;
    at = quote;
  }
}
