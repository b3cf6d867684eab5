import { realpathSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { isWithin } from "../disk/paths.ts";
import type { ResolvedModule } from "../types/host.ts";
import { type Artifact, decodeArtifact } from "./artifact.ts";
import { isRelative } from "./edges.ts";
import { candidates, realRootOf } from "./resolve.ts";
import type { ArtifactStore } from "./store.ts";

/**
 * Files and directories of one module that are checked for changes; if a module has more, the first ones.
 * @limit entries
 */
const MAX_FOLLOWED = 20_000;

/** Returns the files to watch for changes of a module's code; see `ModuleHost.filesOf`. */
export async function filesOf(root: string, store: ArtifactStore, module: ResolvedModule): Promise<readonly string[]> {
  const top = await realRootOf(root);
  const artifact = await store.get(module.artifact).then(decodeArtifact, unlessUnread);
  const files = [
    ...candidates(module.modulePath).map((path) => resolve(top, path)),
    ...(artifact === undefined ? [] : namedIn(top, artifact)),
    ...(module.assets ?? []).map((path) => resolve(top, path)),
  ];
  const found = new Set<string>();
  for (const file of files) {
    if (!isWithin(top, file)) continue;
    found.add(file);
    for (let at = dirname(file); isWithin(top, at) && !found.has(at); at = dirname(at)) {
      found.add(at);
      // A package.json decides the format of files, and the targets of the package's imports.
      found.add(join(at, "package.json"));
    }
  }
  // The root may be a link, which may be changed.
  found.add(resolve(root));
  return [...found].slice(0, MAX_FOLLOWED);
}

/**
 * If the artifact is missing or damaged, the files that it names are unknown. An error of the system is thrown, because a
 * later attempt may succeed.
 */
function unlessUnread(error: unknown): undefined {
  if (typeof (error as { readonly code?: unknown }).code === "string") throw error;
}

/** Returns the paths of the artifact's files, and the paths by which they are imported, because a link may be changed. */
function namedIn(root: string, { files, assets = [] }: Artifact): readonly string[] {
  const named: string[] = [];
  for (const { path, imports, requires } of files) {
    const file = join(root, ...path.split("/"));
    named.push(file);
    for (const [specifier] of [...imports, ...requires]) {
      if (isRelative(specifier)) named.push(resolve(dirname(file), specifier.replace(/[?#].*$/s, "")));
    }
  }
  for (const { path } of assets) named.push(join(root, ...path.split("/")));
  return named;
}

/** The part of a stack's line after the root: a path, a line, and usually a column. */
const REST = /^([^\n]+?):(\d+)(?::(\d+))?(?=[\s)]|$)/;

/** Returns the first place below the root that a stack names; see `ModuleHost.placeIn`. */
export function placeIn(root: string, stack: string): string | undefined {
  const top = realRoot(root) + sep;
  // Stacks name CommonJS code by its path, and other code by its URL.
  const url = pathToFileURL(top).href;
  for (const line of stack.split("\n")) {
    const isUrl = line.includes(url);
    const start = isUrl ? line.indexOf(url) + url.length : line.indexOf(top) + top.length;
    if (!isUrl && !line.includes(top)) continue;
    const [, path = "", row, column] = REST.exec(line.slice(start)) ?? [];
    if (row === undefined) continue;
    const file = (isUrl ? decoded(path) : path).split(sep).join("/");
    return column === undefined ? `${file}:${row}` : `${file}:${row}:${column}`;
  }
  return undefined;
}

function realRoot(root: string): string {
  try {
    return realpathSync(root);
  } catch {
    return resolve(root);
  }
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
