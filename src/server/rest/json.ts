import type { JsonValue } from "@bufbuild/protobuf";
import { HALF_A_CHARACTER, type JsonPath, messageOf, numberProblem, pathText } from "../../core/index.ts";
import { below, invalid } from "./problem.ts";

/**
 * Parses JSON of a field; empty: of the request itself. ARGUMENT_INVALID where the text is not JSON, for which
 * `problem` makes the message, and where `scanJson` finds something.
 */
export function parseJson(text: string, field: string, problem: (why: string) => string): JsonValue {
  const found = scanJson(text);
  const at = (path: JsonPath): string => (field === "" ? pathText(path) : below(field, pathText(path)));
  // What parsing costs grows with it.
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
export const MAX_JSON_DEPTH = 100;

export interface Found {
  readonly kind: "deep" | "twice" | "half" | "digits";
  /** Of what is nested too deep, the member of the request that it is in. */
  readonly path: JsonPath;
}

/** As errors tell it. */
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

/** Any number that is written out so. */
const TOO_LARGE = numberProblem(1e21, "1000000000000000000000");

interface Open {
  /** The members so far; undefined: it is a list. */
  readonly names: Set<string> | undefined;
  /** The member or position that is being read. */
  at: string | number;
}

/** Between two of them stands at most one number or word. */
const MARK = /["{}[\],:]/g;
/** A number that is written out digit by digit, and is beyond all that parsing tells apart. */
const DIGITS = /^\s*-?\d{22,}\s*$/;
/** Where there is none of them, no string can be wrong, and no number be too long. */
const SUSPECT = /\\u[dD][89a-fA-F]|\d{22}/;

/**
 * The first thing that `JSON.parse` would make something else of, or that is nested deeper than `MAX_JSON_DEPTH`: a member
 * that its object has twice, half of a surrogate pair, a number of so many digits that it is read as another one. Of a
 * text that is not JSON it means nothing.
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

/** What is not a string of JSON is refused later. */
function stringOf(text: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    return text;
  }
}

/** Where the string that begins at `start` has ended. */
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
