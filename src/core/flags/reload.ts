import { messageOf } from "../errors.ts";
import { type Flag, type FlagDefinition, sameDefinition } from "./definition.ts";
import { type FileFlag, fileInvalid, parseFlagsFile } from "./file.ts";

export interface ReloadOptions {
  /** What becomes of flags that the file does not name: MERGE, the default, leaves them; REPLACE deletes them. */
  readonly mode?: "MERGE" | "REPLACE" | undefined;
  /** Only tell what would change. Default false. */
  readonly dryRun?: boolean | undefined;
}

/** A flag before and after. */
export interface FlagDifference {
  readonly name: string;
  /** Absent where the flag is new. */
  readonly before?: FlagDefinition;
  /** Absent where the flag is deleted. */
  readonly after?: FlagDefinition;
}

export interface ReloadResult {
  /** What changed or, in a dry run, would change; by name. */
  readonly differences: readonly FlagDifference[];
  /** Names in the file that were deleted from the store: they stay deleted until they are created with `revive`. */
  readonly passedOver: readonly string[];
  /** The store's revision afterwards. */
  readonly revision: number;
}

/** Reads and parses the flags file; undefined where there is none. Rejects with FLAGS_FILE_INVALID. */
export async function readFlagsFile(
  readFile: () => Promise<string | undefined>,
  fileName: string,
): Promise<readonly FileFlag[] | undefined> {
  let text: string | undefined;
  try {
    text = await readFile();
  } catch (error) {
    throw fileInvalid(fileName, 0, "(file)", `cannot be read: ${messageOf(error)}`, "a file that can be read", error);
  }
  return text === undefined ? undefined : parseFlagsFile(text, fileName);
}

/** What has to change so that the flags are as the file says; by name. */
export function differences(
  flags: readonly Flag[],
  file: readonly FileFlag[],
  mode: "MERGE" | "REPLACE",
): readonly FlagDifference[] {
  const present = new Map(flags.map(({ name, record }) => [name, record]));
  const found: FlagDifference[] = [];
  for (const { name, definition: after } of file) {
    const before = present.get(name);
    present.delete(name);
    if (before === undefined) found.push({ name, after });
    else if (!sameDefinition(before, after)) found.push({ name, before, after });
  }
  if (mode === "REPLACE") for (const [name, before] of present) found.push({ name, before });
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}
