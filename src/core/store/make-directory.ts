import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Creates a directory and its parents where they are missing. Node's own recursive `mkdir` never returns if a parent exists
 * but nothing can be created in it, as in /proc.
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
