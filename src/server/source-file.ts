import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import type { SourceFile } from "../core/index.ts";
import type { Logging } from "./logging.ts";

const LF = 0x0a;

/** A file that is read whenever it is asked for; that it is missing is logged once. */
export function sourceFile(name: string, log: Logging["server"]): SourceFile {
  let missing = false;
  return {
    name,
    async read() {
      try {
        const text = utf8(await readFile(name));
        missing = false;
        return text;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        // A file that is watched is looked for again and again.
        if (!missing) log("warn", "there is no such file", { file: name });
        missing = true;
        return undefined;
      }
    },
  };
}

/** The text of a file. Throws where it is not UTF-8, with the line: another encoding would alter what it says. */
export function utf8(bytes: Uint8Array): string {
  if (isUtf8(bytes)) return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  let line = 1;
  let start = 0;
  // No byte of a longer character is that of a line's end.
  for (let end = bytes.indexOf(LF); end >= 0 && isUtf8(bytes.subarray(start, end)); end = bytes.indexOf(LF, start)) {
    line += 1;
    start = end + 1;
  }
  throw new Error(`line ${line} is not UTF-8; save the file as UTF-8`);
}
