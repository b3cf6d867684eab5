import { createHash } from "node:crypto";
import type { Asset } from "../disk/asset.ts";
import { CodeProblem } from "../disk/problem.ts";
import type { HiddenMember } from "./visibility.ts";

/** The format in which Node runs a file. */
export type Format = "module" | "commonjs" | "json" | "wasm";

/**
 * The targets of a file's imports: each specifier with a path from the modules root, or with the absolute path of a file
 * outside.
 */
export type Links = readonly (readonly [specifier: string, target: string])[];

export interface ArtifactFile {
  /** Path from the modules root, with `/` between the parts. */
  readonly path: string;
  readonly format: Format;
  /** Targets of `import`, static or dynamic. */
  readonly imports: Links;
  /** Targets of `require`. */
  readonly requires: Links;
  /** The bytes that run. In a TypeScript file, types are blanked out. */
  readonly source: Uint8Array;
  /** Private and protected members of its classes, in order. Absent: it has no such members. */
  readonly hidden?: readonly HiddenMember[];
}

/**
 * An import of a file outside of the modules root. The file is not part of the artifact: it is read when the module runs.
 */
export interface OutsideImport {
  /** Path of the importing file from the modules root. */
  readonly from: string;
  readonly line: number;
  readonly specifier: string;
  /** Absolute path, with links followed. */
  readonly file: string;
}

/** All code of a module, which is its entry and everything that it imports, and its assets. */
export interface Artifact {
  /** Path of the entry from the modules root. */
  readonly entry: string;
  readonly files: readonly ArtifactFile[];
  readonly outside: readonly OutsideImport[];
  /** Absent: it has no assets. */
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
 * Encodes an artifact as a line of JSON about its files, ordered by path, followed by their bytes. The encoding is
 * canonical: artifacts that run alike have the same bytes, in whatever order their parts were found, and different
 * artifacts differ. Throws a CodeProblem.
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

/** Reverses `encodeArtifact`. Throws a SyntaxError for anything else. */
export function decodeArtifact(bytes: Uint8Array): Artifact {
  const end = bytes.indexOf(NEWLINE);
  const head = JSON.parse(Buffer.from(bytes.subarray(0, end)).toString()) as Head;
  if (head.version !== VERSION)
    throw new SyntaxError(`the artifact has format ${head.version}, but must have ${VERSION}`);
  let at = end + 1;
  const files = head.files.map(({ bytes: length, ...file }) => {
    at += length;
    return { ...file, source: bytes.subarray(at - length, at) };
  });
  const { entry, outside, assets } = head;
  return { entry, files, outside, ...(assets === undefined ? {} : { assets }) };
}

/** Returns the digests of an artifact's assets, read from its first line. Empty for any other bytes. */
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

/** Whether bytes begin like an artifact. An asset may have any bytes. */
export function startsAsArtifact(bytes: Uint8Array): boolean {
  const start = '{"version":';
  return Buffer.from(bytes.subarray(0, start.length)).toString("latin1") === start;
}

/** Returns the SHA-256 of bytes in hex, as sha256sum prints it. */
export function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const sorted = (links: Links): Links => links.toSorted(([a], [b]) => compare(a, b));

/** Compares by code units, so that the order does not depend on the locale. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
