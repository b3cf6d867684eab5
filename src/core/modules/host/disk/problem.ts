/**
 * An error in a module's code or assets. The message is for readers, and follows the name of the module in a longer
 * message.
 */
export class CodeProblem extends Error {}

/** Formats a place in a file for messages. */
export function placeOf(path: string, line: number): string {
  return `${path}:${line}`;
}

/** Returns the line of a position in a text, counted from 1. */
export function lineAt(text: string, position: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < position; at = text.indexOf("\n", at + 1)) line += 1;
  return line;
}
