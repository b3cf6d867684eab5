import { HeliosError } from "../errors.ts";

/** The error for a flags file. `line` 0: the file as a whole. */
export function fileInvalid(
  file: string,
  line: number,
  key: string,
  problem: string,
  expected: string,
  cause?: unknown,
): HeliosError {
  return HeliosError.of("FLAGS_FILE_INVALID", { file, line, key, problem, expected }, { cause });
}
