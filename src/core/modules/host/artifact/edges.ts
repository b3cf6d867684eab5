import { parse } from "es-module-lexer";
import { CodeProblem } from "../disk/problem.ts";
import { type Source, syntaxProblem } from "./source.ts";

/** One way from a file to another, as it is written. */
export interface Edge {
  readonly by: "import" | "require";
  readonly specifier: string;
  /** Where in the text. */
  readonly position: number;
  /** May lead nowhere: the module that tries it may have another way. */
  readonly optional: boolean;
  /** Whether it says that it imports JSON; undefined: that is not known before it runs. */
  readonly saysJson: boolean | undefined;
}

/** Everything that a file names as a text: static imports, re-exports, `import("…")` and `require("…")`. */
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
    // What the lexer stumbles over may be CommonJS all the same; what it imports is found missing when it runs.
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

/** What of WebAssembly is used; its types come with those of browsers alone. */
interface WebAssemblyApi {
  readonly Module: {
    new (bytes: Uint8Array): object;
    imports(module: object): readonly { readonly module: string }[];
  };
}

/** Where it is instantiated by hand, what it imports may be given to it instead. */
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

/** `require("…")`, `require.resolve("…")`, `createRequire(…)("…")`, or the call of any function with one text. */
const REQUIRE = (() => {
  const gap = String.raw`(?:\s|/\*[\s\S]*?\*/)*`;
  const callee = String.raw`(?:module\s*\.\s*)?require(?:\s*\.\s*resolve)?|createRequire\s*\([^()]*\)|([A-Za-z_$][\w$]*)`;
  const text = "([\"'`])([^\"'`\\\\\\n$]+)\\2";
  return new RegExp(String.raw`(?<![.\w$])(?:${callee})${gap}\(${gap}${text}${gap}\)`, "g");
})();
/** What createRequire makes may have any name. */
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

/** Whether it names a file by its place, not by a package. */
export function isRelative(specifier: string): boolean {
  return /^(\.{0,2}\/|file:)/.test(specifier);
}
