import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { CodeProblem } from "./problem.ts";

/** A data file of a module, as it is stored with the artifact. */
export interface Asset {
  /** Path from the modules root, with `/` between the parts. */
  readonly path: string;
  /** SHA-256 of its bytes, in hex. It names the stored copy. */
  readonly sha256: string;
  readonly bytes: number;
}

/** Called with each piece of a file as it is read. */
type Taker = (piece: Uint8Array) => void;

/** Bytes that are read at once, whatever the size of the file. */
const PIECE = 1024 * 1024;

/**
 * Reads an ordinary file in pieces, and returns its digest and size. Does not wait for the writer of a pipe, and follows no
 * link. Throws a CodeProblem.
 *
 * @param most bytes that the file may have.
 * @param what the file's name in messages.
 */
export function readPieces(file: string, most: number, what: string, take: Taker = () => {}): Omit<Asset, "path"> {
  let opened: number | undefined;
  try {
    opened = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    const stats = fstatSync(opened);
    if (!stats.isFile()) throw new CodeProblem(`${what} is not a file`);
    if (stats.size > most) throw tooLarge(what);
    const hash = createHash("sha256");
    const piece = Buffer.allocUnsafe(PIECE);
    let bytes = 0;
    for (;;) {
      const length = readNamed(opened, piece, file);
      if (length === 0) return { sha256: hash.digest("hex"), bytes };
      bytes += length;
      // The size from `fstat` may be wrong: some files have none, and others grow.
      if (bytes > most) throw tooLarge(what);
      const read = piece.subarray(0, length);
      hash.update(read);
      take(read);
    }
  } finally {
    if (opened !== undefined) closeSync(opened);
  }
}

/** An error of `readSync` does not name the file, so its path is added. */
function readNamed(opened: number, piece: Buffer, path: string): number {
  try {
    return readSync(opened, piece);
  } catch (error) {
    throw Object.assign(error as Error, { path });
  }
}

function tooLarge(what: string): CodeProblem {
  return new CodeProblem(`${what} is too large: all assets together may have at most ${MAX_ASSET_BYTES} bytes`);
}

/** Size of all assets of a module; more is refused with `MODULE_ASSET_INVALID`. @limit bytes */
export const MAX_ASSET_BYTES = 512 * 1024 * 1024;
