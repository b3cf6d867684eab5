import { isAbsolute, relative, sep } from "node:path";

/** Whether a path is a directory or inside of it; both absolute and without links. */
export function isWithin(directory        , path        )          {
  const way = relative(directory, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
