import { isAbsolute, relative, sep } from "node:path";

/** Whether `path` is `directory` or inside of it. Both must be absolute, with links followed. */
export function isWithin(directory: string, path: string): boolean {
  const way = relative(directory, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
