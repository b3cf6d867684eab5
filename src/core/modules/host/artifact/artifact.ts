import { createHash } from "node:crypto";
import type { Asset } from "../disk/asset.ts";
import { CodeProblem } from "../disk/problem.ts";
import type { HiddenMember } from "./visibility.ts";

/** How Node runs a file. */
export type Format = "module" | "commonjs" | "json" | "wasm";

/** Where a file's imports lead: specifier and path from the modules root, or the absolute path of a file outside. */
export type Links = readonly (readonly [specifier: string, target: string])[];

export interface ArtifactFile {
  /** From the modules root, with `/` between the parts. */
  readonly path: string;
  readonly format: Format;
  /** What `import` finds, static or not. */
  readonly imports: Links;
  /** What `require` finds. */
  readonly requires: Links;
  /** The bytes as they run: of a TypeScript file without its types. */
  readonly source: Uint8Array;
  /** The members that its classes keep to themselves, in order; absent: none. */
  readonly hidden?: readonly HiddenMember[];
}

/** An import of a file that is not below the modules root: not part of the artifact, and read when it runs. */
export interface OutsideImport {
  /** Path of the importing file from the modules root. */
  readonly from: string;
  readonly line: number;
  readonly specifier: string;
  /** Absolute, links followed. */
  readonly file: string;
}

/** All code of a module: its entry and what that imports; and the files that it loads as data. */
export interface Artifact {
  /** Path of the entry. */
  readonly entry: string;
  readonly files: readonly ArtifactFile[];
  readonly outside: readonly OutsideImport[];
  /** Absent: none. */
  readonly assets?: readonly Asset[];
}

/**
 * Size of the data about a module's code besides its text: paths, imports and private members; more is refused with
 * `MODULE_INVALID`. @limit bytes
 */
export const MAX_HEAD_BYTES = 16 * 1024 * 1024;
const VERSION = 1;
const NEWLINE = 0x0a;

interface Head {
  readonly version: number;
  readonly entry: string;
  readonly files: readonly (Omit<ArtifactFile, "source"> & { readonly bytes: number })[];
  readonly outside: readonly OutsideImport[];
  readonly assets?: readonly Asset[];
}

/**
 * The one way to write an artifact down: a line of JSON about its files, ordered by path, then their bytes. Artifacts that
 * run alike are written alike, in whatever order their parts were found, and others differently. Throws a CodeProblem.
 */
export function encodeArtifact({ entry, files, outside, assets = [] }: Artifact): Uint8Array {
  const ordered = files.toSorted((a, b) => compare(a.path, b.path));
  const head: Head = {
    version: VERSION,
    entry,
    files: ordered.map(({ path, format, imports, requires, source, hidden = [] }) => ({
      path,
      format,
      imports: sorted(imports),
      requires: sorted(requires),
      bytes: source.length,
      ...(hidden.length === 0 ? {} : { hidden }),
    })),
    outside: outside
      .map(({ from, line, specifier, file }) => ({ from, line, specifier, file }))
      .sort((a, b) => compare(a.from, b.from) || a.line - b.line || compare(a.specifier, b.specifier)),
    ...(assets.length === 0 ? {} : { assets: assets.toSorted((a, b) => compare(a.path, b.path)) }),
  };
  const line = Buffer.from(`${JSON.stringify(head)}\n`);
  if (line.length > MAX_HEAD_BYTES)
    throw new CodeProblem(`its imports and paths have more than ${MAX_HEAD_BYTES} bytes`);
  return Buffer.concat([line, ...ordered.map(({ source }) => source)]);
}

/** Reads what `encodeArtifact` wrote. Throws a SyntaxError at anything else. */
export function decodeArtifact(bytes: Uint8Array): Artifact {
  const end = bytes.indexOf(NEWLINE);
  const head = JSON.parse(Buffer.from(bytes.subarray(0, end)).toString()) as Head;
  if (head.version !== VERSION) throw new SyntaxError(`it has format ${head.version}, not ${VERSION}`);
  let at = end + 1;
  const files = head.files.map(({ bytes: length, ...file }) => {
    at += length;
    return { ...file, source: bytes.subarray(at - length, at) };
  });
  const { entry, outside, assets } = head;
  return { entry, files, outside, ...(assets === undefined ? {} : { assets }) };
}

/** The digests of the assets of an artifact, by its first line; of anything else none. */
export function digestsIn(bytes: Uint8Array): readonly string[] {
  const end = bytes.indexOf(NEWLINE);
  if (end === -1 || !startsAsArtifact(bytes)) return [];
  try {
    const { assets = [] } = JSON.parse(Buffer.from(bytes.subarray(0, end)).toString()) as Head;
    return assets.map(({ sha256 }) => sha256);
  } catch {
    return [];
  }
}

/** Whether that is the beginning of an artifact, and not of an asset, which may be anything. */
export function startsAsArtifact(bytes: Uint8Array): boolean {
  const start = '{"version":';
  return Buffer.from(bytes.subarray(0, start.length)).toString("latin1") === start;
}

/** The name of bytes: SHA-256 in hex, as sha256sum prints it. */
export function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const sorted = (links: Links): Links => links.toSorted(([a], [b]) => compare(a, b));

/** By code units: the same everywhere, whatever the locale. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
