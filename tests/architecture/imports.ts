import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

/** One `import`, `export … from` or `import()` of a file. */
export interface Import {
  /** The specifier as it is written. */
  readonly specifier: string;
  /** The path of the file from the repository's root if the specifier is relative, else the specifier. */
  readonly target: string;
  /** `import type` and `export type`, which vanish at run time. `import { type Name }` remains, so it is not meant. */
  readonly typeOnly: boolean;
}

export interface SourceFile {
  /** The path from the repository's root. */
  readonly path: string;
  readonly imports: readonly Import[];
}

/** Stands for the specifier of an `import()` whose argument is not a literal. */
export const COMPUTED = "(computed)";

/** Finds comments and literals of text. */
export const COMMENT_OR_TEXT = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;
const STATEMENT = /(?:^|[;}\n])\s*(?:import|export)(\s+type)?\b(?:[^"'`;()=]*?\bfrom)?\s*["']([^"'\n]+)["']/g;
const CALL = /\bimport\s*\(\s*(?:(["'`])([^"'`\n]*)\1)?/g;

/** Returns the imports of a TypeScript file, found by reading its text. */
export function importsOf(path: string, text: string): Import[] {
  const code = text.replace(COMMENT_OR_TEXT, (part) => {
    if (part.startsWith("/")) return " ";
    return part.includes("\n") ? "``" : part;
  });
  const target = (specifier: string): string =>
    specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier) : specifier;
  const found: Import[] = [];
  for (const [, type, specifier = ""] of code.matchAll(STATEMENT)) {
    found.push({ specifier, target: target(specifier), typeOnly: type !== undefined });
  }
  for (const [, , specifier = COMPUTED] of code.matchAll(CALL)) {
    found.push({ specifier, target: target(specifier), typeOnly: false });
  }
  return found;
}

const NOT_OURS = new Set(["node_modules", "dist", ".venv", "__pycache__"]);

/** Returns every file below a directory, by its path from the repository's root. */
export function filesBelow(root: string, directory: string): string[] {
  return readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(directory, entry.name);
    if (entry.isDirectory()) return NOT_OURS.has(entry.name) ? [] : filesBelow(root, path);
    return [path];
  });
}

/** Reads every TypeScript file below a directory. */
export function readSources(root: string, directory: string): SourceFile[] {
  return filesBelow(root, directory)
    .filter((path) => path.endsWith(".ts"))
    .map((path) => ({ path, imports: importsOf(path, readFileSync(join(root, path), "utf8")) }));
}
