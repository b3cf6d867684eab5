import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
                                                           

/**
 * Puts the place into the stack of an error that an import has thrown because one of the files is no JavaScript: of modules
 * that are not on the disk, Node tells none. Any other error stays as it is.
 */
export function tellPlaceOfSyntaxError(thrown         , { root, files }                                      )       {
  if (!(thrown instanceof SyntaxError) || thrown.stack === undefined || thrown.stack.includes(root)) return;
  for (const { path, format, source } of files) {
    if (format !== "module") continue;
    const line = wrongLine(Buffer.from(source).toString());
    if (line === undefined) continue;
    thrown.stack = `${pathToFileURL(join(root, path)).href}:${line}\n${thrown.stack}`;
    return;
  }
}

/** The line at which a text is no JavaScript; undefined: it may be. */
function wrongLine(text        )                     {
  try {
    stripTypeScriptTypes(text);
    return undefined;
  } catch (error) {
    return /^[^\n]*:(\d+)\n/.exec(error instanceof SyntaxError ? (error.stack ?? "") : "")?.[1];
  }
}
