import { realpathSync } from "node:fs";
import { isBuiltin, type ResolveHookContext, registerHooks } from "node:module";
import { isAbsolute, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isWithin } from "../../disk/paths.ts";
import type { StartMessage } from "../../wire/protocol.ts";
import { denied } from "../permissions/denied.ts";

/**
 * From now on, serves imports from the files that the service sent. The files appear to be at their paths below the root,
 * or below the directory of the assets if there are any. Other files may only be imported from below one of the readable
 * directories, with links followed. Returns the URL of the entry.
 */
export function serveCode({ root: written, entry, files, readable, assets }: Code): string {
  const root = assets?.directory ?? written;
  const urlOf = (path: string): string => pathToFileURL(isAbsolute(path) ? path : join(root, path)).href;
  const byUrl = new Map(
    files.map(({ imports, requires, ...file }) => [
      urlOf(file.path),
      { ...file, imports: new Map(imports), requires: new Map(requires) },
    ]),
  );
  const directories = [...readable, ...(assets === undefined ? [] : [assets.directory])].map(realPath);

  /**
   * Returns the URL that a specifier names, unless it names a package. The specifier may have been computed at run time.
   */
  const urlIn = (specifier: string, { parentURL }: ResolveHookContext): URL | null =>
    URL.parse(isAbsolute(specifier) ? urlOf(specifier) : specifier, isRelative(specifier) ? parentURL : undefined);

  registerHooks({
    resolve(specifier, context, nextResolve) {
      if (isBuiltin(specifier)) return nextResolve(specifier, context);
      if (specifier === "node:sqlite") throw denied("node:sqlite needs fs_read or fs_write", "FileSystemRead");
      const from = byUrl.get(withoutQuery(context.parentURL ?? ""));
      // The target that the build found for this specifier.
      const link = (isRequire(context) ? from?.requires : from?.imports)?.get(specifier);
      const named = urlIn(specifier, context);
      const linked = link === undefined ? undefined : urlOf(link) + (named?.search ?? "") + (named?.hash ?? "");
      const url = linked ?? named?.href ?? "";
      const held = byUrl.get(withoutQuery(url));
      if (held !== undefined) return { url, format: held.format, shortCircuit: true };
      if (directories.length === 0) throw notHeld(specifier, context);
      let found: ReturnType<typeof nextResolve>;
      try {
        found = nextResolve(linked ?? specifier, context);
      } catch (error) {
        throw from === undefined || linked !== undefined ? error : notHeld(specifier, context);
      }
      const file = found.url.startsWith("file:") ? realPath(fileURLToPath(found.url)) : undefined;
      if (file !== undefined && directories.some((directory) => isWithin(directory, file))) return found;
      throw notHeld(specifier, context);
    },
    load(url, context, nextLoad) {
      const held = byUrl.get(withoutQuery(url));
      if (held === undefined) return nextLoad(url, context);
      return { format: held.format, source: held.source, shortCircuit: true };
    },
  });
  return urlOf(entry);
}

type Code = Pick<StartMessage, "root" | "entry" | "files" | "readable" | "assets">;

const isRelative = (specifier: string): boolean => /^\.{1,2}\//.test(specifier);

const withoutQuery = (url: string): string => url.replace(/[?#].*$/s, "");

const isRequire = ({ conditions }: ResolveHookContext): boolean => conditions.includes("require");

function notHeld(specifier: string, context: ResolveHookContext): Error {
  const message =
    `imports ${specifier}, which is not in the module's artifact: import it by a literal specifier from ` +
    "below the modules root, list it among the assets, or grant fs_read for its directory";
  // Modules check this code to find out whether an optional dependency is missing.
  const code = isRequire(context) ? "MODULE_NOT_FOUND" : "ERR_MODULE_NOT_FOUND";
  return Object.assign(new Error(message), { code });
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
