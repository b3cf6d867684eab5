import { atOnce, type Steps } from "../async/steps.ts";
import { type JsonPath, type JsonSourceError, lineAt, Parser, type Place, readAgain, type Spot } from "./parser.ts";

export { type JsonPath, JsonSourceError } from "./parser.ts";

/** A JSON text as parsed, with the places of its parts. */
export interface JsonSource {
  readonly value: unknown;
  /**
   * What is JSON, and would be read as something else: names that come twice in an object, of which `value` has the last,
   * numbers beyond `MAX_WHOLE_NUMBER`, which are infinite there, and halves of characters. In the order of the text, the
   * first 1,000.
   */
  readonly mistakes: readonly JsonSourceError[];
  /** All of them. */
  readonly mistakeCount: number;
  /** Those of them that are names that come twice. */
  readonly namesTwice: number;
  /**
   * The line, from 1, on which the member (its name) or array element stands; of the nearest enclosing part that is
   * there, where the path leads to nothing.
   */
  lineOf(path: JsonPath): number;
}

/** Writes a path as people do: `modules[2].config["a b"]`; the document itself is `(top level)`. */
export function pathText(path: JsonPath): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (!/^[A-Za-z0-9_:-]+$/.test(step)) text += `[${JSON.stringify(step)}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text === "" ? "(top level)" : text;
}

/**
 * Reads a JSON text; lines are looked for only where one is asked for. Stricter than `JSON.parse`, which takes what
 * `mistakes` tells, and texts that are nested deeper than 200 levels. A byte order mark is passed over.
 *
 * @throws JsonSourceError
 */
export function readJsonSource(text: string): JsonSource {
  return atOnce(readingJsonSource(text));
}

/** The same, with a step for each member of the document, so that others have their turn in between. */
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
