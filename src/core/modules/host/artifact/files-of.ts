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

/** What a change of a module's code shows in; see `ModuleHost.filesOf`. */
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
      // It says what its files are, and where its package's imports lead.
      found.add(join(at, "package.json"));
    }
  }
  // It may lead elsewhere tomorrow.
  found.add(resolve(root));
  return [...found].slice(0, MAX_FOLLOWED);
}

/** One that is missing or damaged names no files; one that the system does not let be read may, later. */
function unlessUnread(error: unknown): undefined {
  if (typeof (error as { readonly code?: unknown }).code === "string") throw error;
}

/** Its files where they are, and by the paths by which others import them: a link may lead elsewhere tomorrow. */
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

/** What follows on the root where a stack names a file: a path, a line, and mostly a column. */
const REST = /^([^\n]+?):(\d+)(?::(\d+))?(?=[\s)]|$)/;

/** The first place below the root that a stack names; see `ModuleHost.placeIn`. */
export function placeIn(root: string, stack: string): string | undefined {
  const top = realRoot(root) + sep;
  // Code of CommonJS is named by its path, other code by its URL.
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
