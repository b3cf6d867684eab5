/** What is wrong with the code of a module; for people, to follow on "it is not a module". */
export class CodeProblem extends Error {}

/** A place in a file, as messages tell it. */
export function placeOf(path: string, line: number): string {
  return `${path}:${line}`;
}

/** The line of a position in a text, counted from 1. */
export function lineAt(text: string, position: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < position; at = text.indexOf("\n", at + 1)) line += 1;
  return line;
}
