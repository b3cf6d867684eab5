import type { Gradual, Json } from "../../../kernel/flags/rule.ts";
import { printTime } from "../../text/rfc3339.ts";
import type { FlagMetadata } from "../record.ts";
import type { FileFlag } from "./read-flag.ts";

/** A flag in the shape of the flags file. */
export interface FileEntry {
  readonly enabled: boolean;
  /** In lower case. */
  readonly strategy: string;
  readonly percentage?: number;
  readonly whitelist?: readonly string[];
  readonly whitelist_first?: boolean;
  readonly gradual?: Readonly<Record<string, number | string>>;
  readonly description: string;
  readonly owner?: string;
  readonly tags?: readonly string[];
  readonly metadata?: FlagMetadata;
  readonly bucket_by?: string;
  readonly salt?: string;
  readonly variants?: readonly { readonly name: string; readonly weight: number; readonly value: Json }[];
  readonly condition?: string;
  readonly prerequisites?: readonly string[];
  readonly on_stale?: string;
  /** In seconds, such as `30s`. */
  readonly max_staleness?: string;
  readonly killed?: boolean;
  readonly updated_at?: string;
}

/** The flags in the shape of the file, by name. Members that have their default are left out. */
export function flagsFileShape(flags: readonly FileFlag[]): Readonly<Record<string, FileEntry>> {
  const byName = [...flags].sort((a, b) => (a.name < b.name ? -1 : 1));
  return Object.fromEntries(byName.map((flag) => [flag.name, fileEntry(flag)]));
}

/** The text of a flags file, which `parseFlagsFile` parses to the same flags. */
export function printFlagsFile(flags: readonly FileFlag[]): string {
  return `${JSON.stringify(flagsFileShape(flags), undefined, 2)}\n`;
}

function fileEntry({ name, definition, updatedAt }: FileFlag): FileEntry {
  const { enabled, strategy, percentage, whitelist, gradual, description, bucketBy, salt } = definition;
  const { owner, tags, metadata, whitelistFirst, variants, condition, prerequisites, onStale, maxStalenessMs, killed } =
    definition;
  return {
    enabled,
    strategy: strategy.toLowerCase(),
    ...(strategy === "PERCENTAGE" || percentage !== 0 ? { percentage } : {}),
    ...(strategy === "WHITELIST" || whitelist.length > 0 ? { whitelist } : {}),
    ...(whitelistFirst ? { whitelist_first: true } : {}),
    ...(gradual === undefined ? {} : { gradual: gradualEntry(gradual) }),
    description,
    ...(owner === undefined ? {} : { owner }),
    ...(tags === undefined ? {} : { tags }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(bucketBy === "SESSION_ID" ? {} : { bucket_by: bucketBy.toLowerCase() }),
    ...(salt === name ? {} : { salt }),
    ...(variants === undefined ? {} : { variants }),
    ...(condition === undefined ? {} : { condition }),
    ...(prerequisites === undefined ? {} : { prerequisites }),
    ...(onStale === undefined ? {} : { on_stale: onStale.toLowerCase() }),
    ...(maxStalenessMs === undefined ? {} : { max_staleness: `${maxStalenessMs / 1000}s` }),
    ...(killed ? { killed } : {}),
    ...(updatedAt === undefined ? {} : { updated_at: printTime(updatedAt) }),
  };
}

function gradualEntry(gradual: Gradual): NonNullable<FileEntry["gradual"]> {
  const { initialPercentage, targetPercentage, startTime, endTime, pausedAt } = gradual;
  return {
    initial_percentage: initialPercentage,
    target_percentage: targetPercentage,
    ...(startTime === undefined ? {} : { start_time: printTime(startTime) }),
    ...(endTime === undefined ? {} : { end_time: printTime(endTime) }),
    ...(pausedAt === undefined ? {} : { paused_at: printTime(pausedAt) }),
  };
}
