import type { JsonValue } from "@bufbuild/protobuf";
import { type JsonPath, messageOf, pathText } from "../../core/index.ts";
import { below, invalid } from "./problem.ts";

/**
 * Parses JSON of a field; empty: of the request itself. ARGUMENT_INVALID where the text is not JSON, for which
 * `problem` makes the message, is nested too deep, or names a member twice.
 */
export function parseJson(text: string, field: string, problem: (why: string) => string): JsonValue {
  const found = scanJson(text);
  const at = (path: JsonPath): string => (field === "" ? pathText(path) : below(field, pathText(path)));
  // What parsing costs grows with it.
  if (found?.kind === "deep") throw invalid(at(found.path.slice(0, 1)), `is nested deeper than ${MAX_JSON_DEPTH}`);
  let json: JsonValue;
  try {
    json = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw invalid(field, problem(messageOf(error)));
  }
  if (found?.kind === "twice") throw invalid(at(found.path), "is given twice");
  return json;
}

/** Nesting of a request's JSON; a deeper one is refused with `ARGUMENT_INVALID`. @limit levels */
export const MAX_JSON_DEPTH = 100;

export interface Found {
  readonly kind: "deep" | "twice";
  readonly path: JsonPath;
}

interface Open {
  /** The members so far; undefined: it is a list. */
  readonly names: Set<string> | undefined;
  /** The member or position that is being read. */
  at: string | number;
}

/** Between two of them nothing stands that matters here. */
const MARK = /["{}[\],:]/g;

/**
 * The first member that its object has twice, of which `JSON.parse` keeps the last, or the first part that is nested deeper
 * than `MAX_JSON_DEPTH`. Of a text that is not JSON it means nothing.
 */
export function scanJson(text: string): Found | undefined {
  const open: Open[] = [];
  let expectsName = false;
  MARK.lastIndex = 0;
  for (let match = MARK.exec(text); match !== null; match = MARK.exec(text)) {
    const inner = open.at(-1);
    switch (match[0]) {
      case '"': {
        const end = endOfString(text, match.index);
        if (expectsName && inner?.names !== undefined) {
          const name = nameOf(text.slice(match.index, end));
          inner.at = name;
          if (inner.names.has(name)) return { kind: "twice", path: open.map(({ at }) => at) };
          inner.names.add(name);
          expectsName = false;
        }
        MARK.lastIndex = end;
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
    if (open.length > MAX_JSON_DEPTH) return { kind: "deep", path: open.map(({ at }) => at) };
  }
  return undefined;
}

/** What is not a string of JSON is refused later. */
function nameOf(text: string): string {
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
