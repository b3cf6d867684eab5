import { lstatSync, opendirSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { isWithin } from "./paths.ts";
import { CodeProblem } from "./problem.ts";

/** Files and directories among a module's assets; more are refused with `MODULE_ASSET_INVALID`. @limit entries */
const MAX_ENTRIES = 2000;

/**
 * Finds the files of these assets. The keys are the paths from the root at which the module's code looks for them. The
 * values are the files to read, with links followed. A directory means all files in it. Throws a CodeProblem.
 *
 * @param root absolute, links followed.
 */
export function findAssets(root: string, paths: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const pathOf = (file: string): string => relative(root, file).split(sep).join("/");
  let entries = 0;

  const add = (file: string, isNamed: boolean): void => {
    entries += 1;
    if (entries > MAX_ENTRIES) throw new CodeProblem(`there are more than ${MAX_ENTRIES} files and directories`);
    const path = pathOf(file);
    const isLink = lstatSync(file).isSymbolicLink();
    const real = realpathSync(file);
    if (!isWithin(root, real) || real === root) throw new CodeProblem(`${path} leads out of the modules root`);
    const stats = statSync(real);
    if (stats.isDirectory()) {
      // Such a link might lead to one of its own parents.
      if (isLink && !isNamed) throw new CodeProblem(`${path} is a link to a directory: name the directory itself`);
      addAll(isLink ? real : file);
    } else if (stats.isFile()) found.set(path, real);
    else throw new CodeProblem(`${path} is neither a file nor a directory`);
  };

  const addAll = (directory: string): void => {
    const opened = opendirSync(directory);
    try {
      for (let entry = opened.readSync(); entry !== null; entry = opened.readSync())
        add(join(directory, entry.name), false);
    } finally {
      opened.closeSync();
    }
  };

  for (const path of paths) {
    const file = resolve(root, path);
    if (isAbsolute(path) || /[\0\\]/.test(path) || path.split("/").includes("..") || file === root) {
      throw new CodeProblem(`${JSON.stringify(path)} is not a path below the modules root`);
    }
    try {
      // As with code, links in the directory's path are followed. A link to a file is read under its own name.
      add(join(realpathSync(dirname(file)), basename(file)), true);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" && (error as NodeJS.ErrnoException).code !== "ENOTDIR")
        throw error;
      throw new CodeProblem(`${path} does not exist`);
    }
  }
  return found;
}
