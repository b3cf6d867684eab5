import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { StartMessage } from "../../wire/protocol.ts";

/**
 * If an import failed because a file is not valid JavaScript, adds the place to the error's stack. Node does not name it
 * for modules that are not on the disk. Any other error stays as it is.
 */
export function addPlaceOfSyntaxError(thrown: unknown, { root, files }: Pick<StartMessage, "root" | "files">): void {
  if (!(thrown instanceof SyntaxError) || thrown.stack === undefined || thrown.stack.includes(root)) return;
  for (const { path, format, source } of files) {
    if (format !== "module") continue;
    const line = wrongLine(Buffer.from(source).toString());
    if (line === undefined) continue;
    thrown.stack = `${pathToFileURL(join(root, path)).href}:${line}\n${thrown.stack}`;
    return;
  }
}

/** Returns the line of a syntax error, or undefined if none was found. */
function wrongLine(text: string): string | undefined {
  try {
    stripTypeScriptTypes(text);
    return undefined;
  } catch (error) {
    return /^[^\n]*:(\d+)\n/.exec(error instanceof SyntaxError ? (error.stack ?? "") : "")?.[1];
  }
}
