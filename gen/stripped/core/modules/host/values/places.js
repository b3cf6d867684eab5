import { pathToFileURL } from "node:url";

/**
 * Replacements in stacks: the directory in which the module's code runs, and the one in which its author has it, each as a
 * URL and as a path.
 */
let replacements                                                   = [];

/** From now on, `asWritten` replaces the directory `from` by the directory `to`. */
export function translatePlaces(from        , to        )       {
  replacements = [
    [pathToFileURL(from).href, pathToFileURL(to).href],
    [from, to],
  ];
}

/** Returns a stack with the paths that the module's author knows. */
export function asWritten(stack        )         {
  return replacements.reduce((text, [from, to]) => text.replaceAll(from, to), stack);
}
