import { isUtf8 } from "node:buffer";
import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { race, Serial, timeLimit } from "../../core/async/index.ts";
import { type Clock, type SourceFile, systemClock } from "../../core/index.ts";
import type { LogLine } from "../logs/logging.ts";

/**
 * Size of a flags file or a modules file, and of a file to convert; a larger one is refused with `FLAGS_FILE_INVALID`
 * or `MODULES_FILE_INVALID`. @limit bytes
 */
export const MAX_SOURCE_BYTES = 16 * 1024 * 1024;
/**
 * Time that reading a flags file or a modules file may take; then it is given up with `FLAGS_FILE_INVALID` or
 * `MODULES_FILE_INVALID`. No other reading of it begins until the first one has ended. @limit ms
 */
export const SOURCE_TIMEOUT_MS = 5000;

const LF = 0x0a;

/** A file that is read whenever it is needed. If it is missing, that is logged once. */
export function sourceFile(name: string, log: LogLine, clock: Clock = systemClock): SourceFile {
  let missing = false;
  /** Each read holds one of few threads. If a read hangs, no other one of this file may begin. */
  const turns = new Serial();
  /** A read that was given up and has not ended yet. */
  let hung: Promise<unknown> | undefined;

  const bytesInTurn = async (): Promise<Buffer> => {
    if (hung !== undefined) throw tooSlow();
    let isGivenUp = false;
    const reading = turns.run(async () => {
      if (isGivenUp) throw tooSlow();
      return await readBytes(name);
    });
    return race(reading, [timeLimit(clock, SOURCE_TIMEOUT_MS, tooSlow, true)], () => {
      isGivenUp = true;
      hung ??= turns.idle().then(() => {
        hung = undefined;
      });
    });
  };

  return {
    name,
    async read() {
      try {
        const text = utf8(await bytesInTurn());
        missing = false;
        return text;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        // A watched file is looked up again and again.
        if (!missing) log("warn", "there is no such file", { file: name });
        missing = true;
        return undefined;
      }
    },
  };
}

/**
 * Reads an ordinary file (or a pipe, if `takesPipes`) of at most `MAX_SOURCE_BYTES`. Other kinds of files are refused:
 * opening one may have side effects, and reading it may never end.
 */
export async function readBytes(name: string, takesPipes = false): Promise<Buffer> {
  const kind = await stat(name);
  if (!kind.isFile() && !(takesPipes && kind.isFIFO())) throw new Error("it is not a file");
  // The file may have been replaced meanwhile. Opening a pipe without a writer must not block.
  const file = await open(name, constants.O_RDONLY | (takesPipes ? 0 : constants.O_NONBLOCK));
  try {
    const found = await file.stat();
    if (!found.isFile() && !takesPipes) throw new Error("it is not a file");
    if (found.size > MAX_SOURCE_BYTES) throw tooLarge();
    return await readToEnd(file, found.size);
  } finally {
    await file.close();
  }
}

/** Reads to the end whatever the file's size says: some files have no size, and others grow. */
async function readToEnd(file: FileHandle, size: number): Promise<Buffer> {
  let bytes = Buffer.allocUnsafe(size + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length, null);
    if (bytesRead === 0) return bytes.subarray(0, length);
    length += bytesRead;
    if (length > MAX_SOURCE_BYTES) throw tooLarge();
    if (length === bytes.length) bytes = Buffer.concat([bytes], Math.min(length * 2 + 4096, MAX_SOURCE_BYTES + 1));
  }
}

function tooSlow(): Error {
  return new Error(`the file system did not return it within ${SOURCE_TIMEOUT_MS} ms`);
}

function tooLarge(): Error {
  return new Error(`it has more than ${MAX_SOURCE_BYTES} bytes`);
}

/**
 * Returns the text of a file. Throws an error with the line if it is not UTF-8, because another encoding would change the
 * text.
 */
export function utf8(bytes: Uint8Array): string {
  if (isUtf8(bytes)) return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  let line = 1;
  let start = 0;
  // In UTF-8, no part of a longer character looks like a line feed.
  for (let end = bytes.indexOf(LF); end >= 0 && isUtf8(bytes.subarray(start, end)); end = bytes.indexOf(LF, start)) {
    line += 1;
    start = end + 1;
  }
  throw new Error(`line ${line} is not UTF-8; save the file as UTF-8`);
}
