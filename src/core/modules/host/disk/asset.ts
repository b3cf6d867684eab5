import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { CodeProblem } from "./problem.ts";

/** A file that a module loads as data, as it is kept with its artifact. */
export interface Asset {
  /** From the modules root, with `/` between the parts. */
  readonly path: string;
  /** Of its bytes, in hex: its name among the artifacts. */
  readonly sha256: string;
  readonly bytes: number;
}

/** Told of each piece of a file as it is read. */
type Taker = (piece: Uint8Array) => void;

/** Bytes that are read at once: a part of the file, whatever its size. */
const PIECE = 1024 * 1024;

/**
 * Reads an ordinary file in pieces, however large it is, and tells its digest. Opens without waiting for whoever writes to a
 * pipe, and follows no link. Throws a CodeProblem.
 *
 * @param most bytes that it may have.
 * @param what in messages.
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
      // Whatever its size was said to be: some files have none, and others grow.
      if (bytes > most) throw tooLarge(what);
      const read = piece.subarray(0, length);
      hash.update(read);
      take(read);
    }
  } finally {
    if (opened !== undefined) closeSync(opened);
  }
}

/** An error of reading says of no file of which it is. */
function readNamed(opened: number, piece: Buffer, path: string): number {
  try {
    return readSync(opened, piece);
  } catch (error) {
    throw Object.assign(error as Error, { path });
  }
}

function tooLarge(what: string): CodeProblem {
  return new CodeProblem(`${what} makes them more than ${MAX_ASSET_BYTES} bytes in all`);
}

/** Size of all assets of a module; more is refused with `MODULE_ASSET_INVALID`. @limit bytes */
export const MAX_ASSET_BYTES = 512 * 1024 * 1024;
