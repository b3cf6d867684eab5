import { parse } from "es-module-lexer";
import { CodeProblem } from "../disk/problem.ts";
import { type Source, syntaxProblem } from "./source.ts";

/** An import of one file by another, as it is written. */
export interface Edge {
  readonly by: "import" | "require";
  readonly specifier: string;
  /** Position in the text. */
  readonly position: number;
  /** Whether the target may be missing, because the module may handle that. */
  readonly optional: boolean;
  /** Whether the import says that its target is JSON. Undefined: that is known only at run time. */
  readonly saysJson: boolean | undefined;
}

/** Returns all imports of a file by literal specifiers: static imports, re-exports, `import("…")` and `require("…")`. */
export function edgesOf(source: Source): Edge[] {
  if (source.format === "json") return [];
  if (source.format === "wasm") return wasmImportsOf(source);
  const requires = source.format === "commonjs" || source.text.includes("createRequire");
  return [...importsOf(source), ...(requires ? requiresOf(source.text) : [])];
}

function importsOf({ path, format, text }: Source): Edge[] {
  let imports: ReturnType<typeof parse>[0];
  try {
    [imports] = parse(text);
  } catch (error) {
    // The text may be valid CommonJS that the lexer cannot read. If its imports are missing, this is found at run time.
    if (format === "commonjs") return [];
    throw syntaxProblem(path, text, error);
  }
  return imports.flatMap((found): Edge[] => {
    if (found.type === "import-meta" || found.specifier === undefined) return [];
    const { specifier } = found;
    const edge = { by: "import", specifier, position: found.start } as const;
    if (found.type !== "dynamic") {
      const saysJson = found.attributes?.some(([key, value]) => key === "type" && value === "json") ?? false;
      return [{ ...edge, optional: false, saysJson }];
    }
    return found.glob ? [] : [{ ...edge, optional: !isRelative(specifier), saysJson: undefined }];
  });
}

/** The part of WebAssembly that is used. Its types are only available with those of browsers. */
interface WebAssemblyApi {
  readonly Module: {
    new (bytes: Uint8Array): object;
    imports(module: object): readonly { readonly module: string }[];
  };
}

/**
 * Returns the imports of a WebAssembly file. They are optional, because code that instantiates the file may provide them.
 */
function wasmImportsOf({ path, raw }: Source): Edge[] {
  try {
    const { Module } = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi }).WebAssembly;
    const imports = Module.imports(new Module(raw));
    const specifiers = new Set(imports.map(({ module }) => module));
    return [...specifiers].map((specifier) => ({
      by: "import",
      specifier,
      position: 0,
      optional: true,
      saysJson: undefined,
    }));
  } catch (error) {
    throw new CodeProblem(`${path} is not WebAssembly: ${(error as Error).message}`);
  }
}

/** Matches `require("…")`, `require.resolve("…")`, `createRequire(…)("…")`, and calls of any function with one text. */
const REQUIRE = (() => {
  const gap = String.raw`(?:\s|/\*[\s\S]*?\*/)*`;
  const callee = String.raw`(?:module\s*\.\s*)?require(?:\s*\.\s*resolve)?|createRequire\s*\([^()]*\)|([A-Za-z_$][\w$]*)`;
  const text = "([\"'`])([^\"'`\\\\\\n$]+)\\2";
  return new RegExp(String.raw`(?<![.\w$])(?:${callee})${gap}\(${gap}${text}${gap}\)`, "g");
})();
/** Matches variables that are assigned the result of `createRequire`. */
const MADE = /(?<![.\w$])([A-Za-z_$][\w$]*)\s*=\s*(?:[^;=\n]{0,100}?\.\s*)?createRequire\s*\(/g;

function requiresOf(text: string): Edge[] {
  const names = new Set([...text.matchAll(MADE)].map(([, name]) => name));
  const calls = [...text.matchAll(REQUIRE)].filter(([, name]) => name === undefined || names.has(name));
  return calls.map(({ index, 3: specifier = "" }) => ({
    by: "require",
    specifier,
    position: index,
    optional: true,
    saysJson: undefined,
  }));
}

/** Whether a specifier names a file, and not a package. */
export function isRelative(specifier: string): boolean {
  return /^(\.{0,2}\/|file:)/.test(specifier);
}
