import { atOnce, type Steps } from "../async/steps.ts";
import type { JsonSourceError } from "./error.ts";
import { lineAt, Parser, type Place, readAgain, type Spot } from "./parser.ts";
import type { JsonPath } from "./path.ts";

/** A parsed JSON text, with the places of its parts. */
export interface JsonSource {
  readonly value: unknown;
  /**
   * JSON that other parsers would read in another way: repeated names in an object (`value` has the last one), numbers
   * beyond `MAX_WHOLE_NUMBER` (`value` has Infinity), and halves of characters. In the order of the text; the first 1,000.
   */
  readonly mistakes: readonly JsonSourceError[];
  /** The number of all mistakes, listed or not. */
  readonly mistakeCount: number;
  /** The number of mistakes that are repeated names. */
  readonly namesTwice: number;
  /**
   * The line of a member (of its name) or array element; counts from 1. If the path leads nowhere, the line of the nearest
   * enclosing part.
   */
  lineOf(path: JsonPath): number;
}

/**
 * Parses a JSON text. Lines are only computed when they are asked for. It is stricter than `JSON.parse`: it reports what
 * `mistakes` describes, and refuses nesting beyond 200 levels. A byte order mark is skipped.
 *
 * @throws JsonSourceError
 */
export function readJsonSource(text: string): JsonSource {
  return atOnce(readingJsonSource(text));
}

/** Like `readJsonSource`, with a step for each member of the document, so that other work gets its turn. */
export function* readingJsonSource(text: string): Steps<JsonSource> {
  const parser = new Parser(text);
  const value = yield* parser.document();
  const { members, top } = parser;
  const spots = new Map<Place, Spot>();
  const spotAt = (place: Place): Spot => {
    const spot = spots.get(place) ?? readAgain(text, place).spot;
    spots.set(place, spot);
    return spot;
  };
  return {
    value,
    mistakes: parser.mistakes,
    mistakeCount: parser.mistakeCount,
    namesTwice: parser.namesTwice,
    lineOf(path) {
      const member = path.length === 0 ? undefined : members.get(String(path[0]));
      let { line } = member ?? top;
      const steps = member === undefined ? path : path.slice(1);
      if (steps.length === 0 || (member === undefined && members.size > 0)) return line;
      let spot: Spot | undefined = spotAt(member ?? top);
      for (const step of steps) {
        spot = typeof spot === "number" ? undefined : spot.parts.get(step);
        if (spot === undefined) break;
        line = lineAt(spot);
      }
      return line;
    },
  };
}
