import { createRequire, isBuiltin } from "node:module";
import { isAbsolute } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { moduleResolve } from "import-meta-resolve";
import type { Asset } from "../disk/asset.ts";
import { isFault, machineFault } from "../disk/fault.ts";
import { isWithin } from "../disk/paths.ts";
import { CodeProblem, lineAt, placeOf } from "../disk/problem.ts";
import type { Artifact, ArtifactFile, OutsideImport } from "./artifact.ts";
import { type Edge, edgesOf, isRelative } from "./edges.ts";
import { type Source, SourceReader } from "./source.ts";

/**
 * Files of a module's code, including everything that they import; more are refused with `MODULE_INVALID`. @limit files
 */
const MAX_FILES = 1000;
/** Size of all code of a module; more is refused with `MODULE_INVALID`. @limit bytes */
const MAX_BYTES = 64 * 1024 * 1024;

/** Conditions for `exports` of packages that Node uses when addons are disabled. */
const CONDITIONS: ReadonlySet<string> = new Set(["node", "import", "module-sync"]);

/** A file from which to build an artifact. Both paths are absolute, with links followed. */
export interface BuildRequest {
  readonly root: string;
  readonly entry: string;
  /** Assets that belong to the artifact. */
  readonly assets: readonly Asset[];
}

export interface Build {
  readonly artifact: Artifact;
  /** The entry's bytes on the disk. */
  readonly entryBytes: Uint8Array;
}

/**
 * Builds an artifact from a module's entry and everything that it imports below the root. Throws a CodeProblem. Calls
 * `onPackage` if it reads a package.json that Node caches.
 */
export function buildArtifact({ root, entry, assets }: BuildRequest, onPackage: () => void): Build {
  const reader = new SourceReader(root);
  const first = reader.read(entry);
  const sources = new Map<string, Source>([[entry, first]]);
  const files: ArtifactFile[] = [];
  const outside: OutsideImport[] = [];
  let bytes = 0;
  // Files that are added during the loop are visited as well, each once, even if imports form a cycle.
  for (const [file, source] of sources) {
    bytes += source.bytes.length;
    if (bytes > MAX_BYTES) throw new CodeProblem(`its code has more than ${MAX_BYTES} bytes in all`);
    const links = { import: new Map<string, string>(), require: new Map<string, string>() };
    for (const edge of edgesOf(source)) {
      if (links[edge.by].has(edge.specifier) && edge.saysJson !== false) continue;
      if (isBuiltin(edge.specifier)) continue;
      if (!isRelative(edge.specifier) || edge.by === "require") onPackage();
      const target = targetOf(edge, file, source);
      if (target === undefined) continue;
      if (!isWithin(root, target)) {
        if (edge.optional) continue;
        const line = lineAt(source.text, edge.position);
        outside.push({ from: source.path, line, specifier: edge.specifier, file: target });
        links[edge.by].set(edge.specifier, target);
        continue;
      }
      if (edge.optional && !reader.knows(target)) continue;
      let found = sources.get(target);
      if (found === undefined) {
        if (sources.size === MAX_FILES) throw new CodeProblem(`it has more than ${MAX_FILES} files`);
        found = reader.read(target);
        sources.set(target, found);
      }
      if (found.format === "json" && edge.saysJson === false) {
        throw new CodeProblem(`${importText(edge, source)}, which is JSON; the import needs: with { type: "json" }`);
      }
      links[edge.by].set(edge.specifier, found.path);
    }
    files.push({
      path: source.path,
      format: source.format,
      imports: [...links.import],
      requires: [...links.require],
      source: source.bytes,
      hidden: source.hidden,
    });
  }
  return { artifact: { entry: first.path, files, outside, assets }, entryBytes: first.raw };
}

/**
 * Returns the path of an import's target, with links followed. Returns undefined for an optional import that cannot be found.
 */
function targetOf(edge: Edge, file: string, source: Source): string | undefined {
  try {
    if (edge.by === "require") {
      const found = createRequire(file).resolve(edge.specifier);
      return isAbsolute(found) ? found : undefined;
    }
    const url = moduleResolve(edge.specifier, pathToFileURL(file), new Set(CONDITIONS));
    if (url.protocol === "file:") return fileURLToPath(url);
  } catch (error) {
    if (isFault(error)) throw machineFault(`find ${edge.specifier}, which ${source.path} imports`, error);
    if (edge.optional) return undefined;
    throw new CodeProblem(`${importText(edge, source)}, ${reasonOf(error, edge)}`);
  }
  if (edge.optional) return undefined;
  throw new CodeProblem(`${importText(edge, source)}, which is neither a file nor a module of Node's own`);
}

function importText({ specifier, position }: Edge, { path, text }: Source): string {
  return `${placeOf(path, lineAt(text, position))} imports ${specifier}`;
}

function reasonOf(error: unknown, { specifier }: Edge): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ERR_UNSUPPORTED_DIR_IMPORT") return "which is a directory";
  if (code !== "ERR_MODULE_NOT_FOUND") return `which cannot be found: ${message}`;
  const hint = specifier === "helios/module" ? " when it runs; import its types with `import type`" : "";
  return `which does not exist${hint}`;
}
