import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { basename, dirname, extname, join, relative, sep } from "node:path";
import { compileFunction } from "node:vm";
import { parse } from "es-module-lexer";
import { isFault, machineFault } from "../disk/fault.ts";
import { isWithin } from "../disk/paths.ts";
import { CodeProblem, lineAt, placeOf } from "../disk/problem.ts";
import type { Format } from "./artifact.ts";
import { type HiddenMember, hiddenMembers } from "./visibility.ts";

const MIB = 1024 * 1024;
/** Size of one file of a module's code; a larger one is refused with `MODULE_INVALID`. @limit bytes */
const MAX_FILE_BYTES = 16 * MIB;
/** Size of one TypeScript file of a module's code; a larger one is refused with `MODULE_INVALID`. @limit bytes */
const MAX_TYPESCRIPT_BYTES = 4 * MIB;

type PackageType = "module" | "commonjs" | undefined;

/** A file of a module's code, ready to run. */
export interface Source {
  /** Path from the modules root. */
  readonly path: string;
  readonly format: Format;
  /** The bytes on the disk. */
  readonly raw: Uint8Array;
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly hidden: readonly HiddenMember[];
}

/** Reads files below a root in the form in which Node would run them. Nothing above the root is read. */
export class SourceReader {
  readonly #root: string;
  readonly #types = new Map<string, PackageType>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Returns the path of a file from the root, with `/` between the parts. */
  pathOf(file: string): string {
    return relative(this.#root, file).split(sep).join("/");
  }

  /** Whether the file is of a kind that can be run. */
  knows(file: string): boolean {
    return KINDS.has(extname(file));
  }

  /** Reads a file. `file`: absolute, with links followed. Throws a CodeProblem. */
  read(file: string): Source {
    const path = this.pathOf(file);
    const kind = KINDS.get(extname(file));
    if (kind === undefined)
      throw new CodeProblem(`${path} is neither JavaScript nor TypeScript nor JSON nor WebAssembly`);
    const raw = readWhole(file, path);
    if (kind.format === "json") return json(path, raw);
    if (kind.format === "wasm") return { path, format: "wasm", raw, bytes: raw, text: "", hidden: [] };
    const original = raw.toString();
    const text = kind.typescript ? strip(path, original) : original;
    const bytes = kind.typescript ? Buffer.from(text) : raw;
    const format = kind.format ?? this.#typeOf(dirname(file)) ?? detected(text);
    const hidden = kind.typescript ? hiddenMembers(original, text) : [];
    return { path, format, raw, bytes, text, hidden };
  }

  /** Returns the `type` of the nearest package.json. Like Node, it searches up to the package's directory. */
  #typeOf(directory: string): PackageType {
    if (this.#types.has(directory)) return this.#types.get(directory);
    const type = this.#readType(directory);
    this.#types.set(directory, type);
    return type;
  }

  #readType(directory: string): PackageType {
    if (basename(directory) === "node_modules" || !isWithin(this.#root, directory)) return undefined;
    const file = join(directory, "package.json");
    let text: string;
    try {
      text = readWhole(file, this.pathOf(file)).toString();
    } catch (error) {
      if (isFault(error)) throw error;
      return directory === this.#root ? undefined : this.#typeOf(dirname(directory));
    }
    const { value } = parsed(this.pathOf(file), text);
    const { type } = (value ?? {}) as { type?: unknown };
    return type === "module" || type === "commonjs" ? type : undefined;
  }
}

/** The format of a file, by its extension. */
const KINDS: ReadonlyMap<string, { readonly format?: Format; readonly typescript?: boolean }> = new Map([
  [".ts", { typescript: true }],
  [".mts", { typescript: true, format: "module" }],
  [".cts", { typescript: true, format: "commonjs" }],
  [".js", {}],
  ["", {}],
  [".mjs", { format: "module" }],
  [".cjs", { format: "commonjs" }],
  [".json", { format: "json" }],
  [".wasm", { format: "wasm" }],
]);

/** Reads an ordinary file. Does not wait for the writer of a pipe. */
function readWhole(file: string, path: string): Buffer {
  let opened: number | undefined;
  try {
    opened = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = fstatSync(opened);
    if (!found.isFile()) throw new CodeProblem(`${path} is not a file`);
    if (found.size > MAX_FILE_BYTES) throw tooLarge(path, found.size, MAX_FILE_BYTES);
    return readFileSync(opened);
  } catch (error) {
    if (error instanceof CodeProblem) throw error;
    if (isFault(error)) throw machineFault(`read ${path}`, error);
    throw new CodeProblem(`${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  } finally {
    if (opened !== undefined) closeSync(opened);
  }
}

function tooLarge(path: string, bytes: number, limit: number): CodeProblem {
  return new CodeProblem(`${path} has ${bytes} bytes, more than ${limit}`);
}

function json(path: string, raw: Buffer): Source {
  const { text } = parsed(path, raw.toString());
  return { path, format: "json", raw, bytes: raw, text, hidden: [] };
}

function parsed(path: string, text: string): { readonly text: string; readonly value: unknown } {
  try {
    return { text, value: JSON.parse(text.replace(/^\uFEFF/, "")) };
  } catch (error) {
    throw new CodeProblem(`${path} is not JSON: ${(error as Error).message}`);
  }
}

/** Blanks the types out, so that every line and column stays where it was. */
function strip(path: string, text: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_TYPESCRIPT_BYTES) {
    throw new CodeProblem(`${path} has ${bytes} bytes, but a TypeScript file may have at most ${MAX_TYPESCRIPT_BYTES}`);
  }
  try {
    return stripTypeScriptTypes(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const [, line = "1"] = /^[^\n]*:(\d+)\n/.exec(error.stack ?? "") ?? [];
    throw new CodeProblem(`${placeOf(path, Number(line))}: ${error.message}`);
  }
}

/** Detects the format of a file like Node, if neither its name nor a package.json decides: by trying to parse it. */
function detected(text: string): Format {
  if (hasModuleSyntax(text)) return "module";
  try {
    compileFunction(text, ["exports", "require", "module", "__filename", "__dirname"]);
    return "commonjs";
  } catch {
    return "module";
  }
}

function hasModuleSyntax(text: string): boolean {
  try {
    return parse(text)[3];
  } catch {
    return false;
  }
}

/** Creates the problem of a text that the lexer cannot read. */
export function syntaxProblem(path: string, text: string, error: unknown): CodeProblem {
  const { idx = 0 } = error as { idx?: number };
  return new CodeProblem(`${placeOf(path, lineAt(text, idx))}: it cannot be read as JavaScript`);
}
