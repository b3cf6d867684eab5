import { messageOf } from "../errors/error.ts";
import type { FileInvalid } from "./file.ts";

/** A file that people write. It is read whenever it is needed. */
export interface SourceFile {
  /** The name in messages. */
  readonly name: string;
  /** Returns the text of the file, or undefined if the file does not exist. */
  read(): Promise<string | undefined>;
}

/**
 * Returns the text of the file, or undefined if the file does not exist. If it cannot be read, rejects with the error of
 * `invalid`.
 */
export async function readSourceFile(file: SourceFile, invalid: FileInvalid): Promise<string | undefined> {
  try {
    return await file.read();
  } catch (error) {
    const problem = `cannot be read: ${messageOf(error)}`;
    throw invalid(file.name, 0, "(file)", problem, "a file that can be read", error);
  }
}
