import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a directory, and those that lead to it, where they are missing. Node's own recursive `mkdir` never comes back
 * where nothing can be made in a directory that is there, as in /proc.
 */
export function makeDirectory(directory: string): void {
  const make = (): void => {
    try {
      mkdirSync(directory);
    } catch (error) {
      if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) throw error;
    }
  };
  try {
    make();
  } catch (error) {
    const parent = dirname(directory);
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || parent === directory) throw error;
    makeDirectory(parent);
    make();
  }
}
