import type { JsonValue } from "@bufbuild/protobuf";
import { type JsonPath, messageOf, pathText } from "../../core/index.ts";
import { below, invalid } from "./problem.ts";

/**
 * Parses JSON of a field; empty: of the request itself. ARGUMENT_INVALID where it is none, which `problem` says, or names
 * a member twice.
 */
export function parseJson(text: string, field: string, problem: (why: string) => string): JsonValue {
  let json: JsonValue;
  try {
    json = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw invalid(field, problem(messageOf(error)));
  }
  const twice = findDuplicate(text);
  if (twice !== undefined)
    throw invalid(field === "" ? pathText(twice) : below(field, pathText(twice)), "is given twice");
  return json;
}

interface Open {
  /** The members so far; undefined: it is a list. */
  readonly names: Set<string> | undefined;
  /** The member or position that is being read. */
  at: string | number;
}

/** Between two of them nothing stands that matters here. */
const MARK = /["{}[\],:]/g;

/** The first member that its object has twice; `JSON.parse`, which must have taken the text, keeps the last of them. */
export function findDuplicate(text: string): JsonPath | undefined {
  const open: Open[] = [];
  let expectsName = false;
  MARK.lastIndex = 0;
  for (let match = MARK.exec(text); match !== null; match = MARK.exec(text)) {
    const inner = open.at(-1);
    switch (match[0]) {
      case '"': {
        const end = endOfString(text, match.index);
        if (expectsName && inner?.names !== undefined) {
          const name = JSON.parse(text.slice(match.index, end)) as string;
          inner.at = name;
          if (inner.names.has(name)) return open.map(({ at }) => at);
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
  }
  return undefined;
}

/** Where the string that begins at `start` has ended. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; ; at += 1) {
    const quote = text.indexOf('"', at);
    let before = quote - 1;
    while (text[before] === "\\") before -= 1;
    if ((quote - before) % 2 === 1) return quote + 1;
    at = quote;
  }
}
