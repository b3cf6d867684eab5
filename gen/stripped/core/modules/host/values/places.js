import { pathToFileURL } from "node:url";

/** Where the module's code says that it is, and where its author has it: URL and path of each. */
let moved                                                   = [];

/** From now on texts tell places below one directory as places below the other. */
export function tellPlaces(from        , to        )       {
  moved = [
    [pathToFileURL(from).href, pathToFileURL(to).href],
    [from, to],
  ];
}

/** The text of a stack with the places that the module's author knows. */
export function asWritten(stack        )         {
  return moved.reduce((text, [from, to]) => text.replaceAll(from, to), stack);
}
